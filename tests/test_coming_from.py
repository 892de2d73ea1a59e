"""The statements of docs/coming-from.md about snnTorch and SpikingJelly, against both."""

import importlib

import numpy as np
import pytest
from keras import ops

from keras_bsd import surrogates
from keras_bsd.layers import SpikingLIF

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the other packages


def _here(currents, **arguments):
    return ops.convert_to_numpy(SpikingLIF(**arguments)(currents))


def _snntorch(currents, **arguments):
    neuron = pytest.importorskip("snntorch").Leaky(**arguments)
    membrane, spikes = neuron.reset_mem(), []
    for t in range(currents.shape[1]):
        fired, membrane = neuron(torch.from_numpy(currents[:, t]), membrane)
        spikes.append(fired.detach().numpy())
    return np.stack(spikes, axis=1)


def _spikingjelly(currents, **arguments):
    jelly = pytest.importorskip("spikingjelly.activation_based.neuron")
    neuron = jelly.LIFNode(decay_input=False, step_mode="m", **arguments)
    return neuron(torch.from_numpy(np.moveaxis(currents, 1, 0))).detach().numpy().swapaxes(0, 1)


def _currents(high, shape=(20, 16, 5)):
    return np.random.default_rng(0).uniform(0, high, shape).astype("float32")


@pytest.mark.parametrize(
    ("reset", "arguments"),
    [
        ("hard", {"reset_mechanism": "zero"}),
        ("soft", {"reset_mechanism": "subtract", "reset_delay": False}),
        ("none", {"reset_mechanism": "none"}),
    ],
)
def test_spikes_equal_those_of_snntorch(reset, arguments):
    currents = _currents(1.4)  # membranes stay below twice the threshold
    spikes = _here(currents, beta=0.5, threshold=1.0, reset=reset)
    assert 0.1 < spikes.mean() < 0.9
    np.testing.assert_array_equal(spikes, _snntorch(currents, beta=0.5, threshold=1.0, **arguments))


@pytest.mark.parametrize(("reset", "v_reset"), [("hard", 0.0), ("soft", None)])
@pytest.mark.parametrize("tau", [2.0, 4.0])
def test_spikes_equal_those_of_spikingjelly(reset, v_reset, tau):
    currents = _currents(3.0)
    spikes = _here(currents, beta=1 - 1 / tau, threshold=1.0, reset=reset)
    np.testing.assert_array_equal(spikes, _spikingjelly(currents, tau=tau, v_threshold=1.0, v_reset=v_reset))


def test_soft_resets_of_snntorch_come_a_step_later():
    currents = np.full((1, 6, 1), 1.2, "float32")
    assert _here(currents, beta=0.5, threshold=1.0, reset="soft").ravel().tolist() == [1] * 6
    assert _snntorch(currents, beta=0.5, threshold=1.0).ravel().tolist() == [1, 0, 1, 0, 1, 1]
    assert _snntorch(currents, beta=0.5, threshold=1.0, reset_delay=False).ravel().tolist() == [1] * 6


def test_soft_resets_differ_where_a_membrane_stays_above_the_threshold():
    """A current of 2.6 leaves 1.6 after the reset; snnTorch then subtracts once more before the next spike."""
    currents = np.array([2.6, 0.4, 0, 0], "float32").reshape(1, 4, 1)
    assert _here(currents, beta=0.5, threshold=1.0, reset="soft").ravel().tolist() == [1, 1, 0, 0]
    assert _snntorch(currents, beta=0.5, threshold=1.0, reset_delay=False).ravel().tolist() == [1, 0, 0, 0]


def test_a_membrane_at_the_threshold():
    currents = np.ones((1, 1, 1), "float32")
    assert _here(currents, threshold=1.0).item() == 1
    assert _spikingjelly(currents, tau=2.0, v_threshold=1.0).item() == 1
    assert _snntorch(currents, beta=0.5, threshold=1.0).item() == 0


