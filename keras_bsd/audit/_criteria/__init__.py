"""The criteria of biological plausibility, one module each: a function from `Evidence` to a `Criterion`.

A new criterion is a module here and an entry in `CRITERIA`: reports take title, verdict and table from it.
"""

from keras_bsd.audit._criteria.binary_spikes import measure_binary_spikes
from keras_bsd.audit._criteria.independence import measure_independence
from keras_bsd.audit._criteria.local_learning import measure_local_learning
from keras_bsd.audit._criteria.single_phase import measure_single_phase
from keras_bsd.audit._criteria.unsigned_signals import measure_unsigned_signals

CRITERIA = {
    "C1": measure_independence,
    "C2": measure_local_learning,
    "C3": measure_single_phase,
    "C4": measure_binary_spikes,
    "C5": measure_unsigned_signals,
}
