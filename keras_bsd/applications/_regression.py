"""Ready-made pairs for series and for text."""

import math

import keras

from keras_bsd import _checks
from keras_bsd.applications._character_model import CharacterModel
from keras_bsd.applications._presets import from_presets, load_weights
from keras_bsd.encoding import OneHotEncoder
from keras_bsd.layers._dense import SpikingDense
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._readout import Readout, SequenceReadout
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.layers._standardization import CausalStandardization, Destandardize
from keras_bsd.losses._reco import ReCo
from keras_bsd.losses._similarity_matching import SimilarityMatching
from keras_bsd.models._forecast import BSDForecastModel

NORMALIZATIONS = ("instance", "none")


@from_presets("window", "horizon", "variables")
def SpikingForecaster(
    window=None,
    horizon=None,
    variables=None,
    units=(128, 128),
    delays=16,
    timesteps=4,
    normalization="instance",
    weights=None,
    neuron=None,
    name="spiking_forecaster",
    **kwargs,
):
    """Recurrent spiking network that forecasts a multivariate series, and its mirror image.

    Args:
        window: int, at least 2, elements of the series that a forecast is made from. A preset in
            `weights` says this and the arguments up to `normalization`, which may then be left out.
        horizon: positive int, elements that are forecast, all at once.
        variables: positive int, values of an element; all are forecast.
        units: tuple of positive ints, the neurons of each stage (default `(128, 128)`).
        delays: positive int, from how many elements synapses bring input (default 16), see
            `keras_bsd.layers.SpikingRecurrent`.
        timesteps: positive int (default 4), time steps for which each element is held.
        normalization: `"instance"` (default): the network sees each element less the mean of those up to
            it, over their deviation, and what it says is added to the last one, in such deviations; or
            `"none"`, where series come in a scale of order one and keep their level.
        weights: name of a preset (`list_presets` prints them), path of a `.weights.h5` or `.keras` file
            of the same network, or `None`.
        neuron: dict of `SpikingLIF` arguments (default: its own defaults).
        name: of the model.
        **kwargs: further arguments of `keras_bsd.BSDForecastModel`. Its `layer_loss` is
            `SimilarityMatching(pair_weight=0, own_weight=0, kernel="gaussian")` here.

    Returns:
        A `keras_bsd.BSDForecastModel`, to be compiled: windows `(batch, window, variables)` to forecasts
        `(batch, horizon, variables)` in the same units. `streamer()` runs it element by element.

    Raises:
        ValueError: an argument is missing or out of range, a preset does not fit the others, or its
            weights are not as published.

    Example:

    >>> model = keras_bsd.applications.SpikingForecaster(window=48, horizon=6, variables=1, units=(64,))
    """
    window = _checks.integer("window", window, low=2)
    horizon = _checks.integer("horizon", horizon, low=1)
    variables = _checks.integer("variables", variables, low=1)
    if normalization is not None:
        _checks.one_of("normalization", normalization, NORMALIZATIONS)
    by_instance = normalization == "instance"
    hidden = {"units": units, "timesteps": timesteps, "neuron": neuron or {}}

    series = elements = keras.Input((window, variables), name="series")
    if by_instance:
        elements, scale = CausalStandardization(window, name="standardized")(series)
    spikes = _recurrent_stages(elements, hidden, delays=delays, targets="last")
    synapse = [keras.layers.Dense(horizon * variables), keras.layers.Reshape((horizon, variables))]
    forecast = SequenceReadout(synapse, targets="last", name="readout")(spikes)
    if by_instance:
        forecast = Destandardize(name="forecast")([forecast, series, scale])
    encoder = keras.Model(series, forecast, name="encoder")
    decoder = _decoder((horizon, variables), (window, variables), hidden)
    layer_loss = SimilarityMatching(pair_weight=0.0, own_weight=0.0, kernel="gaussian")
    options = {"layer_loss": layer_loss, **kwargs}
    model = BSDForecastModel(encoder, decoder, name=name, **options)
    if weights is not None:
        load_weights(model, weights)
    return model


