import functools
import json
import math

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.audit import Costs, Memory, energy
from keras_bsd.layers import (
    Readout,
    SequenceReadout,
    SpikingConv2D,
    SpikingDense,
    SpikingLIF,
    SpikingRecurrent,
    SpikingStage,
)
from keras_bsd.models._local_readout import LocalReadout
from tests.models import pairs


def two_layers(neuron=None):
    """Two inputs, three neurons and then two, four time steps, one output; no spike is random.

    The first stage's currents are 1, 0.3 and 0 for the stimulus (0.5, 0): with threshold 1 and leak 0.5 its
    first neuron fires at all four steps and the others never. The currents of the second stage's neurons
    are 1 and 0.3.
    """
    neurons = [SpikingLIF(beta=0.5, threshold=1.0, **(neuron or {})) for _ in range(2)]
    network = keras.Sequential(
        [
            keras.Input((2,)),
            SpikingStage(keras.layers.Dense(3, use_bias=False), neurons[0], timesteps=4, name="first"),
            SpikingStage(keras.layers.Dense(2), neurons[1], normalization="batch", name="second"),
            Readout(keras.layers.Dense(1), name="value"),
        ]
    )
    first, second, _ = (stage.synapse.layers[0] for stage in network.layers)
    first.kernel.assign([[2.0, 0.6, 0.0], [0.0, 0.0, 0.0]])
    second.kernel.assign([[1.1, 0.3], [5.0, 5.0], [5.0, 5.0]])
    return network


def test_agrees_with_a_hand_count():
    report = energy(two_layers(), np.array([[0.5, 0.0]], "float32"))
    counted = {layer.name.split("/")[0] + " " + layer.kind: layer for layer in report.layers}
    by_hand = {  # MACs, ACs, synaptic operations, neuron updates, MACs and ACs of the ANN
        "first Dense": (1 * 3, 0, 0, 0, 6, 0),  # one held current of two that is not zero, once
        "first SpikingLIF": (4 * 3, 4 * 3, 0, 4 * 3, 0, 3),
        "second Dense": (0, 4 * 2 + 4 * 2, 4 * 2, 0, 6, 2),  # one neuron fires 4 times on 2; 2 biases
        "second BatchNormalization": (4 * 2, 0, 0, 0, 2, 0),
        "second SpikingLIF": (4 * 2, 4 * 2, 0, 4 * 2, 0, 2),
        "value Readout": (2, 4, 0, 0, 0, 0),  # one neuron fired 4 times
        "value Dense": (0, 1 + 1, 1, 0, 2, 1),  # rates of 1 and 0
    }
    operations = {name: layer[-6:] for name, layer in counted.items()}
    assert operations == by_hand
    assert counted["first SpikingLIF"].neurons == 3
    assert counted["first SpikingLIF"].firing_rate == pytest.approx(1 / 3)
    assert counted["second Dense"].synapses == 6
    macs, acs = 3 + 12 + 8 + 8 + 2, 12 + 16 + 8 + 4 + 2
    assert (report.total.macs, report.total.acs, report.total.neurons) == (macs, acs, 5)
    assert report.energy() == pytest.approx(4.6 * macs + 0.9 * acs)
    assert report.ann_energy() == pytest.approx(4.6 * (6 + 6 + 2 + 2) + 0.9 * (3 + 2 + 2 + 1))
    assert report.total.firing_rate == pytest.approx((4 + 4) / (4 * 5))
    assert not report.unknown
    assert not report.training


@pytest.mark.parametrize(
    ("neuron", "macs", "acs"),
    [
        ({"reset": "soft"}, 12, 12 + 4),
        ({"beta": 1.0}, 0, 2 * 12),
        ({"beta": 0.0}, 0, 12),
        ({"refractory_steps": 1}, 12, 24),
        ({"trainable_leak": True, "beta": 1.0}, 12, 12),
    ],
)
def test_operations_of_a_neuron(neuron, macs, acs):
    network = keras.Sequential(
        [
            keras.Input((1,)),
            SpikingStage(
                keras.layers.Dense(3, use_bias=False), SpikingLIF(**neuron), timesteps=4, name="stage"
            ),
        ]
    )
    network.layers[0].synapse.layers[0].kernel.assign([[5.0, 0.0, 0.0]])
    refractory = "refractory_steps" in neuron
    report = energy(network, np.ones((1, 1), "float32"))
    (layer,) = (layer for layer in report.layers if layer.kind == "SpikingLIF")
    assert (layer.macs, layer.acs) == (macs, acs)
    assert layer.firing_rate == (2 if refractory else 4) / 12


