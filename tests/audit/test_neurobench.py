import json

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.audit import energy, neurobench
from keras_bsd.layers import SpikingConv2D, SpikingLIF, SpikingRecurrent, SpikingStage
from tests.models import pairs

SPARSE = [[2.0, 0.5, 0.0], [0.0, 0.0, 0.25]]


def two_layers():
    """Two inputs, three neurons and then two, over time; no spike is random."""
    neurons = [SpikingLIF(beta=0.5, threshold=1.0) for _ in range(2)]
    network = keras.Sequential(
        [
            keras.Input((4, 2)),
            SpikingStage(keras.layers.Dense(3), neurons[0], name="first"),
            SpikingStage(keras.layers.Dense(2, use_bias=False), neurons[1], name="second"),
        ]
    )
    first, second = (stage.synapse.layers[0] for stage in network.layers)
    first.set_weights([np.array(SPARSE), np.zeros(3)])
    second.set_weights([np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 1.0]])])
    return network


def test_agrees_with_a_hand_count():
    """The stimulus is (1, 0) at two of four time steps.

    The first stage's neurons receive 2, 0.5 and 0 at these steps: the first one spikes at both, and its
    membrane is reset to zero at once; that of the second is 0.5, 0.75, 0.375 and 0.1875; that of the third is
    zero. The first of the second stage's two neurons spikes twice.
    """
    x = np.zeros((1, 4, 2), "float32")
    x[0, :2, 0] = 1
    report = neurobench(two_layers(), x)
    assert report.parameter_count == 6 + 3 + 6
    assert report.footprint == 4 * (15 + 5)
    assert report.connection_sparsity == (3 + 1) / 12
    assert report.activation_sparsity == 1 - (2 + 2) / (4 * 5)
    assert report.dense == 4 * (6 + 6)
    assert (report.effective_macs, report.effective_acs) == (0, 2 * 2 + 2 * 1)  # no weights of zero
    assert report.membrane_updates == 5 + 3  # the first step of each, and three steps of the second neuron
    assert not report.unknown


def test_a_value_decides_for_the_time_step_of_its_sample():
    x = np.ones((2, 4, 2), "float32")
    x[0, 0, 0] = 0.5
    report = neurobench(two_layers(), x)
    assert report.effective_macs == 3 / 2  # three weights of the first layer are not zero
    for batch_size in (1, 2):
        assert neurobench(two_layers(), x, batch_size).to_dict() == report.to_dict()
    x[0, 0, 0] = -1
    assert neurobench(two_layers(), x).effective_macs == 0


def test_a_held_stimulus_counts_once():
    neurons = SpikingLIF(refractory_steps=1)
    network = keras.Sequential([keras.Input((3,)), SpikingStage(keras.layers.Dense(2), neurons, timesteps=7)])
    report = neurobench(network, np.full((1, 3), 0.5))
    assert (report.dense, report.effective_macs, report.effective_acs) == (6, 6, 0)
    assert report.footprint == 4 * (6 + 2 + 2 * 2)  # a membrane and the remaining steps of each neuron


def test_padded_positions_do_not_count_and_statistics_are_no_parameters():
    network = keras.Sequential(
        [keras.Input((5, 6, 1)), SpikingConv2D(3, timesteps=2, normalization="batch", name="stage")]
    )
    report = neurobench(network, np.ones((1, 5, 6, 1), "float32"))
    assert report.dense == 13 * 16 * 3  # see `test_synaptic_operations_are_the_spikes_that_arrive`
    assert report.parameter_count == 9 * 3 + 2 * 3
    assert report.footprint == 4 * (9 * 3 + 4 * 3 + 5 * 6 * 3)


def test_a_recurrent_stage():
    """Two delays, two time steps of three elements, and one neuron that always spikes."""
    stage = SpikingRecurrent(1, delays=2, normalization=None, neuron=SpikingLIF(beta=0.5, threshold=1.0))
    network = keras.Sequential([keras.Input((3, 2, 4)), stage])
    kernel, bias, feedback = stage.get_weights()
    kernel = np.ones(kernel.shape)
    kernel[1, :3] = 0  # of the present element
    stage.set_weights([kernel, np.ones(bias.shape), np.zeros(feedback.shape)])
    report = neurobench(network, np.ones((1, 3, 2, 4), "float32"))
    assert report.activation_sparsity == 0
    assert report.connection_sparsity == (3 + 1) / (2 * 4 + 1)
    assert report.dense == 2 * (3 * 8 + 2)
    assert report.effective_acs == 2 * (3 * 1 + 2 * 4)
    assert report.membrane_updates == 1  # reset to zero by each spike


