import itertools

import hypothesis
import keras
import nir
import numpy as np
import pytest
from hypothesis import strategies as st

from benchmarks import nir_networks
from keras_bsd.export import from_nir, to_nir
from keras_bsd.layers import Readout, SpikingDense, SpikingLIF, SpikingStage

L = keras.layers


def numbers(tensor):
    return keras.ops.convert_to_numpy(tensor)


# Round trip

# On JAX each of the many small networks takes seconds to compile.
_slow_on_jax = pytest.mark.slow if keras.config.backend() == "jax" else lambda function: function


@_slow_on_jax
@hypothesis.settings(max_examples=12, deadline=None)
@hypothesis.given(
    name=st.sampled_from(
        [
            "dense",
            "dense, synaptic current",
            "dense, long memory",
            "dense, no leak",
            "dense, of maps",
            "AveragePooling2D",
            "Conv1D",
        ]
    ),
    reader=st.sampled_from([None, "snntorch", "spikingjelly", "norse"]),
    seed=st.integers(0, 10**6),
)
def test_a_file_read_again_has_the_same_spikes(name, reader, seed, tmp_path_factory):
    hypothesis.assume(name != "Conv1D" or reader in (None, "spikingjelly"))
    network, x = nir_networks.make(name, seed)
    path = tmp_path_factory.mktemp("nir") / "network.nir"
    graph = to_nir(network, path, reader=reader)
    again = from_nir(path)
    inputs = nir_networks.from_step(nir_networks.graph_inputs(graph, x))
    spikes = numbers(network(x))
    np.testing.assert_array_equal(numbers(again(inputs)).reshape(spikes.shape), spikes)


@pytest.mark.parametrize("granularity", ["channel", "neuron"])
@pytest.mark.parametrize("shape", [(5,), (4, 3, 2)])
def test_neurons_with_values_of_their_own_have_the_same_spikes(granularity, shape, tmp_path):
    leak, threshold = (keras.initializers.RandomUniform(*bounds, seed=0) for bounds in ((0.2, 0.9), (0.3, 1.0)))
    neuron = SpikingLIF(leak, threshold=threshold, granularity=granularity)
    synapse = L.Dense(6) if len(shape) == 1 else L.Conv2D(6, 3, padding="same")
    network = keras.Sequential([keras.Input((7, *shape)), SpikingStage(synapse, neuron, name="stage")])
    x = np.random.default_rng(0).uniform(0, 2, (4, 7, *shape)).astype("float32")
    to_nir(network, tmp_path / "network.nir")
    again = from_nir(tmp_path / "network.nir")
    assert again.layers[0].neuron.cell.granularity == "neuron"
    spikes = numbers(network(x))
    np.testing.assert_array_equal(numbers(again(x)), spikes)
    assert 0 < spikes.mean() < 1


def _classifier():
    stages = [SpikingDense(6, timesteps=5, normalization=None, name="first"), SpikingDense(5, name="second")]
    network = keras.Sequential([keras.Input((3, 4, 2)), *stages, Readout(L.Dense(3), "softmax", name="scores")])
    generator = np.random.default_rng(0)
    network.set_weights([np.abs(generator.normal(0.2, 0.4, w.shape)) for w in network.get_weights()])
    return network


def test_a_held_stimulus_and_the_readout(tmp_path):
    network = _classifier()
    to_nir(network, tmp_path / "network.nir")
    again = from_nir(tmp_path / "network.nir", timesteps=5)
    assert [layer.name for layer in again.layers] == ["first", "second", "scores"]
    assert again.input_shape == (None, 3, 4, 2)
    x = np.random.default_rng(1).uniform(0, 1, (4, 3, 4, 2)).astype("float32")
    np.testing.assert_allclose(numbers(again(x)), numbers(network(x)), atol=1e-6)
    np.testing.assert_array_equal(  # weights stay as they are
        again.layers[0].synapse.layers[1].kernel, network.layers[0].synapse.layers[1].kernel
    )


