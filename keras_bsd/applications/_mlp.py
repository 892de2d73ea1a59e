"""Fully connected classifier."""

from collections.abc import Sequence
from typing import Any

from keras_bsd._types import Config, Model, Path, Shape, Tensor
from keras_bsd.applications._builders import from_weights, neuron_factory, stage_sizes
from keras_bsd.applications._recognition import build_classifier, steps_to_hold, stimulus_tensor
from keras_bsd.layers._dense import SpikingDense
from keras_bsd.layers._neurons import Neuron
from keras_bsd.models._pair import BSDModel


@from_weights
def SpikingMLP(
    input_shape: Shape | None = None,
    classes: int | None = None,
    timesteps: int | None = 4,
    units: Sequence[int] = (512,) * 5,
    include_top: bool = True,
    input_tensor: Tensor | None = None,
    weights: Path | None = None,
    neuron: Config | Neuron | None = None,
    name: str = "spiking_mlp",
    *,
    decoder: Config | None = None,
    **kwargs: Any,
) -> BSDModel | Model:
    """Build a fully connected spiking classifier and the decoder that mirrors it.

    Args:
        input_shape: tuple, shape of one stimulus. Required unless `weights` is a preset or a
            `.keras` file, which provides this and the next three arguments.
        classes: int, at least 2. Required unless `weights` is a preset.
        timesteps: positive int, time steps for which a stimulus is held as a constant current. `None`: stimuli
            are spikes or values over time, and the first axis of `input_shape` is that of time, an int or None.
        units: positive ints, neurons of each stage.
        include_top: bool. `False` returns the spiking stages alone, without readout and decoder: a
            `keras.Model` from stimuli to spikes `(batch, time, ...)`, from which to build another pair.
            `classes` is then required only for a file in `weights`, and `kwargs` have no effect.
        input_tensor: Keras tensor of stimuli to use instead of a new input, such as the output of layers
            without weights on a `keras.Input`.
        weights: name of a preset (`list_presets` prints them), path of a preset's `.json` record, path of a
            `.keras` file that such a pair has saved, or of a `.weights.h5` file, or `None` for random weights.
            A preset and a `.keras` file provide the arguments above; those passed beside them must be equal.
        neuron: dict of `SpikingLIF` arguments, a `SpikingCell` or `SpikingNeurons`, of which each stage gets a
            copy, or `None` for the defaults of `SpikingLIF`.
        name: name of the model.
        decoder: dict of further arguments of `keras_bsd.mirror`, which builds the decoder (default: its
            defaults; with `teacher_signal="rate"` those of version 0.1, a chain of stages).
        **kwargs: further arguments of `keras_bsd.BSDModel`. Its `stimulus_range` is `(0, 1)` by default here;
            pass `None` if stimuli have another scale. A `.keras` file provides it, too.

    Returns:
        A `keras_bsd.BSDModel`, not compiled.

    Raises:
        ValueError: an argument is missing or out of range, a preset contradicts the others, or its weights are
            not those that were published.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), classes=10, units=(128, 64))
    >>> [stage.output_features for stage in model.encoder_stages]
    [(128,), (64,)]
    >>> model.predict(np.zeros((5, 8, 8, 1)), verbose=0).shape
    (5, 10)
    """
    timesteps = steps_to_hold(timesteps)
    new_neuron = neuron_factory(neuron)
    spikes = stimulus_tensor(input_shape, input_tensor, timesteps is None)
    for i, count in enumerate(stage_sizes("units", units)):
        stage = SpikingDense(
            count, neuron=new_neuron(), timesteps=timesteps if i == 0 else None, name=f"dense_{i + 1}"
        )
        spikes = stage(spikes)
    return build_classifier(spikes, classes, include_top, weights, decoder, name, kwargs)