def test_operations_are_those_of_energy_without_weights_of_zero():
    network = pairs.conv_pair().encoder
    x = np.random.default_rng(0).random((2, *network.input_shape[1:]), "float32")
    audited, report = energy(network, x), neurobench(network, x)
    counted = [layer for layer in audited.layers if layer.synapses]
    assert report.dense == pytest.approx(sum(layer.synapses * layer.steps for layer in counted))
    operations = report.effective_macs + report.effective_acs
    assert operations == pytest.approx(sum(layer.macs + layer.synaptic_operations for layer in counted))
    assert report.activation_sparsity == pytest.approx(1 - audited.total.firing_rate)


def test_bytes_are_those_of_the_dtype():
    dense, neuron = keras.layers.Dense(2, dtype="bfloat16"), SpikingLIF(dtype="bfloat16")
    network = keras.Sequential([keras.Input((5, 3)), SpikingStage(dense, neuron, dtype="bfloat16")])
    assert neurobench(network, np.ones((1, 5, 3))).footprint == 2 * (8 + 2)


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_quantised_layers_are_counted():
    model = keras_bsd.applications.SpikingMLP((12,), 3, units=(8,))
    x = np.random.default_rng(0).random((6, 12), "float32")
    dense = next(layer for layer in model.encoder_stages[0].synapse.layers if hasattr(layer, "kernel"))
    dense.kernel.assign(np.where(np.arange(12)[:, None] < 9, 1.0, 1e-4) * np.ones((12, 8)))
    before = neurobench(model, x)
    model.quantize("int8")
    after = neurobench(model, x)
    assert after.dense == before.dense
    assert after.connection_sparsity >= 3 * 8 / (12 * 8 + 8 * 3)  # small weights are rounded to zero
    assert before.footprint - after.footprint == 3 * (12 * 8 + 8 * 3) - 4 * (8 + 3)  # without the scales


def test_carried_states_are_those_of_one_sample():
    neurons = SpikingLIF(stateful=True)
    network = keras.Sequential(
        [keras.Input(batch_shape=(4, 5, 3)), SpikingStage(keras.layers.Dense(2), neurons)]
    )
    report = neurobench(network, np.ones((4, 5, 3)))
    assert (report.parameter_count, report.footprint) == (8, 4 * (8 + 2))


def test_printed_and_as_json():
    network = two_layers()
    report = neurobench(network, np.full((2, 4, 2), 0.5))
    record = json.loads(json.dumps(report.to_dict()))
    assert record["SynapticOperations"]["Effective_MACs"] == report.effective_macs
    assert set(record) == {
        *("Footprint", "ParameterCount", "ConnectionSparsity"),
        *("ActivationSparsity", "SynapticOperations", "MembraneUpdates"),
    }
    assert f"ParameterCount {report.parameter_count}" in " ".join(str(report).split())
    assert not any("call" in stage.neuron.cell.__dict__ for stage in network.layers)


def test_unknown_layers_are_named():
    class Own(keras.layers.Dense):
        pass

    network = keras.Sequential([keras.Input((4, 3)), SpikingStage(Own(5), name="one")])
    report = neurobench(network, np.ones((2, 4, 3)))
    assert "Not counted: 'one/own" in str(report)
    assert report.dense == 0


def test_bad_input():
    model = pairs.dense_pair()
    x, _ = pairs.samples(model)
    with pytest.raises(ValueError, match="must have a spiking stage"):
        neurobench(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]), x)
    with pytest.raises(ValueError, match=r"at least one stimulus. Received: shape=\(0, 4\)"):
        neurobench(model, x[:0])
    with pytest.raises(ValueError, match=r"`batch_size` must be an integer of at least 1"):
        neurobench(model, x, batch_size=0)


def test_agrees_with_neurobench():
    pytest.importorskip("neurobench")
    from benchmarks import measure_neurobench as measure

    for name, network, x in measure.cases(seed=1, samples=3, timesteps=4):
        theirs = measure.flatten(measure.reference(network, x))
        ours = measure.flatten(neurobench(network, x).to_dict())
        assert ours == pytest.approx(theirs, abs=5e-5), name
        assert theirs["Effective_MACs"] + theirs["Effective_ACs"] > 0