def test_synaptic_operations_are_the_spikes_that_arrive():
    """Every spike of real maps is followed along every kernel entry that leads to a neuron."""
    encoder = keras.Sequential(
        [
            keras.Input((5, 6, 1)),
            SpikingConv2D(3, timesteps=3, name="lower"),
            SpikingStage(keras.layers.Conv2D(2, 3, strides=2, padding="same"), name="strided"),
            SpikingStage(keras.layers.Conv2DTranspose(2, 2, strides=2), name="back"),
            Readout([keras.layers.Flatten(), keras.layers.Dense(2)]),
        ]
    )
    x = np.random.default_rng(0).normal(size=(4, 5, 6, 1)).astype("float32") * 3
    outputs = {stage.name: stage.output for stage in encoder.layers[:-1]}
    spikes = keras.Model(encoder.inputs, outputs).predict(x, verbose=0)
    assert spikes["lower"].sum() > 20
    assert spikes["strided"].sum() > 5
    report = energy(encoder, x, batch_size=3)
    counted = {
        layer.stage: layer.synaptic_operations for layer in report.layers if layer.kind.startswith("Conv")
    }

    strided = 0  # 5 x 6 to 3 x 3 by strides of 2: one row of padding on both sides, one column on the right
    for _, _, row, column, _ in np.argwhere(spikes["lower"]):
        rows = sum(0 <= row + 1 - 2 * i < 3 for i in range(3))
        columns = sum(0 <= column - 2 * j < 3 for j in range(3))
        strided += rows * columns * 2
    assert counted["strided"] == pytest.approx(strided / 4)
    assert counted["back"] == pytest.approx(spikes["strided"].sum() * 2 * 2 * 2 / 4)
    assert counted["lower"] == 0
    # For 3 x 3 kernels on 5 x 6 places, padded by one: rows meet 2 + 3 + 3 + 3 + 2 others, columns likewise.
    assert next(layer.macs for layer in report.layers if layer.stage == "lower") == 13 * 16 * 3


def test_pooling_and_layers_between_stages():
    stimulus = keras.Input((4, 4, 1))
    spikes = SpikingConv2D(2, pool_size=2, normalization="layer", timesteps=3, name="stage")(stimulus)
    spikes = keras.layers.MaxPooling3D((1, 2, 2), name="between")(spikes)
    network = keras.Model(stimulus, keras.layers.AveragePooling3D((3, 1, 1), name="mean")(spikes))
    layers = {layer.name.split("/")[-1]: layer for layer in energy(network, np.ones((2, 4, 4, 1))).layers}
    pooling, normalisation = (next(v for k, v in layers.items() if k.startswith(s)) for s in ("max_p", "group"))
    assert (pooling.macs, pooling.acs, pooling.ann_acs) == (0, (16 - 4) * 2, (16 - 4) * 2)  # of a held current
    assert (normalisation.macs, normalisation.acs) == (2 * 8, 2 * 8)
    assert (layers["between"].acs, layers["between"].ann_acs) == (3 * 2 * 3, 2 * 3)
    assert (layers["mean"].macs, layers["mean"].acs) == (2, 2 * 2)


def test_training_by_hand():
    """4-9-8-7-3 neurons, three time steps; what is held, and the readout, is applied once.

    Two of the decoder's stages receive the concept of three classes, too.
    """
    model = pairs.dense_pair()
    x, _ = pairs.samples(model)
    training = energy(model, x, batch_size=6).training
    up, top, share, direct = 72 + 56, 21, 3 / 6, 3 * (8 + 9)
    assert training["backprop"].products == 2 * 36 + 3 * 3 * up + 3 * top
    encoder, decoder = 2 * 36 + 4 * up + 2 * top, 2 * 21 + 4 * up + 2 * direct + 2 * 36
    assert training["rate"].products == pytest.approx(encoder + share * decoder)
    encoder, decoder = 2 * 36 + 6 * up + 2 * top, 2 * 21 + 6 * up + 2 * direct + 2 * 36
    assert training["surrogate"].products == pytest.approx(encoder + share * decoder)
    each = energy(pairs.dense_pair(codebook=False), x).training["rate"].products
    assert each == 2 * (72 + 4 * up + direct + 42)


