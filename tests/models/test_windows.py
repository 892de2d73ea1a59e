"""Training over many time steps in windows of time: the same as all at once, and memory does not grow."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import _rules
from keras_bsd._observe import observe
from keras_bsd.layers import (
    Readout,
    SpikingALIFCell,
    SpikingConv2D,
    SpikingCuBaLIFCell,
    SpikingDense,
    SpikingLIF,
    SpikingStage,
)
from keras_bsd.models import _distillation, _windows

PLAIN = {"normalization": None}


@pytest.fixture
def short_windows(monkeypatch):
    """Windows of two time steps for networks of more than two."""
    monkeypatch.setattr(_windows, "windows_of", lambda network: _windows.Windows(2, least=3))
    monkeypatch.setattr(_windows, "LEAST_INFERRED", 3)


def chain(*layers):
    return keras.Sequential([*layers, Readout(keras.layers.Dense(3), "softmax")])


def learned():
    neuron = {"reset": "soft", "trainable_leak": True, "trainable_threshold": True}
    layers = [SpikingDense(8, timesteps=5, neuron=SpikingLIF(**neuron), **PLAIN)]
    return chain(keras.Input((4,)), *layers, SpikingDense(6, neuron=SpikingLIF(**neuron), **PLAIN))


def of_other_neurons():
    """Synaptic currents and adaptive thresholds, with leaks and thresholds that differ between neurons."""
    learned = {"granularity": "neuron", "trainable_leak": True, "trainable_threshold": True}
    first = SpikingDense(8, timesteps=5, neuron=SpikingCuBaLIFCell(refractory_steps=1, **learned), **PLAIN)
    second = SpikingDense(6, neuron=SpikingALIFCell(reset="soft", **learned), **PLAIN)
    return chain(keras.Input((4,)), first, second)


def refractory():
    """Spikes over time, four windows and no rest."""
    neurons = [SpikingLIF(0.9, refractory_steps=2) for _ in range(2)]
    stages = [SpikingDense(6, neuron=neuron, normalization="layer") for neuron in neurons]
    return chain(keras.Input((8, 4)), *stages)


def maps():
    """Skip connections past a stage, pooled to the size of its maps."""
    stimulus = keras.Input((6, 4, 2))
    first = SpikingConv2D(3, timesteps=5, **PLAIN)(stimulus)
    second = SpikingConv2D(4, pool_size=2, **PLAIN)(first)
    pooled = keras.layers.MaxPooling3D((1, 2, 2), data_format="channels_last")(first)
    third = SpikingConv2D(2, **PLAIN)(keras.layers.Concatenate()([second, pooled]))
    return keras.Model(stimulus, Readout([keras.layers.Flatten(), keras.layers.Dense(3)], "softmax")(third))


def trained(encoder, **options):
    """Return the weights of a pair after two steps."""
    decoder = keras_bsd.mirror(encoder, timesteps=5, normalization=None)
    pair = keras_bsd.BSDModel(encoder, decoder, **options)
    pair.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    random = np.random.default_rng(1)
    x = random.random((12, *encoder.input_shape[1:])).astype("float32")
    history = pair.fit(x, np.arange(12) % 3, batch_size=6, epochs=1, shuffle=False, verbose=0).history
    return {variable.path: ops.convert_to_numpy(variable) for variable in pair.weights}, history


@pytest.mark.parametrize("make", [learned, of_other_neurons, refractory, maps])
def test_equals_all_time_steps_at_once(make, short_windows, monkeypatch):
    signal = "rate" if make in (learned, of_other_neurons) else "current"
    results = []
    for split in (True, False):
        if not split:
            monkeypatch.setattr(_windows, "windows_of", lambda network: _windows.Windows(2, least=100))
        keras.utils.set_random_seed(0)
        keras.backend.clear_session()
        results.append(trained(make(), teacher_signal=signal))
    (weights, history), (expected, expected_history) = results
    assert weights.keys() == expected.keys()
    for path, values in weights.items():
        np.testing.assert_allclose(values, expected[path], rtol=1e-4, atol=1e-6, err_msg=path)
    for name, values in history.items():
        np.testing.assert_allclose(values, expected_history[name], rtol=1e-4, err_msg=name)


def normalized(rate=0.0):
    """Return a network of two stages that normalise by batch statistics, the first of a constant current."""
    layers = [keras.layers.Dense(6), keras.layers.Dropout(rate)]
    return chain(
        keras.Input((4,)),
        SpikingStage(layers, timesteps=5, normalization="batch"),
        SpikingDense(5),
    )


def run(network, x):
    """Run a network in training by the rate rule, within a compiled function; return what it has changed."""
    from keras_bsd import _backend

    steps = _windows.steps_to_split(network, x, training=True)
    assert steps == 5
    state = [(variable, variable.value) for variable in network.variables]

    def function(x):
        with keras.StatelessScope(state):
            outputs, scope = _windows.run_in_windows(network, x, _rules.RULES["rate"], steps)
            values = [variable.value for variable in network.non_trainable_variables]
        return outputs, list(scope.representations.values()), values

    return keras.tree.map_structure(ops.convert_to_numpy, _backend.compiled(function)(x))


def test_moving_statistics_move_once(short_windows):
    """By the mean over the windows, which for a constant current is that of the current itself."""
    keras.utils.set_random_seed(0)
    network = normalized()
    x = ops.convert_to_tensor(np.random.default_rng(0).random((6, 4), "float32"))
    outputs, rates, values = run(network, x)
    assert outputs.shape == (6, 3)
    assert all(0 <= rate.min() < rate.max() <= 1 for rate in rates)
    dense = network.layers[0].synapse.layers[0]
    current = ops.convert_to_numpy(dense(x))
    moved = dict(zip((v.path for v in network.non_trainable_variables), values, strict=True))
    by_name = {path.split("/")[-1]: value for path, value in moved.items() if "stage" in path}
    np.testing.assert_allclose(by_name["moving_mean"], 0.1 * current.mean(axis=0), rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(by_name["moving_variance"], 0.9 + 0.1 * current.var(axis=0), rtol=1e-4)


@pytest.mark.skipif(keras.config.backend() == "torch", reason="Keras's dropout has no state on PyTorch")
def test_random_generators_advance(short_windows):
    """Dropout differs from step to step; nothing else of the state of a generator is averaged."""
    keras.utils.set_random_seed(0)
    network = normalized(rate=0.5)
    (generator,) = [v for v in network.non_trainable_variables if "seed" in v.path]
    before = ops.convert_to_numpy(generator)
    _, _, values = run(network, ops.ones((3, 4)))
    (after,) = [v for v in values if v.dtype == before.dtype and v.shape == before.shape]
    assert (after != before).any()


def over_time(layer):
    return keras.Sequential([keras.Input((40, 4, 4, 2)), SpikingConv2D(3), layer, SpikingConv2D(2)])


REGULARIZED = keras.layers.Dense(3, activity_regularizer="l2")


def called_twice():
    spikes, stage = keras.Input((40, 4)), SpikingDense(4)
    return keras.Model(spikes, Readout(keras.layers.Dense(2))(stage(stage(spikes))))


NOT_SPLIT = {
    "a stage that is called twice": called_twice,
    "few steps": lambda: chain(keras.Input((4,)), SpikingDense(3, timesteps=32)),
    "few steps of maps": lambda: chain(keras.Input((4, 4, 1)), SpikingConv2D(3, timesteps=7)),
    "unknown steps": lambda: chain(keras.Input((None, 4)), SpikingDense(3)),
    "means over time": lambda: over_time(keras.layers.AveragePooling3D((2, 1, 1))),
    "maxima over time": lambda: over_time(keras.layers.MaxPooling3D((2, 1, 1))),
    "a layer that is not known": lambda: over_time(keras.layers.ReLU()),
    "regularised activity": lambda: chain(keras.Input((40, 4)), SpikingStage(REGULARIZED)),
    "state between calls": lambda: chain(
        keras.Input(batch_shape=(2, 40, 4)), SpikingDense(3, neuron=SpikingLIF(stateful=True))
    ),
    "recurrent": lambda: keras.Sequential(
        [keras.Input((40, 4)), keras_bsd.layers.SpikingRecurrent(3, timesteps=4)]
    ),
}


@pytest.mark.parametrize("name", NOT_SPLIT)
def test_what_is_not_split(name):
    network = NOT_SPLIT[name]()
    assert _windows.steps_to_split(network, network.inputs[0], training=True) is None


def test_maps_are_split_early():
    network = chain(keras.Input((4, 4, 1)), SpikingConv2D(3, timesteps=8))
    assert _windows.steps_to_split(network, network.inputs[0], training=True) == 8
    assert _windows.steps_to_split(network, network.inputs[0], training=False) is None


def test_the_surrogate_rule_is_not_split(monkeypatch):
    network, split = chain(keras.Input((40, 4)), SpikingDense(3)), []
    monkeypatch.setattr(_distillation, "run_in_windows", lambda *arguments: split.append(arguments))
    for rule in _rules.RULES.values():
        _distillation.run_locally(network, ops.zeros((2, 40, 4)), rule)
    ((_, _, rule, steps),) = split
    assert (rule, steps) == (_rules.rate_rule, 40)


@pytest.mark.parametrize("make", [learned, refractory, maps])
def test_inference_equals_all_time_steps_at_once(make, short_windows):
    encoder = make()
    pair = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder, timesteps=5, normalization=None))
    x = np.random.default_rng(0).random((5, *encoder.input_shape[1:])).astype("float32")
    steps = _windows.steps_to_split(encoder, x, training=False)
    assert steps == (8 if make is refractory else 5)
    expected = ops.convert_to_numpy(encoder(x))
    np.testing.assert_allclose(pair.predict(x, batch_size=3, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(pair(x)), expected, rtol=1e-5)
    pair.compile(metrics=["accuracy"])
    accuracy = pair.evaluate(x, np.argmax(expected, axis=1), verbose=0, return_dict=True)["accuracy"]
    assert accuracy == 1


def test_inference_is_split():
    """A network of many time steps, and none that processes a single one of a stream."""
    encoder = chain(keras.Input((40, 4)), SpikingDense(3))
    pair = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder, timesteps=5))
    x, lengths = np.zeros((2, 40, 4), "float32"), []
    stage = encoder.layers[0]
    currents = stage.currents
    stage.currents = lambda inputs, training: lengths.append(inputs.shape[1]) or currents(inputs, training)
    pair(x)
    assert set(lengths[:-1]) == {16}  # some backends run a loop's body once
    assert lengths[-1] == 16 + 40 % 16
    assert _windows.steps_to_split(encoder, x, training=False) == 40
    with keras_bsd.StateScope(single_step=True):
        assert _windows.steps_to_split(encoder, x, training=False) is None


def test_observed_layers_are_run_at_once():
    """Nothing can be taken out of a loop, which audits would have to."""
    network = chain(keras.Input((40, 4)), SpikingDense(3))
    seen = []
    with observe(network.layers[:1], lambda layer, arguments, outputs: seen.append(outputs.shape) or outputs):
        assert _windows.steps_to_split(network, network.inputs[0], training=True) is None
        network(np.zeros((2, 40, 4), "float32"))
    assert [tuple(shape) for shape in seen] == [(2, 40, 3)]


@pytest.mark.slow
@pytest.mark.skipif(keras.config.backend() != "jax", reason="XLA's count of memory comes through JAX")
def test_memory_does_not_grow_with_time(monkeypatch):
    from benchmarks import count_operations

    monkeypatch.setattr(count_operations, "FLAGS", type("Flags", (), {"batch_size": 32}))
    short, long = (count_operations.count("dense", steps, "rate")[1] for steps in (64, 256))
    assert long < 1.05 * short


def test_networks_of_a_known_length_are_split():
    """An input of a fixed number of time steps takes windows, in training and inference."""
    x = np.random.default_rng(0).random((4, 34, 3)).astype("float32")
    options = {"timesteps": None, "units": (5, 4), "stimulus_range": None, "rule": "rate"}
    keras.utils.set_random_seed(0)
    model = keras_bsd.applications.SpikingMLP((34, 3), 2, **options)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(x, np.arange(4) % 2, verbose=0)
    any_length = keras_bsd.applications.SpikingMLP((None, 3), 2, **options)
    any_length.encoder.set_weights(model.encoder.get_weights())
    np.testing.assert_allclose(model.predict(x, verbose=0), any_length.predict(x, verbose=0), atol=1e-6)
