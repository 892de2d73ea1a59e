import keras
import nir
import numpy as np
import pytest

import keras_bsd
from keras_bsd.encoding import DirectEncoder, PoissonEncoder
from keras_bsd.export import to_nir
from keras_bsd.layers import (
    Readout,
    SpikingALIFCell,
    SpikingConv2D,
    SpikingDense,
    SpikingLIF,
    SpikingRecurrent,
    SpikingStage,
)
from tests.export.networks import lively
from tests.export.nir_reference import in_order, simulate
from tests.models import pairs


def _dense(**neuron):
    return keras.Sequential(
        [
            keras.Input((3, 2, 2)),
            SpikingDense(6, timesteps=5, neuron=SpikingLIF(**neuron), name="first"),
            SpikingDense(5, neuron=SpikingLIF(**neuron), normalization=None, name="second"),
            Readout(keras.layers.Dense(3), "softmax", name="scores"),
        ]
    )


def _conv():
    flat = [keras.layers.Flatten(), keras.layers.Rescaling(0.5), keras.layers.Dense(3)]
    return keras.Sequential(
        [
            keras.Input((5, 4, 2)),
            SpikingConv2D(3, timesteps=4, name="first"),
            SpikingConv2D(4, kernel_size=2, name="second"),
            Readout(flat, name="scores"),
        ]
    )


def _series():
    return keras.Sequential(
        [keras.Input((6, 4)), SpikingDense(5, name="first"), Readout(keras.layers.Dense(2), name="scores")]
    )


def _random(model):
    """Set all weights at random, such that about every neuron spikes for some stimuli, and return the model."""
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if "moving_variance" in weight.path:
            weight.assign(generator.uniform(0.3, 2, weight.shape))
        elif len(weight.shape):
            weight.assign(generator.normal(0.15, 0.5, weight.shape))
    return model


def _check_spikes_equal(model, path, dt=None, reader=None):
    """Write a model, run the file on random stimuli, and compare single neurons' spike counts with Keras."""
    graph = to_nir(model, path, dt, reader)
    graph = nir.read(path)
    layers = [layer for layer in model.layers if hasattr(layer, "synapse")]
    stages = [layer for layer in layers if isinstance(layer, SpikingStage)]
    outputs = {stage.name: stage.output for stage in stages} | {"output": layers[-1].output}
    if isinstance(layers[-1], Readout):
        layers[-1].activation = keras.activations.linear
    shape = [4 if n is None else n for n in model.input_shape[1:]]
    x = np.random.default_rng(0).uniform(0, 2, (4, *shape)).astype("float32")
    for stage in stages:
        stage.neuron.reset_state()
    results = keras.Model(model.inputs[0], outputs)(x)
    expected = {name: keras.ops.convert_to_numpy(values) for name, values in results.items()}
    times, held = expected[stages[0].name].shape[1], len(stages[0].input_features) == x.ndim - 1
    assert graph.metadata.get("timesteps") == (None if None in model.input_shape[1:2] else times)
    spiking = 0
    for i, sample in enumerate(x):
        steps = [np.moveaxis(sample, -1, 0)] * times if held else np.moveaxis(sample, -1, 1)
        shape = [int(n) for n in graph.nodes["input"].input_type["input"]]  # flat for some readers
        counts, output = simulate(graph, [step.reshape(shape) for step in steps])
        for stage in stages:
            counted = np.moveaxis(counts[f"{stage.name}_neurons"], 0, -1).reshape(stage.output_features)
            np.testing.assert_array_equal(counted, expected[stage.name][i].sum(axis=0))
            spiking += counted.sum()
        if isinstance(layers[-1], Readout):
            output = np.moveaxis(output, 0, -1).reshape(expected["output"][i].shape)
            np.testing.assert_allclose(output, expected["output"][i], atol=1e-4)
    assert spiking >= 10
    assert 0 < spiking < len(x) * times * sum(np.prod(stage.output_features) for stage in stages)