def test_derivatives_of_the_surrogate():
    x = np.linspace(-2, 2, 9, dtype="float32")
    expected = ops.convert_to_numpy(surrogates.get("atan").derivative(ops.convert_to_tensor(x)))
    for make in (
        lambda: pytest.importorskip("snntorch.surrogate").atan(),
        lambda: pytest.importorskip("spikingjelly.activation_based.surrogate").ATan(),
    ):
        inputs = torch.tensor(x, requires_grad=True)
        make()(inputs).sum().backward()
        np.testing.assert_allclose(inputs.grad.numpy(), expected, rtol=1e-5)


def test_the_rate_loss_of_snntorch_averages_the_losses_of_steps():
    functional = pytest.importorskip("snntorch.functional")
    spikes = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 0.0]]])  # (time, batch, classes)
    target = torch.tensor([0])
    entropy = torch.nn.functional.cross_entropy
    by_step = np.mean([entropy(step, target).item() for step in spikes])
    assert functional.ce_rate_loss()(spikes, target).item() == pytest.approx(by_step)
    assert entropy(spikes.mean(0), target).item() < by_step - 0.01


def test_what_is_learned():
    jelly = pytest.importorskip("spikingjelly.activation_based.neuron")
    assert [name for name, _ in jelly.ParametricLIFNode().named_parameters()] == ["w"]
    leaky = pytest.importorskip("snntorch").Leaky(beta=0.5, learn_beta=True, learn_threshold=True)
    assert {name for name, _ in leaky.named_parameters()} == {"beta", "threshold"}
    layer = SpikingLIF(trainable_leak=True, trainable_threshold=True)
    layer.build((None, 2, 3))
    assert len(layer.trainable_weights) == 2


def test_state_from_call_to_call():
    """A current of 0.7 reaches a threshold of 1 in the second step alone."""
    current = np.full((1, 1, 1), 0.7, "float32")
    neuron = pytest.importorskip("spikingjelly.activation_based.neuron").LIFNode(tau=2.0, decay_input=False)
    functional = pytest.importorskip("spikingjelly.activation_based.functional")
    kept = pytest.importorskip("snntorch").Leaky(beta=0.5, init_hidden=True)
    for module, reset in ((neuron, lambda: functional.reset_net(neuron)), (kept, kept.reset_mem)):
        fired = [module(torch.from_numpy(current[0])).item() for _ in range(2)]
        reset()
        assert [*fired, module(torch.from_numpy(current[0])).item()] == [0, 1, 0]
    layer = SpikingLIF(beta=0.5, threshold=1.0, stateful=True)
    fired = [ops.convert_to_numpy(layer(current)).item() for _ in range(2)]
    layer.reset_state()
    assert [*fired, ops.convert_to_numpy(layer(current)).item()] == [0, 1, 0]


@pytest.mark.parametrize(
    "path",
    [
        "snntorch.surrogate.custom_surrogate",
        "snntorch.spikegen.rate",
        "snntorch.spikegen.latency",
        "snntorch.spikegen.delta",
        "snntorch.spikeplot.raster",
        "snntorch.export_nir.export_to_nir",
        "spikingjelly.activation_based.surrogate.SurrogateFunctionBase",
        "spikingjelly.activation_based.encoding.PoissonEncoder",
        "spikingjelly.activation_based.encoding.LatencyEncoder",
        "spikingjelly.activation_based.monitor.OutputMonitor",
        "spikingjelly.activation_based.nir_exchange.export_to_nir",
        "spikingjelly.visualizing.plot_1d_spikes",
    ],
)
def test_names_of_the_table_exist(path):
    module, name = path.rsplit(".", 1)
    pytest.importorskip(path.split(".", maxsplit=1)[0])
    if "nir" in name:
        pytest.importorskip("nirtorch")
    assert hasattr(importlib.import_module(module), name)
