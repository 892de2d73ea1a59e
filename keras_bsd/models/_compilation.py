"""When XLA pays on TensorFlow and a CPU, where Keras leaves it out: by the length of a training."""

import math

import numpy as np

from keras_bsd.datasets._seeded import SeededBatches
from keras_bsd.models._batch_guard import is_stream

# Where a stage has few neurons, XLA saves the time that it takes to compile in so many steps. It saves twice as
# much in a step where a batch has NEURONS in a stage. Measured by `benchmarks/measure_compilation.py`.
STEPS = 1500
NEURONS = 20_000


def xla_pays(stages, x, batch_size=None, epochs=1, initial_epoch=0, steps_per_epoch=None):
    """Return whether XLA saves more time in a training than it takes to compile.

    It compiles for each shape of a batch, hence not for a stream whose shapes may vary; and convolutions hardly
    gain by it.

    Args:
        stages: list of an encoder's built stages.
        x, batch_size, epochs, initial_epoch, steps_per_epoch: arguments of Keras's `fit`.
    """
    size, *sample = _batch_shape(x, batch_size)
    if None in sample or any(len(stage.output_features) > 1 for stage in stages):
        return False
    try:
        steps = steps_per_epoch or math.ceil(len(x) / (1 if is_stream(x) else size))
    except TypeError:  # a stream of unknown length
        return False
    neurons = size * np.mean([math.prod(stage.output_features) for stage in stages])
    if stages[0].takes_elements:
        neurons = neurons * sample[0]
    return steps * (epochs - initial_epoch) * (1 + neurons / NEURONS) >= STEPS


def _batch_shape(x, batch_size):
    """Return the shape of a batch of stimuli, with None for axes that may vary."""
    if not is_stream(x):
        return batch_size or 32, *x.shape[1:]
    if isinstance(x, SeededBatches):
        return np.shape(x[0][0])
    spec = getattr(x, "element_spec", None)  # of a TensorFlow data set
    shape = spec[0].shape if isinstance(spec, tuple) else None
    if shape is None or shape.rank is None:
        return None, None
    return shape[0] or 1, *shape[1:]