def test_a_recurrent_network_by_hand():
    """Two stages of two delays, on a series of three elements, two time steps each; no spike is random.

    The current of the first stage's one neuron is 1 for every element, so that it fires at all six steps; the
    currents of the second stage's two neurons are 0.
    """
    neuron = {"beta": 0.5, "threshold": 1.0}
    recurrent = functools.partial(SpikingRecurrent, delays=2, normalization=None)
    network = keras.Sequential(
        [
            keras.Input((3, 4)),
            recurrent(1, timesteps=2, neuron=SpikingLIF(**neuron), name="first"),
            recurrent(2, neuron=SpikingLIF(**neuron), name="second"),
            SequenceReadout(keras.layers.Dense(5), targets="last", name="values"),
        ]
    )
    for weight in network.weights:
        weight.assign(np.zeros(weight.shape))
    network.layers[0].synapse.layers[0].bias.assign([1.0])
    report = energy(network, np.full((2, 3, 4), 0.5, "float32"))
    operations = {layer.name: layer[-6:] for layer in report.layers}
    # Each of three elements affects itself and the next one, if there is one: five times. Four spikes before
    # the last element are fed back. There is a bias for each element and neuron.
    spiking_lif = [layer.name for layer in report.layers if layer.kind == "SpikingLIF"]
    assert operations == {
        "first": (5 * 4, 4 + 3, 4, 0, 5 * 4 + 2, 3),
        spiking_lif[0]: (6, 6, 0, 6, 0, 3),
        "second": (0, 5 * 2 * 2 + 6, 5 * 2 * 2, 0, 5 * 2 + 2 * 4, 6),
        spiking_lif[1]: (12, 12, 0, 12, 0, 6),
        "values": (2, 0, 0, 0, 0, 0),
        report.layers[-1].name: (0, 5, 0, 0, 2 * 5, 5),  # rates of 0
    }
    by_name = {layer.name: layer for layer in report.layers}
    assert [by_name[name].firing_rate for name in spiking_lif] == [1, 0]
    assert [by_name[name].synapses for name in ("first", "second")] == [2 * 4 + 1, 2 * (2 + 2)]
    assert not report.unknown


@pytest.mark.parametrize("pair", [pairs.forecast_pair, pairs.character_pair])
def test_sequences(pair):
    report = energy(pair(), pairs.samples(pair())[0])
    assert all("softmax" in unknown for unknown in report.unknown)
    assert not report.training
    assert {"recurrent_1", "recurrent_2"} <= {layer.name for layer in report.layers}


@pytest.mark.parametrize(
    ("arguments", "products"),
    [
        # Outputs, errors back to the stage and update of readouts of 3 classes: 8 and 6 neurons.
        ({"units": (8, 6)}, 3 * (8 * 3 + 6 * 3)),
        ({"units": (8, 6), "local_readout_depth": 2}, 3 * (8 * 8 + 8 * 3 + 6 * 6 + 6 * 3)),
    ],
)
def test_training_of_local_readouts_counts_for_the_pair_alone(arguments, products):
    def trained(**options):
        keras.utils.set_random_seed(0)
        pair = keras_bsd.applications.SpikingMLP((4,), classes=3, **options)
        return energy(pair, np.ones((2, 4))).training

    plain, with_readouts = trained(units=(8, 6)), trained(local_readout_weight=1.0, **arguments)
    assert with_readouts["backprop"] == plain["backprop"]
    for rule in ("rate", "surrogate"):
        assert with_readouts[rule].macs - plain[rule].macs == products
        assert with_readouts[rule].products - plain[rule].products == products


@pytest.mark.parametrize(
    ("target", "classification", "depth", "products"),
    [
        ((10,), True, 1, 4 * 4 * 3 * 10),  # of means of 4x4 cells
        ((10,), True, 2, 8 * 8 * 9 * 3 * 3 + 4 * 4 * 3 * 10),
        ((16, 16, 2), False, 1, 8 * 8 * 3 * (4 * 4 * 2)),  # each of the maps' values reaches 4x4 pixels
    ],
)
def test_products_of_a_local_readout_of_maps(target, classification, depth, products):
    assert LocalReadout((8, 8, 3), target, classification, depth).products == products


