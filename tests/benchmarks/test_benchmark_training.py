import importlib.util
import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bsd

CONTENDERS = ["bsd_rate", "bsd_surrogate", "backprop"]
OTHERS = [name for name in ("snntorch", "spikingjelly") if importlib.util.find_spec(name)]


@pytest.mark.slow
def test_writes_figures_and_tables(pytestconfig, tmp_path):
    flags = ["--networks=dense", "--timesteps=2", "--batch_sizes=4", "--jit_compile=false", "--rounds=1"]
    flags += ["--idle_threads=sleep", "--warmup=1", "--repeats=3", f"--output_dir={tmp_path}"]
    command = [sys.executable, "tests/benchmarks/benchmark_training.py", *flags]
    done = subprocess.run(command, cwd=pytestconfig.rootpath, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "benchmark.json").read_text())
    assert [row["contender"] for row in report["summary"]] == CONTENDERS + OTHERS
    for measurement in report["measurements"]:
        assert len(measurement["step_seconds"]) == len(measurement["forward_seconds"]) == 3
        assert measurement["rss_peak"] > measurement["rss_before"] > 0
    weights = {row["contender"]: row["trainable_weights"] for row in report["summary"]}
    assert all(weights[name] == weights["backprop"] < weights["bsd_rate"] for name in OTHERS)
    assert report["versions"]["keras_bsd"] == keras_bsd.__version__
    page = (tmp_path / "benchmark.md").read_text()
    for name in [*CONTENDERS, *OTHERS, "dense, batch of 4, T = 2"]:
        assert re.search(rf"\n\| {name} +\| ", page)
    for name in {"snntorch", "spikingjelly"} - set(OTHERS):
        assert f"{name} is left out: pip install 'keras_bsd[benchmark]'" in done.stderr


def test_unknown_contender(pytestconfig, tmp_path):
    command = [sys.executable, "tests/benchmarks/benchmark_training.py", "--contenders=bsd,backprop"]
    done = subprocess.run(
        [*command, f"--output_dir={tmp_path}"], cwd=pytestconfig.rootpath, capture_output=True, text=True
    )
    assert done.returncode
    assert (
        "must be some of bsd_rate, bsd_surrogate, backprop, snntorch, spikingjelly" in done.stdout + done.stderr
    )


@pytest.fixture
def double_precision():
    """In which no spike hangs on the order of a sum."""
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize("contender", OTHERS)
def test_others_are_the_same_network(contender, network, double_precision):
    """Given the encoder's weights, they give its scores: its readout's scale becomes a part of them."""
    from benchmarks import keras_contenders, torch_contenders

    encoder = keras_contenders.build({"contender": "backprop", "network": network, "timesteps": 3})
    x = np.random.default_rng(0).random((4, *encoder.input_shape[1:]))
    for weight in encoder.trainable_weights:  # so that none can take another's place
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.01))
    for _ in range(20):
        encoder(x, training=True)  # moves the batch statistics
    expected = keras.ops.convert_to_numpy(encoder(x))
    assert np.ptp(expected, axis=0).min() > 1e-3  # the samples differ

    other = torch_contenders.NETWORKS[contender](network, timesteps=3).double().eval()
    weights = [keras.ops.convert_to_numpy(weight) for weight in encoder.weights]
    for layer in encoder.layers[-1].synapse.layers:
        if isinstance(layer, keras.layers.Rescaling):
            weights[-2] = weights[-2] * layer.scale
    fill(other, weights)
    for synapse in [module for module in other.modules() if hasattr(module, "weight")]:
        synapse.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))  # snnTorch's are single
    scores = other(torch_contenders.as_batch(x)).softmax(1).detach().numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def fill(network, weights):
    """Put Keras weights into a PyTorch network of the same layers in the same order."""
    import torch

    remaining = iter(weights)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eps = 1e-3  # Keras's
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                values.data.copy_(torch.from_numpy(next(remaining)))
        elif isinstance(module, torch.nn.Conv2d):
            module.weight.data.copy_(torch.from_numpy(next(remaining).transpose(3, 2, 0, 1)))
        elif isinstance(module, torch.nn.Linear):
            kernel = next(remaining)
            if module is network.readout and len(kernel) != 512:  # PyTorch flattens channels first
                kernel = kernel.reshape(4, 4, 128, 10).transpose(2, 0, 1, 3).reshape(-1, 10)
            module.weight.data.copy_(torch.from_numpy(kernel.T))
            if module.bias is not None:
                module.bias.data.copy_(torch.from_numpy(next(remaining)))
    assert next(remaining, None) is None
