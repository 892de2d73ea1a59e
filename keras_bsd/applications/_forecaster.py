"""Recurrent network for forecasts."""

from collections.abc import Sequence
from typing import Any, Literal

import keras

from keras_bsd import _checks
from keras_bsd._types import Config, Path
from keras_bsd.applications._builders import from_weights, load_weights, neuron_factory, required
from keras_bsd.applications._sequences import dense_decoder, recurrent_stages
from keras_bsd.layers._neurons import Neuron
from keras_bsd.layers._readout import SequenceReadout
from keras_bsd.layers._standardization import CausalStandardization, Destandardize
from keras_bsd.losses._similarity_matching import SimilarityMatching
from keras_bsd.models._forecast import BSDForecastModel


@from_weights
def SpikingForecaster(
    window: int | None = None,
    horizon: int | None = None,
    variables: int | None = None,
    units: Sequence[int] = (128, 128),
    delays: int = 16,
    timesteps: int = 4,
    normalization: Literal["instance", "none"] | None = "instance",
    weights: Path | None = None,
    neuron: Config | Neuron | None = None,
    name: str = "spiking_forecaster",
    **kwargs: Any,
) -> BSDForecastModel:
    """Build a recurrent spiking network that forecasts a multivariate series, and its decoder.

    Args:
        window: int, at least 2, elements that a forecast is computed from. Required unless `weights` is a
            preset or a `.keras` file, which provides this and the arguments up to `normalization`.
        horizon: positive int, elements to forecast, all at once. Required unless `weights` is a preset.
        variables: positive int, values of an element; all are forecast. Required unless `weights` is a preset.
        units: positive ints, neurons of each stage.
        delays: positive int, number of past elements whose input synapses deliver, see
            `keras_bsd.layers.SpikingRecurrent`.
        timesteps: positive int, time steps for which each element is held as a constant current.
        normalization: `"instance"`: the network's input is each element minus the mean of the elements up to
            it, divided by their standard deviation; its output is a difference from the last element in units
            of that deviation. `None` (or `"none"`): no scaling, for series of order one whose level matters.
        weights: name of a preset (`list_presets` prints them), path of a preset's `.json` record, path of a
            `.keras` file that such a pair has saved, or of a `.weights.h5` file, or `None` for random weights.
            A preset and a `.keras` file provide the arguments above; those passed beside them must be equal.
        neuron: dict of `SpikingLIF` arguments, a `SpikingCell` or `SpikingNeurons`, of which each stage gets a
            copy, or `None` for the defaults of `SpikingLIF`.
        name: name of the model.
        **kwargs: further arguments of `keras_bsd.BSDForecastModel`. Its `layer_loss` is
            `SimilarityMatching(pair_weight=0, own_weight=0, kernel="gaussian")` by default here.

    Returns:
        A `keras_bsd.BSDForecastModel`, not compiled, from windows `(batch, window, variables)` to forecasts
        `(batch, horizon, variables)` in the same units. `streamer()` runs it element by element.

    Raises:
        ValueError: an argument is missing or out of range, a preset contradicts the others, or its weights are
            not those that were published.

    Example:

    >>> model = keras_bsd.applications.SpikingForecaster(window=48, horizon=6, variables=1, units=(64,))
    >>> model.predict(np.zeros((3, 48, 1)), verbose=0).shape
    (3, 6, 1)
    """
    window = _checks.integer("window", required("window", window), low=2)
    horizon = _checks.integer("horizon", required("horizon", horizon), low=1)
    variables = _checks.integer("variables", required("variables", variables), low=1)
    by_instance = _checks.one_of("normalization", normalization, ("instance", "none", None)) == "instance"
    new_neuron = neuron_factory(neuron)

    series = elements = keras.Input((window, variables), name="series")
    if by_instance:
        elements, scale = CausalStandardization(window, name="standardized")(series)
    spikes = recurrent_stages(elements, units, timesteps, new_neuron, delays=delays, targets="last")
    synapse = [keras.layers.Dense(horizon * variables), keras.layers.Reshape((horizon, variables))]
    forecast = SequenceReadout(synapse, targets="last", name="readout")(spikes)
    if by_instance:
        forecast = Destandardize(name="forecast")([forecast, series, scale])
    encoder = keras.Model(series, forecast, name="encoder")
    decoder = dense_decoder((horizon, variables), (window, variables), units, timesteps, new_neuron)
    layer_loss = SimilarityMatching(pair_weight=0.0, own_weight=0.0, kernel="gaussian")
    options: Config = {"layer_loss": layer_loss, **kwargs}
    return load_weights(BSDForecastModel(encoder, decoder, name=name, **options), weights)
