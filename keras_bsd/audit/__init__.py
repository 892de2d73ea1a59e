"""Measurements on a model: plausibility of its learning, operations and energy, activity of its neurons."""

from keras_bsd.audit._activity import membranes as membranes
from keras_bsd.audit._activity import spikes as spikes
from keras_bsd.audit._costs import Costs as Costs
from keras_bsd.audit._costs import Memory as Memory
from keras_bsd.audit._counter import LayerCost as LayerCost
from keras_bsd.audit._decisions import decisions_over_time as decisions_over_time
from keras_bsd.audit._energy import energy as energy
from keras_bsd.audit._energy_report import EnergyReport as EnergyReport
from keras_bsd.audit._memory import MemoryAccesses as MemoryAccesses
from keras_bsd.audit._neurobench import neurobench as neurobench
from keras_bsd.audit._neurobench_report import NeuroBenchReport as NeuroBenchReport
from keras_bsd.audit._plausibility import plausibility as plausibility
from keras_bsd.audit._report import Criterion as Criterion
from keras_bsd.audit._report import PlausibilityReport as PlausibilityReport
from keras_bsd.audit._training_costs import TrainingCost as TrainingCost
