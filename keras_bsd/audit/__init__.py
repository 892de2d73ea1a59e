"""Checks of the claims that people come to BSD for, on a model of one's own."""

from keras_bsd.audit.activity import membranes as membranes
from keras_bsd.audit.activity import spikes as spikes
from keras_bsd.audit.costs import Costs as Costs
from keras_bsd.audit.energy import energy as energy
from keras_bsd.audit.energy_report import EnergyReport as EnergyReport
from keras_bsd.audit.plausibility import plausibility as plausibility
from keras_bsd.audit.report import PlausibilityReport as PlausibilityReport