def test_a_graph_need_not_be_a_file_and_can_be_written_again(tmp_path):
    graph = to_nir(_classifier(), tmp_path / "network.nir")
    again = to_nir(from_nir(graph, timesteps=5), tmp_path / "again.nir")
    for name, node in graph.nodes.items():
        for key in ("weight", "tau", "v_threshold"):
            np.testing.assert_array_equal(getattr(node, key, 0), getattr(again.nodes[name], key, 0))


# Nodes


def _lif(shape, **values):
    values = {"tau": 2e-4, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.25, "v_reset": 0.0} | values
    return nir.LIF(**{name: np.full(shape, value) for name, value in values.items()})


def _graph(*nodes, shape=(2,), edges=None, output=None, **metadata):
    names = {"input": nir.Input(np.array(shape))} | {f"node_{i}": node for i, node in enumerate(nodes)}
    names["output"] = nir.Output(None if output is None else np.array(output))
    edges = list(itertools.pairwise(names)) if edges is None else edges
    return nir.NIRGraph(names, edges, {"dt": 1e-4} | metadata, type_check=False)


def _neurons(node, shape=(2,), **options):
    return from_nir(_graph(nir.Linear(np.eye(2)), node, shape=shape), **options).layers[0].neuron.cell


def test_parameters_worked_out_by_hand():
    # v <- v + dt / tau (v_leak - v + r I) with dt / tau = 1 / 2: 0.5 v + 0.5 I, and in Keras twice as much.
    cell = _neurons(_lif(2))
    assert (cell.leak, cell.reset) == (0.5, "hard")
    assert cell.threshold == np.nextafter(np.float32(0.25), np.float32(1)) * 2
    assert _neurons(_lif(2, r=4.0)).threshold == pytest.approx(0.125)
    assert _neurons(_lif(2, v_leak=1.0, v_reset=1.0, v_threshold=1.25)).threshold == pytest.approx(0.5)
    assert _neurons(_lif(2), written_by="spikingjelly").threshold == 0.5  # spikes at the threshold
    whole = nir.IF(r=np.full(2, 1e4), v_threshold=np.ones(2))
    assert (_neurons(whole).leak, _neurons(whole).threshold) == (1.0, pytest.approx(1.0))
    # Norse multiplies time constants by dt, and its neurons without leak know no time step.
    assert _neurons(_lif(2, tau=2e-8), written_by="norse", reset="soft", dt=1e-4).leak == pytest.approx(0.5)
    ones = nir.IF(r=np.ones(2), v_threshold=np.ones(2))
    assert _neurons(ones, written_by="norse", reset="hard").threshold == pytest.approx(1.0)
    assert _neurons(_lif(2), dt=5e-5).leak == 0.75


def _apply(*nodes, x):
    """Return the output of nodes alone, `(channels, ...)`: neurons in front of them pass on ones."""
    front = nir.IF(r=np.full(x.shape, 1e4), v_threshold=np.full(x.shape, 0.5))
    network = from_nir(_graph(front, *nodes, shape=x.shape))
    return np.moveaxis(numbers(network(np.moveaxis(x, 0, -1)[None, None].astype("float32")))[0], -1, 0)


MAP = np.random.default_rng(0).integers(0, 2, (2, 5, 6)).astype("float32")
SIZES = {"same": 1, "valid": 0}  # of paddings of a kernel of size 3
KERNEL, BIAS = np.random.default_rng(1).normal(size=(4, 2, 3, 3)), np.arange(4.0)