@from_presets("alphabet")
def SpikingCharRNN(
    alphabet=None,
    units=(256,),
    delays=8,
    timesteps=4,
    weights=None,
    neuron=None,
    name="spiking_char_rnn",
    **kwargs,
):
    """Recurrent spiking network that foretells the next character of a text, and its mirror image.

    Args:
        alphabet: string of the characters that it knows, at least 2, each once. A preset in `weights`
            says this and the next three, which may then be left out.
        units: tuple of positive ints, the neurons of each stage (default `(256,)`).
        delays: positive int, from how many elements synapses bring input (default 8), see
            `keras_bsd.layers.SpikingRecurrent`.
        timesteps: positive int (default 4), time steps for which each character is held.
        weights, neuron, name: see `SpikingForecaster`.
        **kwargs: further arguments of `CharacterModel`. Its `layer_loss` is `ReCo(negative_weight=0.2)`
            here.

    Returns:
        A `keras_bsd.applications.CharacterModel`, to be compiled: character numbers `(batch, elements)`,
        as its `encode` gives them of a text, to the probabilities of what follows each,
        `(batch, elements, characters)`.

    Raises:
        ValueError: as `SpikingForecaster`, or the alphabet has a character twice.

    Example:

    >>> model = keras_bsd.applications.SpikingCharRNN(alphabet="abc ", units=(32,))
    """
    hidden = {"units": units, "timesteps": timesteps, "neuron": neuron or {}}
    if not isinstance(alphabet, str) or len(alphabet) < 2 or len({*alphabet}) < len(alphabet):
        raise ValueError(
            f"`alphabet` must be a string of at least two characters, each once. Received: {alphabet!r}"
        )
    classes = len(alphabet)
    characters = keras.Input((None,), dtype="int32", name="characters")
    one_hot = OneHotEncoder(classes, name="one_hot")(characters)
    spikes = _recurrent_stages(one_hot, hidden, delays=delays, targets="all", feedback_gain=0.2)
    scores = SequenceReadout(keras.layers.Dense(classes), "softmax", name="scores")(spikes)
    encoder = keras.Model(characters, scores, name="encoder")
    decoder = _decoder((classes,), (classes,), hidden)
    # Of what may follow, one character does: were all others pushed away as hard, all would be.
    options = {"layer_loss": ReCo(negative_weight=0.2), **kwargs}
    model = CharacterModel(encoder, decoder, alphabet=alphabet, name=name, **options)
    if weights is not None:
        load_weights(model, weights)
    return model


def _recurrent_stages(elements, hidden, **options):
    """Spikes of all stages, one behind the other, along the last axis: what a readout is to see."""
    if not hidden["units"]:
        raise ValueError("A spiking network needs at least one stage. Received: units=()")
    timesteps = _checks.integer("timesteps", hidden["timesteps"], low=1)
    spikes = []
    for i, count in enumerate(hidden["units"]):
        stage = SpikingRecurrent(
            count,
            timesteps=None if spikes else timesteps,
            **options,
            neuron=SpikingLIF(**hidden["neuron"]),
            name=f"recurrent_{i + 1}",
        )
        spikes.append(stage(spikes[-1] if spikes else elements))
    return spikes[0] if len(spikes) == 1 else keras.layers.Concatenate(name="all_stages")(spikes)


def _decoder(concept, stimulus, hidden):
    """From a concept, held as a current, to a stimulus, through as many neurons as the encoder has."""
    decoder = keras.Sequential([keras.Input(concept, name="concept")], name="decoder")
    timesteps = hidden["timesteps"]
    for i, count in reversed(list(enumerate(hidden["units"]))):
        neuron = SpikingLIF(**hidden["neuron"])
        decoder.add(SpikingDense(count, timesteps=timesteps, neuron=neuron, name=f"recurrent_{i + 1}_mirror"))
        timesteps = None  # spikes bring theirs
    synapse = [keras.layers.Dense(math.prod(stimulus)), keras.layers.Reshape(stimulus)]
    decoder.add(Readout(synapse, name="stimulus"))
    return decoder