def _stage_of(shape, layer, **arguments):
    return keras.Sequential([keras.Input(shape), SpikingStage(layer, name="only", **arguments)])


def _counts(report):
    layer = report.layers[0]
    return layer.macs, layer.acs, layer.synaptic_operations


@pytest.mark.parametrize("batch_size", [1, 2])
def test_one_value_does_not_change_the_price_of_others(batch_size):
    network, x = _stage_of((3, 4), keras.layers.Dense(3, use_bias=False)), np.ones((2, 3, 4), "float32")
    assert _counts(energy(network, x, batch_size=batch_size)) == (0, 36, 36)
    x[0, 0, 0] = 2
    assert _counts(energy(network, x, batch_size=batch_size)) == (3 / 2, 36 - 3 / 2, 36 - 3 / 2)
    x[0, 0, :3] = (-1, 0, 0.5)
    assert _counts(energy(network, x, batch_size=batch_size)) == (3 / 2, 36 - 3, 36 - 3)


def test_weights_of_zero_count_and_zeros_do_not():
    dense = keras.layers.Dense(3, use_bias=False, kernel_initializer="zeros")
    assert _counts(energy(_stage_of((3, 4), dense), np.ones((2, 3, 4)))) == (0, 36, 36)
    assert (
        _counts(energy(_stage_of((3, 4), keras.layers.Dense(3, use_bias=False)), np.zeros((2, 3, 4))))
        == (0,) * 3
    )


def test_multiplications_are_unpriced_by_the_costs_of_loihi():
    network, x = _stage_of((3, 4), keras.layers.Dense(3, use_bias=False)), np.ones((1, 3, 4), "float32")
    x[0, 0, :2] = (2, 0.5)
    report = energy(network, x, costs="loihi")
    name = report.layers[0].name
    assert report.energy(report.layers[0]) == pytest.approx(23.6 * 30)
    assert report.unpriced == {name: 6}
    assert f"Counted, but without a price in 'loihi': {name} (6)" in str(report)


@functools.cache
def _mixed(recurrent):
    """A network whose neurons fire for some inputs, and stimuli of every kind of value."""
    keras.utils.set_random_seed(0)
    if recurrent:
        layers = [keras.Input((3, 4)), SpikingRecurrent(3, delays=2, timesteps=2), SpikingRecurrent(2)]
        return keras.Sequential([*layers, SequenceReadout(keras.layers.Dense(2))])
    synapse = [keras.layers.Conv1D(3, 2, padding="same"), keras.layers.MaxPooling1D(2)]
    layers = [keras.Input((2, 4, 2)), SpikingStage(synapse, normalization="batch"), SpikingDense(3)]
    return keras.Sequential([*layers, Readout(keras.layers.Dense(2))])


VALUES = [0, 0, 1, -1, 2, 0.5]


@pytest.mark.slow
@pytest.mark.parametrize("recurrent", [False, True])
@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(data=st.data())
def test_counts_depend_neither_on_batches_nor_on_order(recurrent, data):
    network = _mixed(recurrent)
    shape = (data.draw(st.integers(1, 5)), *network.input_shape[1:])
    size = math.prod(shape)
    x = data.draw(st.lists(st.sampled_from(VALUES), min_size=size, max_size=size))
    x = np.array(x, "float32").reshape(shape)
    order = data.draw(st.permutations(range(len(x))))
    whole = energy(network, x)
    for part in (
        energy(network, x[order], batch_size=data.draw(st.integers(1, 3))),
        *(energy(network, x, batch_size=size) for size in (1, len(x))),
    ):
        assert len(part.layers) == len(whole.layers)
        for one, other in zip(part.layers, whole.layers, strict=True):
            assert one[6:] == pytest.approx(other[6:])
    single = [energy(network, sample[None]).energy() for sample in x]
    assert whole.energy() == pytest.approx(np.mean(single))


