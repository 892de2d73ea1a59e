import keras
import nir
import numpy as np
import pytest
from scipy.signal import correlate

import keras_bsd
from keras_bsd.export import to_nir
from keras_bsd.layers import Readout, SpikingConv2D, SpikingDense, SpikingLIF, SpikingStage
from tests.export.networks import lively
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


def _apply(node, x, state, dt):
    """Apply a NIR node to one sample and time step, by its definition, integrated by Euler's method."""
    if isinstance(node, nir.Flatten):
        return x.reshape(-1)
    if isinstance(node, nir.Affine):
        return node.weight @ x + node.bias
    if isinstance(node, nir.Conv2d):
        total = np.array(node.weight.shape[2:]) - 1
        x = np.pad(x, [(0, 0), *((n // 2, n - n // 2) for n in total)])
        maps = [correlate(x, kernel, "valid", "direct")[0] for kernel in node.weight]
        return np.stack(maps) + node.bias[:, None, None]
    membrane = state.get(id(node), np.zeros_like(x))
    if isinstance(node, nir.LIF):
        membrane = membrane + dt / node.tau * (node.v_leak - membrane + node.r * x)
    elif isinstance(node, nir.IF):
        membrane = membrane + dt * node.r * x
    else:
        return x
    spikes = membrane > node.v_threshold
    state[id(node)] = np.where(spikes, node.v_reset, membrane)
    return spikes.astype("float32")


def _in_order(graph):
    """Return the graph's nodes in the order of its edges."""
    follows, name = dict(graph.edges), "input"
    names = [name]
    while name in follows:
        name = follows[name]
        names.append(name)
    assert len(names) == len(graph.nodes) == len(graph.edges) + 1
    return {name: graph.nodes[name] for name in names}


def _simulate(graph, x):
    """Return spike counts of neurons, and the output averaged over time, for one sample's inputs by step."""
    state, counts, outputs = {}, {}, []
    for current in x:
        for name, node in _in_order(graph).items():
            current = _apply(node, current, state, graph.metadata["dt"])
            if isinstance(node, (nir.LIF, nir.IF)):
                counts[name] = counts.get(name, 0) + current
        outputs.append(current)
    return counts, np.mean(outputs, axis=0)


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
    model = lively(make())
    graph = to_nir(model, tmp_path / "network.nir", dt)
    stages = [layer for layer in model.layers if isinstance(layer, SpikingStage)]
    outputs = {stage.name: stage.output for stage in stages} | {"output": model.layers[-1].output}
    model.layers[-1].activation = keras.activations.linear
    x = np.random.default_rng(0).uniform(0, 2, (6, *model.input_shape[1:])).astype("float32")
    expected = keras.Model(model.inputs, outputs).predict(x, verbose=0)
    spiking = 0
    for i, sample in enumerate(x):
        held = model.layers[0].timesteps is not None
        steps = [np.moveaxis(sample, -1, 0)] * graph.metadata["timesteps"] if held else sample
        counts, output = _simulate(graph, steps)
        for stage in stages:
            counted = np.moveaxis(counts[f"{stage.name}_neurons"], 0, -1)
            np.testing.assert_array_equal(counted, expected[stage.name][i].sum(axis=0))
            spiking += counted.sum()
        np.testing.assert_allclose(output, expected["output"][i], atol=1e-4)
    assert spiking >= 20


def test_the_file_holds_the_graph(tmp_path):
    model = lively(_dense())
    graph = to_nir(model, tmp_path / "network.nir", dt=1e-3)
    assert [type(node).__name__ for node in _in_order(graph).values()] == [
        *("Input", "Flatten", "Affine", "LIF", "Affine", "LIF", "Affine", "Output")
    ]
    again = nir.read(tmp_path / "network.nir")
    assert again.metadata == {"timesteps": 5, "dt": 1e-3, "activation": "softmax"}
    *_, kernel, bias = model.get_weights()
    np.testing.assert_array_equal(again.nodes["scores_synapse"].weight, kernel.T)
    np.testing.assert_array_equal(again.nodes["scores_synapse"].bias, bias)
    lif = again.nodes["first_neurons"]
    np.testing.assert_allclose([lif.tau[0], lif.r[0], lif.v_leak[0], lif.v_reset[0]], [2e-3, 2, 0, 0])
    assert lif.v_threshold[0] == np.nextafter(np.float32(0.6), np.float32(0))


def test_a_pair_is_written_as_its_encoder(tmp_path):
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(5, 4))
    assert "dense_2_neurons" in to_nir(model, tmp_path / "network.nir").nodes


def _with_layer(layer):
    stage = SpikingStage([keras.layers.Dense(4), layer], timesteps=2, name="only")
    return keras.Sequential([keras.Input((3,)), stage, Readout(keras.layers.Dense(2))])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _dense(reset="soft"), "Layer 'first' cannot be written to NIR: .* have reset='soft'"),
        (lambda: _dense(reset="none"), "reset='none'"),
        (lambda: _dense(refractory_steps=2), "'first' .* no refractory neurons, and it has refractory_steps=2"),
        (pairs.conv_pair, "its MaxPooling2D '.*' has no counterpart in NIR at this place"),
        (pairs.residual_pair, "its MaxPooling2D .* has no counterpart"),
        (pairs.own_layers_pair, "its LayerNormalization .* has no counterpart"),
        (lambda: _with_layer(keras.layers.Dense(4)), "its Dense .* has no counterpart"),
        (lambda: _with_layer(keras.layers.ReLU()), "its ReLU .* has no counterpart"),
        (
            lambda: keras.Sequential(
                [keras.Input((3,)), SpikingStage(keras.layers.Dense(2, "relu"), timesteps=2)]
            ),
            "its Dense .* has no counterpart",
        ),
        (
            lambda: keras.Sequential([keras.Input((3,)), keras.layers.Rescaling(2, name="own"), _dense()]),
            "'own' .*: it is not a stage",
        ),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), "must be a BSDModel or a built"),
    ],
)
def test_layers_without_counterpart_in_nir(make, message, tmp_path):
    path = tmp_path / "network.nir"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match=message):
        to_nir(make(), path)
    assert path.read_bytes() == b"before"


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match=r"ending in \.nir\. Received: filepath='network\.onnx'"):
        to_nir(_dense(), "network.onnx")
    with pytest.raises(ValueError, match="`dt` must be a finite number"):
        to_nir(_dense(), tmp_path / "network.nir", dt=0)
    assert not list(tmp_path.iterdir())