def _conv(x, weight, stride=1, padding=0, dilation=1, groups=1):
    """Return a convolution, place by place."""
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding)])
    reach = dilation * (weight.shape[-1] - 1) + 1
    rows, columns = ((n - reach) // stride + 1 for n in x.shape[1:])
    outputs = np.zeros((len(weight), rows, columns))
    for filters, inputs, part in zip(
        np.split(weight, groups), np.split(x, groups), np.split(outputs, groups), strict=True
    ):
        for i, j in np.ndindex(rows, columns):
            i_, j_ = i * stride, j * stride
            window = inputs[:, i_ : i_ + reach : dilation, j_ : j_ + reach : dilation]
            part[:, i, j] = np.tensordot(filters, window, 3)
    return outputs + np.arange(len(weight))[:, None, None]


def _conv1d(x, weight, padding, options):
    x = np.pad(x, [(0, 0), (padding, padding)])
    stride, dilation = options["stride"], options["dilation"]
    places = (x.shape[1] - 2 * dilation - 1) // stride + 1
    windows = [x[:, i * stride : i * stride + 2 * dilation + 1 : dilation] for i in range(places)]
    return np.stack([np.tensordot(weight, window, 2) for window in windows], axis=1) + BIAS[:, None]


@pytest.mark.parametrize(
    ("options", "padding"),
    [
        ({"stride": 1}, 0),
        ({"stride": 1}, 1),
        ({"stride": 2}, 1),
        ({"stride": 1}, 2),
        ({"stride": 2}, "valid"),
        ({"stride": 1}, "same"),
        ({"dilation": 2}, 1),
        ({"groups": 2}, 1),
    ],
)
def test_convolutions(options, padding):
    options = {"stride": 1, "dilation": 1, "groups": 1} | options
    weight = KERNEL[:, : 2 // options["groups"]]
    node = nir.Conv2d(None, weight, bias=BIAS, padding=padding, **options)
    expected = _conv(MAP, weight, padding=SIZES.get(padding, padding), **options)
    np.testing.assert_allclose(_apply(node, x=MAP), expected, atol=1e-5)
    row = nir.Conv1d(None, weight[:, :, 1], bias=BIAS, padding=padding, **options)
    if options["groups"] == 1:
        expected = _conv1d(MAP[:, 0], weight[:, :, 1], SIZES.get(padding, padding), options)
        np.testing.assert_allclose(_apply(row, x=MAP[:, 0]), expected, atol=1e-5)


def test_pooling_scaling_and_the_order_of_flattened_values():
    windows = MAP[:, :4].reshape(2, 2, 2, 3, 2)
    pool = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}
    np.testing.assert_allclose(_apply(nir.AvgPool2d(**pool), x=MAP), windows.mean((2, 4)), atol=1e-6)
    np.testing.assert_allclose(_apply(nir.SumPool2d(**pool), x=MAP), windows.sum((2, 4)), atol=1e-6)
    padded = nir.AvgPool2d(**{**pool, "padding": np.array([1, 0])})
    np.testing.assert_allclose(_apply(padded, x=MAP)[:, 0], windows.reshape(2, 4, 3, 2)[:, 0].mean(-1) / 2)
    scale = np.random.default_rng(2).normal(size=MAP.shape)
    flatten, weight = nir.Flatten(None, 0, -1), np.random.default_rng(3).normal(size=(4, MAP.size))
    nodes = nir.Scale(scale), flatten, nir.Scale(np.arange(float(MAP.size))), nir.Affine(weight, BIAS)
    expected = weight @ (np.arange(float(MAP.size)) * (scale * MAP).ravel()) + BIAS
    np.testing.assert_allclose(_apply(*nodes, x=MAP), expected, rtol=1e-4)


# Refusals


LINEAR = nir.Linear(np.ones((2, 2)))
LIFS = _lif(2)
RECURRENT = nir.NIRGraph.from_list(nir.Linear(np.ones((2, 2))))
FLAT = nir.Flatten(None, 0, -1)


def _after_linear(**parameters):
    return _graph(LINEAR, _lif(2, **parameters))


def _without_shape():
    graph = _graph(LINEAR, LIFS)
    graph.nodes["input"].input_type = {"input": None}
    return graph


def _two_inputs():
    nodes = {name: nir.Input(np.array([2])) for name in "ab"}
    return nir.NIRGraph(nodes, [], {"dt": 1e-4}, type_check=False)


def _conv_node(padding=0, stride=1, dilation=1):
    return nir.Conv2d(None, KERNEL, stride, padding, dilation, 1, BIAS)


REFUSED = {
    "unknown": (
        lambda: _graph(LINEAR, nir.LI(*np.ones((3, 2)))),
        "'node_1' .*LIF, IF, CubaLIF, Affine.* Received: LI",
    ),
    "current-based": (
        lambda: _graph(LINEAR, nir.CubaLIF(*np.ones((5, 2)))),
        "'node_1' cannot be read.* Received: CubaLIF",
    ),
    "delay": (lambda: _graph(LINEAR, nir.Delay(np.ones(2)), LIFS), "'node_1' .* Received: Delay"),
    "graph in a graph": (
        lambda: _graph(LINEAR, RECURRENT, LIFS),
        "'node_1' .* a graph of its own, as recurrent",
    ),
    "branch": (
        lambda: _graph(
            *(LINEAR, LIFS, LINEAR),
            edges=[("input", "node_0"), ("node_0", "node_1"), ("node_0", "node_2"), ("node_1", "output")],
        ),
        "'node_0' .*edges from input to .*Only chains",
    ),
    "recurrent": (
        lambda: _graph(
            *(LINEAR, LIFS, LINEAR),
            edges=[
                *(("input", "node_0"), ("node_0", "node_1"), ("node_1", "output")),
                *(("node_1", "node_2"), ("node_2", "node_1")),
            ],
        ),
        "'node_1' .*Only chains, without branches or recurrence",
    ),
    "missing edge": (
        lambda: _graph(LINEAR, LIFS, edges=[("input", "node_0"), ("node_1", "output")]),
        "'output' .*no chain of edges from the Input to the Output",
    ),
    "loop apart": (
        lambda: _graph(
            LINEAR, LIFS, LINEAR, edges=[("input", "node_1"), ("node_1", "output"), ("node_0", "node_2")]
        ),
        "'node_2' .*no chain of edges",
    ),
    "edge of no node": (
        lambda: _graph(LINEAR, LIFS, edges=[("input", "elsewhere")]),
        r"must join its nodes. Received: the edge \('input', 'elsewhere'\)",
    ),
    "no input shape": (_without_shape, "The Input of a graph must have a shape. Received: shape=None"),
    "two inputs": (_two_inputs, r"one Input and one Output. Received: \['a', 'b'\] and \[\]"),
    "no neurons": (lambda: _graph(LINEAR), "'output' .*: the graph has no neurons"),
    "weight": (
        lambda: _graph(nir.Linear(np.ones((2, 3))), LIFS),
        r"'node_0' .* shape \(2, 3\), .* gives \(2,\)",
    ),
    "batch axis": (
        lambda: _graph(LINEAR, LIFS, shape=(4, 2)),
        r"'node_0' .* gives \(4, 2\).* The shape of a graph's Input has no batch axis",
    ),
    "weight of a convolution": (
        lambda: _graph(_conv_node(), LIFS, shape=(3, 5, 5)),
        r"'node_0' .* gives \(3, 5, 5\)",
    ),
    "small map": (
        lambda: _graph(_conv_node(), shape=(2, 2, 5)),
        r"'node_0' .*zero or negative.* gives \(2, 2, 5\)",
    ),
    "neurons": (lambda: _graph(LINEAR, _lif(3)), r"'node_1' .*its shape is \(3,\), .* gives \(2,\)"),
    "output": (lambda: _graph(LINEAR, LIFS, output=(3,)), r"'output' .*its shape is \(3,\)"),
    "same with stride": (
        lambda: _graph(_conv_node("same", 2), shape=(2, 5, 5)),
        "'node_0' .* not defined for stride",
    ),
    "stride and dilation": (
        lambda: _graph(_conv_node(0, 2, 2), shape=(2, 9, 9)),
        r"'node_0' .*no stride=\(2, 2\) together with dilation=\(2, 2\)",
    ),
    "pooled vector": (
        lambda: _graph(nir.AvgPool2d(np.array(2), np.array(2), np.array(0)), LIFS),
        r"'node_0' .*: it pools maps, and the node before it gives \(2,\)",
    ),
    "part of a Flatten": (
        lambda: _graph(nir.Flatten(None, 1, -1), LIFS, shape=(2, 3, 4)),
        "'node_0' .*start_dim=1 and end_dim=-1.*all axes",
    ),
    "flattened output": (
        lambda: _graph(_lif((2, 3, 4)), FLAT, shape=(2, 3, 4)),
        "'output' .*a Flatten of maps is before it",
    ),
    "one short tau": (
        lambda: _after_linear(tau=np.array([5e-5, 3e-4])),
        "its tau=5e-05 to 0.0003 is shorter than a time step",
    ),
    "infinite tau": (lambda: _after_linear(tau=np.inf), "'node_1' must have finite values of tau. Received"),
    "short tau": (lambda: _after_linear(tau=5e-5), "tau=5e-05 is shorter than .* Pass another `dt`"),
    "negative gain": (lambda: _after_linear(r=-1.0), "'node_1' .*must be positive"),
    "reset elsewhere": (
        lambda: _after_linear(v_reset=-0.5),
        "'node_1' .*v_reset=-0.5.* not reset to rest",
    ),
    "threshold at rest": (
        lambda: _after_linear(v_threshold=0.0),
        "v_threshold=0.0 is not above its rest",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_graphs_that_cannot_be_read_name_the_node(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        from_nir(make())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dt": None}, "`dt` must be given, the seconds of a time step"),
        ({"dt": 0}, "`dt` must be a finite number in"),
        (
            {"written_by": "snntorch"},
            "`reset` must be given, 'hard' or 'none': snnTorch writes all resets alike",
        ),
        ({"written_by": "norse", "dt": 1e-3}, "`reset` must be given, 'hard' or 'soft': Norse writes"),
        (
            {"written_by": "snntorch", "reset": "soft"},
            "`reset` must be one that snnTorch and SpikingLIF have alike",
        ),
        ({"written_by": "snntorch", "reset": "hard", "dt": 1e-3}, "`dt` is 0.0001 in all files of snnTorch"),
        ({"written_by": "spikingjelly", "dt": None}, "`dt` must be given"),
        ({"written_by": "sinabs"}, "Sinabs 3.1.3 lets a neuron spike several times .* written_by='sinabs'"),
        ({"written_by": "brian"}, "Unknown `written_by`: choose one of 'snntorch'"),
        ({"reset": "gentle"}, "Unknown `reset`"),
        ({"timesteps": 0}, "`timesteps` must be an integer of at least 1"),
    ],
)
def test_what_a_file_leaves_out_is_asked_for(options, message):
    graph = _graph(LINEAR, LIFS)
    graph.metadata = {}
    with pytest.raises(ValueError, match=message):
        from_nir(graph, **{"dt": 1e-4} | options if options.get("written_by") != "snntorch" else options)


def test_files_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"path of a NIR file. Received: path='.*nothing.nir', which is none"):
        from_nir(tmp_path / "nothing.nir")
    path = tmp_path / "network.nir"
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"must be a NIR file\. Received: path='.*network\.nir': "):
        from_nir(path)
    nir.write(path, LIFS)
    with pytest.raises(ValueError, match="must be a NIR file"):
        from_nir(path)
    with pytest.raises(ValueError, match="`path` must be a path"):
        from_nir(3)


def test_neurons_without_a_synapse_before_them():
    network = from_nir(_graph(LIFS, LINEAR, LIFS))
    assert [type(layer) for layer in network.layers] == [SpikingStage, SpikingStage]
    assert isinstance(network.layers[0].neuron, SpikingLIF)
    spikes = network(np.full((1, 3, 2), 0.4, "float32"))  # membranes 0.4, 0.6, 0.4
    np.testing.assert_array_equal(numbers(network.layers[0].output.shape[-1]), 2)
    assert spikes.shape == (1, 3, 2)