def test_unknown_layers_are_named():
    class Own(keras.layers.Dense):
        pass

    class OwnStage(SpikingStage):
        pass

    network = keras.Sequential(
        [
            keras.Input((4,)),
            keras_bsd.encoding.PoissonEncoder(3, seed=0),
            SpikingStage([Own(5), keras.layers.UnitNormalization()], name="one"),
            OwnStage(keras.layers.Dense(6, "tanh"), name="two"),
            Readout(keras.layers.Dense(2), "softmax", name="scores"),
        ]
    )
    report = energy(network, np.full((2, 4), 0.5, "float32"))
    unknown = "\n".join(report.unknown)
    for text in (
        r"(PoissonEncoder): all operations",
        r"(Own): all operations",
        r"(UnitNormalization): all operations",
        r"'two' (OwnStage): operations besides its synapse and its neurons",
        r"(Dense): its activation tanh",
        r"'scores' (Readout): its activation softmax",
    ):
        assert text in unknown
    assert f"Not counted: {report.unknown[0]}" in str(report)
    assert "one/" not in " ".join(layer.name for layer in report.layers if layer.kind != "SpikingLIF")


def test_costs():
    x = np.array([[0.5, 0.0]], "float32")
    loihi = energy(two_layers(), x, costs="loihi")
    assert loihi.energy() == pytest.approx(23.6 * (8 + 1) + 81 * (12 + 8))
    assert loihi.ann_energy() is None
    unpriced = {name.split("/")[0]: count for name, count in loihi.unpriced.items() if "dense" in name}
    assert unpriced == {"first": 3, "second": 8, "value": 1}
    assert "without a price in 'loihi': first/dense" in str(loihi)
    assert "must not be compared" in str(loihi)
    own = Costs("mine", 2.0, 1.0, None, None, "measured here")
    report = energy(two_layers(), x, costs=own)
    assert report.energy() == 2 * report.total.macs + report.total.acs
    assert not report.unpriced
    for incomplete in (own._replace(accumulate=None), own._replace(synaptic_operation=1.0)):
        with pytest.raises(
            ValueError, match=r"must price multiply_accumulate and accumulate, or .* Received: costs"
        ):
            energy(two_layers(), x, costs=incomplete)


def test_memory_by_hand():
    """Three neurons are silent or spike at all of four steps, see `two_layers`; so do two."""
    costs = Costs("mine", 0.0, 0.0, None, None, "made up", (Memory(20, 1.0), Memory(None, 10.0)))
    report = energy(two_layers(), np.array([[0.5, 0.0]], "float32"), costs)
    first, second = 3, 4 * 2 + 4 * 2  # reads of weights, and of two biases at each step
    assert report.accesses() == (first + second + 2, 2 * 4 * (3 + 2), 2 * (4 + 4))
    assert report.ann_accesses() == (6 + (6 + 2) + (2 + 1), 0, 2 * (3 + 2))
    # Five values, of 4 bytes each, fit into the smaller memory: all but the parameters of the first two layers.
    assert report.memory_energy() == 10 * (first + second) + 2 + 40 + 16
    assert report.energy() == report.memory_energy() == sum(map(report.energy, report.layers))
    assert report.ann_energy() == 10 * (6 + 8) + 3 + 10
    assert report.ann_energy() == sum(map(report.ann_energy, report.layers))
    neurons = next(layer for layer in report.layers if layer.neurons == 3)
    assert report.accesses(neurons) == (0, 2 * 4 * 3, 2 * 4)
    assert f"{sum(report.accesses()):,.0f}" in str(report).split("total")[1]
    assert report.to_dict()["layers"][0]["accesses"]["parameters"] == first


def test_states_of_refractory_neurons_are_memory():
    stage = SpikingStage(keras.layers.Dense(3), SpikingLIF(refractory_steps=2), timesteps=4)
    report = energy(keras.Sequential([keras.Input((2,)), stage]), np.ones((1, 2), "float32"))
    assert report.accesses().states == 2 * 4 * 3 * 2


def test_memory_is_an_option():
    x = np.array([[0.5, 0.0]], "float32")
    without, priced = energy(two_layers(), x), energy(two_layers(), x, "45nm-memory")
    assert without.memory_energy() == 0
    assert "accesses" not in str(without)
    assert "priced without memory" in str(without)
    assert "priced without memory" not in str(priced)
    assert priced.memory_energy() == 5.0 * sum(priced.accesses())  # all fit into 8 KB
    assert priced.energy() == pytest.approx(without.energy() + priced.memory_energy())
    access = priced.costs.access
    sizes = (2**11, 2**11 + 1, 2**13, 2**13 + 1, 2**18, 2**18 + 1)
    assert [access(values) for values in sizes] == [5.0, 10.0, 10.0, 50.0, 50.0, 650.0]