@pytest.mark.parametrize(
    ("make", "dt"),
    [
        (_dense, 1e-4),
        (lambda: _dense(beta=1.0), 1e-3),
        (lambda: _dense(beta=0.0, threshold=0.4), 1e-3),
        (lambda: _dense(trainable_leak=True, trainable_threshold=True), 1e-4),
        (_conv, 1e-4),
        (_series, 1e-2),
    ],
)
def test_the_graph_spikes_like_the_network(make, dt, tmp_path):
    _check_spikes_equal(_random(make()), tmp_path / "network.nir", dt)


L = keras.layers
CHANNELS, PIXELS = np.array([0.5, 2.0]), np.linspace(0.2, 2, 5 * 6 * 2).reshape(5, 6, 2)
MAP = (5, 6, 2)
SYNAPSES = {
    "Dense": ((5,), lambda: [L.Dense(9)]),
    "Dense without bias": ((5,), lambda: [L.Dense(9, use_bias=False)]),
    "Dense, low rank": ((5,), lambda: [L.Dense(9, lora_rank=2)]),
    "Dense twice": ((5,), lambda: [L.Dense(9), L.Dense(8)]),
    "Dense along the last axis of a map": (MAP, lambda: [L.Dense(4)]),
    "Dense along the last axis of a series": ((5, 3), lambda: [L.Dense(4)]),
    "Flatten": (MAP, lambda: [L.Flatten(), L.Dense(9)]),
    "Flatten four axes": ((2, 3, 2, 2), lambda: [L.Flatten(), L.Dense(9)]),
    "Conv2D and Flatten and Dense": (MAP, lambda: [L.Conv2D(3, 2), L.Flatten(), L.Dense(9)]),
    "Dropout": (
        MAP,
        lambda: [
            *(L.Dropout(0.5), L.SpatialDropout2D(0.5), L.Conv2D(3, 2), L.Dropout(0.5), L.GaussianNoise(1.0)),
            *(L.Activation("linear"), L.Identity(), L.ActivityRegularization()),
        ],
    ),
    "Rescaling": ((5,), lambda: [L.Rescaling(0.5, 0.25), L.Dense(9)]),
    "Rescaling of a vector": ((3,), lambda: [L.Rescaling([1.0, 10.0, 0.1], [0.1, 0.2, 0.3]), L.Dense(9)]),
    "Rescaling of pixels": (MAP, lambda: [L.Rescaling(PIXELS, 0.1), L.Flatten(), L.Dense(9)]),
    "Rescaling of channels": (MAP, lambda: [L.Rescaling(CHANNELS, CHANNELS), L.Conv2D(4, 3)]),
    "Rescaling, padded": (MAP, lambda: [L.Rescaling(CHANNELS), L.Conv2D(4, 3, padding="same")]),
    "Rescaling twice": ((5,), lambda: [L.Rescaling(2, 1), L.Rescaling(0.5, 0.25), L.Dense(9)]),
    "Rescaling behind": ((3,), lambda: [L.Dense(4), L.Rescaling([1.0, 2.0, 0.5, 1.0], 0.1)]),
    "BatchNormalization": ((5,), lambda: [L.Dense(9), L.BatchNormalization()]),
    "BatchNormalization, parts": (
        (5,),
        lambda: [L.Dense(9), L.BatchNormalization(center=False), L.BatchNormalization(scale=False)],
    ),
    "BatchNormalization before": ((5,), lambda: [L.BatchNormalization(), L.Dense(9)]),
    "BatchNormalization of maps": (MAP, lambda: [L.Conv2D(4, 3, padding="same"), L.BatchNormalization()]),
    "BatchNormalization of rows": (MAP, lambda: [L.BatchNormalization(axis=1), L.Flatten(), L.Dense(9)]),
    "BatchNormalization between": (
        MAP,
        lambda: [L.Conv2D(3, 2), L.BatchNormalization(axis=2), L.Flatten(), L.Dense(9)],
    ),
    "BatchNormalization before Conv2D": (MAP, lambda: [L.BatchNormalization(), L.Conv2D(4, 3)]),
    "Conv1D": ((7, 2), lambda: [L.Conv1D(4, 3, strides=2)]),
    "Conv1D, padded": ((7, 2), lambda: [L.Conv1D(4, 4, padding="same", dilation_rate=2)]),
    "Conv1D, strided": ((7, 2), lambda: [L.Conv1D(4, 4, strides=3, padding="same")]),
    "Conv1D, groups": ((7, 4), lambda: [L.Conv1D(6, 3, groups=2, use_bias=False)]),
    "DepthwiseConv1D": ((7, 3), lambda: [L.DepthwiseConv1D(3, depth_multiplier=2)]),
    "Conv2D, flat kernel": (MAP, lambda: [L.Conv2D(4, (1, 3))]),
    "Conv2D, high kernel": (MAP, lambda: [L.Conv2D(4, (5, 1), dilation_rate=1)]),
    "Conv2D, flat kernel, dilated": ((6, 8, 2), lambda: [L.Conv2D(4, (1, 3), dilation_rate=(1, 2))]),
    "Conv2D, even kernel, padded": (MAP, lambda: [L.Conv2D(4, (2, 4), padding="same")]),
    "Conv2D, groups": ((5, 6, 4), lambda: [L.Conv2D(6, 3, groups=2)]),
    "Conv2D, groups, strided": ((5, 6, 4), lambda: [L.Conv2D(4, 3, groups=4, strides=2, padding="same")]),
    "DepthwiseConv2D": (MAP, lambda: [L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")]),
    "AveragePooling2D": (MAP, lambda: [L.Conv2D(4, 2), L.AveragePooling2D(2), L.BatchNormalization()]),
    "AveragePooling2D before": (MAP, lambda: [L.Rescaling(2.0), L.AveragePooling2D((2, 3)), L.Conv2D(4, 2)]),
    "AveragePooling2D, overlapping": (MAP, lambda: [L.AveragePooling2D(3, 1), L.Flatten(), L.Dense(9)]),
    "AveragePooling2D, same": ((4, 6, 2), lambda: [L.Conv2D(3, 1), L.AveragePooling2D(2, padding="same")]),
} | {
    f"Conv2D, {size}, {options}": (size, lambda options=options: [L.Conv2D(3, **options)])
    for size in ((6, 6, 2), (7, 6, 2))
    for options in (
        {"kernel_size": 3, "strides": 2, "padding": "same"},
        {"kernel_size": 2, "strides": 3, "padding": "same"},
        {"kernel_size": 1, "strides": 2, "padding": "same"},
        {"kernel_size": (3, 5), "strides": (1, 1), "padding": "same"},
        {"kernel_size": 3, "strides": (2, 1), "padding": "valid"},
        {"kernel_size": 2, "dilation_rate": 2, "padding": "same"},
        {"kernel_size": 3, "dilation_rate": (2, 1), "padding": "valid"},
    )
}


def _around(synapse, shape, timesteps=4, readout=None):
    """Return a network of a stage of these layers, a second stage, and a readout."""
    return keras.Sequential(
        [
            keras.Input(shape),
            SpikingStage(synapse, timesteps=timesteps, name="first"),
            SpikingDense(5, name="second"),
            Readout(readout or L.Dense(3), "softmax", name="scores"),
        ]
    )


# On JAX each of the many small networks takes seconds to compile.
_slow_on_jax = pytest.mark.slow if keras.config.backend() == "jax" else lambda function: function


@_slow_on_jax
@pytest.mark.parametrize("name", SYNAPSES)
def test_each_layer_and_option_spikes_like_keras(name, tmp_path):
    shape, make = SYNAPSES[name]
    _check_spikes_equal(_random(_around(make(), shape)), tmp_path / "network.nir")


@pytest.mark.parametrize("reader", ["snntorch", "norse"])
@pytest.mark.parametrize(
    "name",
    [
        *("Flatten", "Conv2D and Flatten and Dense", "AveragePooling2D", "AveragePooling2D, overlapping"),
        *("BatchNormalization between", "BatchNormalization of rows", "Rescaling of pixels", "Dense twice"),
    ],
)
def test_files_for_readers_whose_flatten_takes_the_batch(name, reader, tmp_path):
    shape, make = SYNAPSES[name]
    path = tmp_path / "network.nir"
    _check_spikes_equal(_random(_around(make(), shape)), path, reader=reader)
    assert not any(isinstance(node, nir.Flatten) for node in nir.read(path).nodes.values())


def _normalised_vectors():
    """A network whose later stages have layers with the axes of vectors, behind a flattened map."""
    second = [L.BatchNormalization(axis=1), L.Rescaling([0.5, 2.0, 1.0, 1.5], 0.1), L.Dense(4), L.Flatten()]
    return keras.Sequential(
        [
            keras.Input((5, 4, 2)),
            SpikingConv2D(3, timesteps=4, name="first"),
            SpikingStage([L.Flatten(), L.Rescaling(2.0, 0.1), L.Dense(4)], name="second"),
            SpikingStage(second, name="third"),
            Readout([L.BatchNormalization(axis=-1), L.Dense(3)], name="scores"),
        ]
    )


def test_vectors_behind_a_flattened_map_keep_their_axes(tmp_path):
    _check_spikes_equal(_random(_normalised_vectors()), tmp_path / "network.nir", reader="norse")


def test_each_reader_gets_the_time_step_and_gain_that_it_takes(tmp_path):
    def neurons(reader, **neuron):
        graph = to_nir(_dense(**neuron), tmp_path / "network.nir", reader=reader)
        return graph.metadata["dt"], graph.nodes["first_neurons"]

    half = np.nextafter(np.float32(0.3), np.float32(0))
    whole = np.nextafter(np.float32(0.6), np.float32(0))
    for reader, dt, r, threshold in (
        (None, 1e-4, 1, half),
        ("snntorch", 1e-4, 2, whole),
        ("spikingjelly", 1e-4, 1, half),
        ("norse", 1e-3, 1, half),
    ):
        written, lif = neurons(reader)
        assert written == dt
        np.testing.assert_allclose([lif.tau[0], lif.r[0]], [2 * dt, r], rtol=1e-6)
        assert lif.v_threshold[0] == threshold
    assert isinstance(neurons(None, beta=1.0)[1], nir.IF)
    never = neurons("snntorch", beta=1.0)[1]  # its IF leaks
    assert isinstance(never, nir.LIF)
    assert np.float32(1) - np.float32(1e-4) / never.tau[0] == 1


@pytest.mark.parametrize(
    ("reader", "make", "message"),
    [
        (
            "snntorch",
            lambda: _dense(reset="soft"),
            "'first' .*: snnTorch 1.0.0 resets neurons to a fixed value",
        ),
        (
            "snntorch",
            lambda: _around([L.Conv1D(4, 3)], (7, 2)),
            "the node Conv1d, which snnTorch 1.0.0 does not",
        ),
        ("norse", lambda: _around([L.Conv1D(4, 3)], (7, 2)), "the node Conv1d, which Norse 1.1.0 does not run"),
        (
            "spikingjelly",
            lambda: _dense(beta=0.0),
            "SpikingJelly 2.0.0 has no neurons whose membrane is forgotten",
        ),
        ("sinabs", _dense, r"`reader` must be a package .* Sinabs 3.1.3 lets .*Received: reader='sinabs'"),
        ("rockpool", _dense, "Rockpool 3.1.0 fails on LIF nodes"),
        ("spyx", _dense, "Spyx 1.0.0 lets neurons spike one time step after"),
        ("brian", _dense, "Unknown `reader`: choose one of 'snntorch'"),
        (
            "norse",
            lambda: keras.Sequential(
                [
                    *(keras.Input((2, 3, 2, 2)), SpikingStage(L.Dense(3, name="same"), timesteps=2)),
                    SpikingDense(4),
                ]
            ),
            "its Dense 'same' is applied along the last of 4 axes",
        ),
    ],
)
def test_what_a_reader_cannot_run_is_refused_before_a_file_is_written(reader, make, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        to_nir(make(), tmp_path / "network.nir", reader=reader)
    assert not list(tmp_path.iterdir())


def test_snntorch_takes_no_other_time_step(tmp_path):
    with pytest.raises(ValueError, match=r"`dt` must be 0.0001, which snnTorch 1.0.0 takes .* dt=0.001"):
        to_nir(_dense(), tmp_path / "network.nir", dt=1e-3, reader="snntorch")


@pytest.mark.parametrize("name", ["Conv2D, groups", "AveragePooling2D", "Dense along the last axis of a map"])
def test_layers_on_a_series_and_in_a_readout(name, tmp_path):
    shape, make = SYNAPSES[name]
    series = _random(_around(make(), (4, *shape), timesteps=None))
    _check_spikes_equal(series, tmp_path / "series.nir")
    stage = SpikingStage(L.Conv2D(shape[-1], 1), timesteps=4, name="first")
    readout = keras.Sequential([keras.Input(shape), stage, Readout(make(), name="maps")])
    _check_spikes_equal(_random(readout), tmp_path / "readout.nir")


NETWORKS = {
    "series of any length": lambda: keras.Sequential(
        [keras.Input((None, 4)), SpikingDense(9, name="first"), Readout(L.Dense(3))]
    ),
    "encoder": lambda: keras.Sequential(
        [keras.Input((4,)), DirectEncoder(5), SpikingDense(9, name="first"), Readout(L.Dense(3))]
    ),
    "encoder of maps": lambda: keras.Sequential(
        [keras.Input(MAP), DirectEncoder(5), SpikingStage(L.Conv2D(3, 3)), SpikingDense(9)]
    ),
    "Dropout between stages": lambda: keras.Sequential(
        [keras.Input((4,)), L.Dropout(0.5), SpikingDense(9, timesteps=4), L.Dropout(0.5), Readout(L.Dense(3))]
    ),
    "without readout": lambda: keras.Sequential([keras.Input((4,)), SpikingDense(9, timesteps=4)]),
    "stateful": lambda: keras.Sequential(
        [
            keras.Input(batch_shape=(4, 5, 4)),
            SpikingDense(9, neuron=SpikingLIF(stateful=True)),
            Readout(L.Dense(3)),
        ]
    ),
    "own class": lambda: keras.Sequential([keras.Input((4,)), _Named(L.Dense(9), timesteps=4)]),
}


class _Named(SpikingStage):
    """A stage that computes nothing of its own."""

    def backward_synapse(self):
        return [L.Dense(4)]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_around_stages_spike_like_keras(name, tmp_path):
    _check_spikes_equal(_random(NETWORKS[name]()), tmp_path / "network.nir")


def test_the_file_holds_the_graph(tmp_path):
    model = lively(_dense())
    graph = to_nir(model, tmp_path / "network.nir", dt=1e-3)
    assert [type(node).__name__ for node in in_order(graph).values()] == [
        *("Input", "Flatten", "Affine", "LIF", "Affine", "LIF", "Affine", "Output")
    ]
    again = nir.read(tmp_path / "network.nir")
    assert again.metadata == {"timesteps": 5, "dt": 1e-3, "activation": "softmax"}
    *_, kernel, bias = model.get_weights()
    np.testing.assert_array_equal(again.nodes["scores_synapse"].weight, kernel.T)
    np.testing.assert_array_equal(again.nodes["scores_synapse"].bias, bias)
    lif = again.nodes["first_neurons"]
    np.testing.assert_allclose([lif.tau[0], lif.r[0], lif.v_leak[0], lif.v_reset[0]], [2e-3, 1, 0, 0])
    # With r = 1 membranes are half as large, for a leak of 0.5.
    assert lif.v_threshold[0] == np.nextafter(np.float32(0.3), np.float32(0))


def test_a_pair_is_written_as_its_encoder(tmp_path):
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(5, 4))
    assert "dense_2_neurons" in to_nir(model, tmp_path / "network.nir").nodes


def _stage(*layers, shape=(4,), **arguments):
    stage = SpikingStage(list(layers), timesteps=2, name="only", **arguments)
    return keras.Sequential([keras.Input(shape), stage, Readout([L.Flatten(), L.Dense(2)], name="scores")])


def _quantised():
    model = _stage(L.Dense(4))
    model.get_layer("only").synapse.layers[0].quantize("int8")
    return model


def _shared_stage():
    x = keras.Input((3, 4))
    stage = SpikingDense(4, name="shared")
    return keras.Model(x, Readout(L.Dense(2))(stage(stage(x))))


def _two_parts():
    x = keras.Input((4,))
    codes = Readout(L.Dense(4), name="codes")(SpikingDense(4, timesteps=2)(x))
    return keras.Model(x, Readout(L.Dense(2))(SpikingDense(4, timesteps=2)(codes)))


class _Doubled(SpikingStage):
    def currents(self, inputs, training):
        return 2 * super().currents(inputs, training)


def _in_front(layer, shape=(4,)):
    return keras.Sequential([keras.Input(shape), layer, SpikingDense(3), Readout(L.Dense(2))])


REFUSED = {
    "adaptive thresholds": (
        lambda: keras.Sequential([keras.Input((3, 4)), SpikingDense(3, neuron=SpikingALIFCell())]),
        "its neurons are SpikingALIFCell, and NIR has no node .* SpikingLIFCell, SpikingIFCell, SpikingCuBa",
    ),
    "soft reset": (lambda: _dense(reset="soft"), "Layer 'first' .* have reset='soft'.* Train with SpikingLIF"),
    "no reset": (lambda: _dense(reset="none"), "reset='none'"),
    "refractory": (lambda: _dense(refractory_steps=2), "'first' .* and it has refractory_steps=2"),
    "max-pooling": (pairs.conv_pair, "its MaxPooling2D '.*' has no counterpart in NIR at this place"),
    "residual": (pairs.residual_pair, "it is not a stage. Received: Concatenate"),
    "own layers": (pairs.own_layers_pair, "it is not a stage"),
    "layer normalisation": (
        lambda: _stage(L.Dense(4), normalization="layer"),
        "its GroupNormalization .* has no counterpart.*`keras_bsd.export.to_nir` lists",
    ),
    "ReLU": (lambda: _stage(L.Dense(4), L.ReLU()), "'only' .* its ReLU .* has no counterpart"),
    "activation": (
        lambda: _stage(L.Dense(4, "relu")),
        "its Dense .* has the activation 'relu'.* activation=None",
    ),
    "activation layer": (lambda: _stage(L.Dense(4), L.Activation("relu")), "its Activation .* has no counter"),
    "quantised": (_quantised, "'only' .* its Dense .* is quantised to 'int8'.* before it is quantised"),
    "no weights": (lambda: _stage(L.Rescaling(2.0)), "'only' .* it has no weights"),
    "channels first": (
        lambda: _stage(L.Conv2D(6, 3, padding="same", data_format="channels_first"), shape=(6, 6, 6)),
        "its Conv2D '.*' has data_format='channels_first'.*channels_last",
    ),
    "Flatten, channels first": (
        lambda: _stage(L.Flatten(data_format="channels_first"), L.Dense(4), shape=MAP),
        "its Flatten '.*' has data_format='channels_first'",
    ),
    "normalisation of rows": (
        lambda: _stage(L.Conv2D(6, 3, padding="same"), L.BatchNormalization(axis=1), shape=(6, 6, 2)),
        "its BatchNormalization '.*' cannot be merged into a product before or behind it",
    ),
    "normalisation of rows before": (
        lambda: _stage(L.BatchNormalization(axis=1), L.Conv2D(6, 3), shape=(6, 6, 2)),
        "its BatchNormalization '.*' cannot be merged into its Conv2D",
    ),
    "offset before padding": (
        lambda: _stage(L.Rescaling(1.0, 0.5), L.Conv2D(6, 3, padding="same"), shape=MAP),
        "its Rescaling '.*' cannot be merged into its Conv2D '.*add nothing",
    ),
    "rescaling of pixels": (lambda: _stage(L.Rescaling(PIXELS), L.Conv2D(4, 3), shape=MAP), "its Rescaling"),
    "rescaling of samples": (
        lambda: keras.Sequential(
            [
                keras.Input(batch_shape=(2, 4)),
                SpikingStage([L.Rescaling([[1.0], [2.0]]), L.Dense(4)], timesteps=2, name="only"),
            ]
        ),
        "its Rescaling '.*' has other values for each sample",
    ),
    "rescaling and pooling": (
        lambda: _stage(L.Rescaling(PIXELS), L.AveragePooling2D(2), L.Conv2D(4, 2), shape=MAP),
        "its Rescaling '.*' cannot be merged",
    ),
    "flattened last": (
        lambda: _stage(L.Conv2D(4, 3), L.Flatten(), shape=MAP),
        "'only' .*its last layer flattens maps.*the next one can begin with it",
    ),
    "causal": (lambda: _stage(L.Conv1D(4, 3, padding="causal"), shape=(5, 2)), "Conv1D .* padding='causal'"),
    "pooling with padding": (
        lambda: _stage(L.Conv2D(4, 2), L.AveragePooling2D(3, padding="same"), shape=MAP),
        "its AveragePooling2D '.*' averages less values at the border",
    ),
    "uneven kernel": (
        lambda: _stage(L.Conv2D(4, (2, 3)), shape=MAP),
        "its Conv2D '.*' needs another padding on one side.*odd sizes",
    ),
    "Dense along four axes": (
        lambda: _stage(L.Dense(3), shape=(2, 2, 2, 2)),
        "its Dense '.*' is applied along the last of 4 axes.*Flatten",
    ),
    "unknown sizes": (
        lambda: keras.Sequential(
            [keras.Input((None, None, 2)), SpikingStage(L.Conv2D(2, 3), timesteps=2, name="only")]
        ),
        r"'only' .* inputs have the shape \(None, None, 2\)",
    ),
    "layer before": (
        lambda: keras.Sequential([keras.Input((3,)), L.Rescaling(2, name="own"), _dense()]),
        "'own' .*: it is not a stage",
    ),
    "encoder before": (
        lambda: _in_front(PoissonEncoder(4, name="coins")),
        "'coins' .*: it is not a stage.* Received: PoissonEncoder. .*encode the graph's inputs by it",
    ),
    "nested": (lambda: keras.Sequential([keras.Input((3, 2, 2)), _dense()]), "it is not a stage"),
    "recurrent": (
        lambda: _in_front(SpikingRecurrent(3, timesteps=2, name="loop"), (5, 4)),
        "'loop' .*: its feedback goes from element to element",
    ),
    "own dynamics": (
        lambda: keras.Sequential([keras.Input((4,)), _Doubled(L.Dense(3), timesteps=2, name="own")]),
        "'own' .*: its class defines currents otherwise than SpikingStage",
    ),
    "called twice": (_shared_stage, "'shared' .*: it is called 2 times"),
    "two parts": (_two_parts, "'codes' .*: it averages over time, and layers follow it"),
    "held in the middle": (
        lambda: keras.Sequential(
            [keras.Input((4,)), SpikingDense(4, timesteps=2), SpikingDense(4, timesteps=3, name="second")]
        ),
        "'second' .*: it holds its input for timesteps=3, and is not the first",
    ),
    "no stage": (lambda: keras.Model(x := keras.Input((4,)), x), "must have stages"),
    "not built": (lambda: keras.Sequential([keras.layers.Dense(2)]), "must be a BSDModel or a built"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_layers_without_counterpart_in_nir(name, tmp_path):
    make, message = REFUSED[name]
    path = tmp_path / "network.nir"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=message):
        to_nir(make(), path)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_weights_merged_by_hand(tmp_path):
    model = _stage(L.Rescaling([1.0, 10.0, 100.0]), L.Dense(3), shape=(3,))
    weight = to_nir(model, tmp_path / "network.nir").nodes["only_synapse"].weight
    kernel = keras.ops.convert_to_numpy(model.layers[0].synapse.layers[1].kernel)
    np.testing.assert_allclose(weight.T, kernel * [[1], [10], [100]], rtol=1e-6)


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"ending in \.nir\. Received: filepath='network\.onnx'"):
        to_nir(_dense(), "network.onnx")
    with pytest.raises(ValueError, match="`dt` must be a finite number"):
        to_nir(_dense(), tmp_path / "network.nir", dt=0)
    assert not list(tmp_path.iterdir())


def test_an_operation_that_is_no_layer_is_refused(tmp_path):
    stimulus = keras.Input((12,))
    spikes = SpikingStage(keras.layers.Dense(8), timesteps=4)(2 * stimulus)
    network = keras.Model(stimulus, Readout(keras.layers.Dense(3))(spikes))
    with pytest.raises(ValueError, match=r"must consist of layers .* Received: the operations 'multiply"):
        to_nir(network, tmp_path / "network.nir")
    assert not (tmp_path / "network.nir").exists()
