"""DECOLLE: each stage predicts the target by a fixed random readout."""

import keras

from keras_bsd.baselines._local_readouts import LocalReadouts


@keras.saving.register_keras_serializable("keras_bsd")
class DECOLLE(LocalReadouts):
    """Each stage learns by a random readout of its firing rates that does not learn.

    The readout `G_i` of stage `i` is drawn once, and the stage learns to make it predict the target: the update
    is the gradient of `l(G_i r_i, y)`, as with `LocalReadouts`. In the paper the readout has a loss at each
    time step; here it is applied to the firing rates, so that the stimulus is seen as a whole. With classes the
    loss is cross-entropy in place of a smooth absolute error.

    Args:
        encoder, task, rule, stimulus_range, check_numerics, **kwargs: see `LocalBaseline`.

    Attributes:
        stage_readouts: list of layers, the fixed readouts by stage.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.DECOLLE(encoder)
    >>> any(readout.trainable for readout in model.stage_readouts)
    False

    Source: Kaiser, Mostafa and Neftci, "Synaptic plasticity dynamics for deep continuous local learning
    (DECOLLE)", Frontiers in Neuroscience 2020.
    """

    title = "DECOLLE, fixed random local readouts"
    _readouts_learn = False