def test_memory_must_be_in_order():
    small, large = Memory(8, 1.0), Memory(None, 2.0)
    own = Costs("mine", 2.0, 1.0, None, None, "measured here")
    neuromorphic = Costs("chip", None, None, 1.0, 1.0, "measured here", (large,))
    for wrong in (own._replace(memory=(small,)), own._replace(memory=(large, small)), neuromorphic):
        with pytest.raises(ValueError, match=r"`memory` must be in ascending order .* Received: costs="):
            energy(two_layers(), np.ones((1, 2), "float32"), wrong)


def test_printed_and_as_json():
    model = pairs.dense_pair()
    report = energy(model, pairs.samples(model)[0])
    record = json.loads(json.dumps(report.to_dict()))
    assert record["energy"] == pytest.approx(sum(layer["energy"] for layer in record["layers"]))
    assert record["training"]["rate"]["products"] > 0
    assert record["unknown"] == list(report.unknown)
    lines = str(report).splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("layer"))
    assert lines[header + len(report.layers) + 1].startswith("total")
    assert len({len(line) for line in lines[header : header + len(report.layers) + 2]}) == 1


def test_counting_does_not_change_the_model():
    model = pairs.conv_pair()
    x, _ = pairs.samples(model)
    before, scores = model.get_weights(), model.predict(x, verbose=0)
    energy(model, x)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
    np.testing.assert_array_equal(ops.convert_to_numpy(model(x)), scores)
    assert not any("call" in layer.__dict__ for stage in model.encoder_stages for layer in stage.synapse.layers)


def test_counts_are_exact_in_half_precision():
    dense = keras.layers.Dense(3, use_bias=False, dtype="mixed_bfloat16")
    stage = SpikingStage(dense, timesteps=2, dtype="mixed_bfloat16", name="wide")
    network = keras.Sequential([keras.Input((1001,)), stage])
    assert energy(network, np.ones((1, 1001), "float32")).layers[0].synaptic_operations == 3003


def test_bad_input():
    model = pairs.dense_pair()
    x, _ = pairs.samples(model)
    with pytest.raises(ValueError, match=r"must be a built Sequential or .* Received: model=<Sequential"):
        energy(keras.Sequential([keras.layers.Dense(2)]), x)
    with pytest.raises(ValueError, match=r"must have a spiking stage. Received: .* with layers=\['dense"):
        energy(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), x)
    with pytest.raises(ValueError, match=r"at least one stimulus. Received: shape=\(0, 4\)"):
        energy(model, x[:0])
    with pytest.raises(ValueError, match=r"Received: shape=\(12, 3\)"):
        energy(model, x[:, :3])
    with pytest.raises(
        ValueError, match=r"Unknown `costs`: .* '45nm', '45nm-memory', 'loihi'. Received: costs='7nm'"
    ):
        energy(model, x, costs="7nm")
    with pytest.raises(ValueError, match=r"`batch_size` must be an integer of at least 1"):
        energy(model, x, batch_size=0)


def test_a_stage_that_does_not_call_its_neurons():
    class Silent(SpikingStage):
        def fire(self, currents):
            return ops.zeros_like(currents)

    stage = Silent(keras.layers.Dense(3), timesteps=1, name="own")
    report = energy(keras.Sequential([keras.Input((2,)), stage]), np.ones((1, 2), "float32"))
    assert report.total.firing_rate is None
    assert "'own' (Silent): operations besides its synapse and its neurons" in str(report)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantised_layers_are_counted():
    model = keras_bsd.applications.SpikingMLP((12,), 3, units=(8,))
    x = np.random.default_rng(0).random((6, 12), "float32")
    names = [layer.name for layer in energy(model, x).layers]
    model.quantize("int8")
    assert [layer.name for layer in energy(model, x).layers] == names


@pytest.mark.parametrize(("factor", "message"), [(np.nan, "`x` must be finite"), (255, "Stimuli must lie in")])
def test_stimuli_are_checked_as_those_of_the_pair(factor, message):
    model = keras_bsd.applications.SpikingMLP((12,), 3, units=(8,))
    with pytest.raises(ValueError, match=message):
        energy(model, np.full((2, 12), factor))
    with pytest.raises(ValueError, match="`x` must be finite"):
        energy(model.encoder, np.full((2, 12), np.nan))
