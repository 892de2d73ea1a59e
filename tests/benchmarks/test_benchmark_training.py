import importlib.util
import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bsd
from benchmarks import benchmark_tables, keras_contenders, measure_case
from tests.recipes.running import ROOT, run

CONTENDERS = ["bsd_rate", "bsd_surrogate", "backprop"]
OTHERS = [name for name in ("snntorch", "spikingjelly") if importlib.util.find_spec(name)]


@pytest.mark.slow
def test_writes_measurements_and_tables(tmp_path):
    flags = ["--networks=dense", "--timesteps=2", "--batch_sizes=4", "--jit_compile=false", "--rounds=1"]
    flags += ["--idle_threads=sleep", "--warmup=1", "--repeats=3", f"--output_dir={tmp_path}"]
    command = [sys.executable, "-m", "benchmarks.benchmark_training", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
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
    assert "-m benchmarks.benchmark_training --networks=dense --timesteps=2" in page
    for name in [*CONTENDERS, *OTHERS, "dense, batch of 4, T = 2"]:
        assert re.search(rf"\n\| {name} +\| ", page)
    for name in {"snntorch", "spikingjelly"} - set(OTHERS):
        assert f"{name} is not measured: pip install 'keras_bsd[benchmark]'" in done.stderr


@pytest.mark.slow
def test_goes_on_where_it_was_cut_off(tmp_path):
    """Without time nothing is measured; what an earlier run measured counts."""
    flags = ["--networks=layer", "--neurons=3", "--rounds=1", "--warmup=1", "--repeats=3", "--max_seconds=0"]
    flags += ["--jit_compile=false", f"--output_dir={tmp_path}"]
    measurements = tmp_path / "measurements.jsonl"
    for contenders, limit in (("bsd_rate", []), ("bsd_rate,backprop", ["--max_minutes=0"])):
        done = run("benchmark_training", f"--contenders={contenders}", *flags, *limit)
        assert done.returncode == 0, done.stderr
        (measured,) = map(json.loads, measurements.read_text().splitlines())
        report = json.loads((tmp_path / "benchmark.json").read_text())
        assert report["measurements"] == [measured]
    assert measured["contender"] == "bsd_rate"
    assert (measured["timesteps"], measured["batch_size"], measured["trainable_weights"]) == (500, 16, 9)


@pytest.mark.parametrize("contender", CONTENDERS + OTHERS)
def test_lone_layer(contender):
    """Every contender learns to be silent."""
    case = {"network": "layer", "batch_size": 2, "timesteps": 5, "neurons": 4, "contender": contender}
    case |= {"optimizer": "adamw", "device": "cpu", "dtype": "float32", "jit_compile": "false"}
    case |= {"steps_per_execution": 1}
    name = "torch_contenders" if contender in OTHERS else "keras_contenders"
    contenders = importlib.import_module(f"benchmarks.{name}")
    x, y = measure_case.data(case, contenders.CLASSES)
    assert set(np.unique(x)) == {0, 1}
    contender = contenders.Contender(case, x, y)
    stopwatch = measure_case.Stopwatch(warmup=1, repeats=3, max_seconds=10)
    contender.train(stopwatch)
    contender.predict(measure_case.Stopwatch(warmup=1, repeats=3, max_seconds=10))
    assert len(stopwatch.seconds) == 3
    assert contender.trainable_weights == 16


def test_unknown_contender():
    done = run("benchmark_training", "--contenders=bsd,backprop")
    assert done.returncode
    expected = "must be some of bsd_rate, bsd_surrogate, backprop, snntorch, spikingjelly"
    assert expected in done.stdout + done.stderr


def test_stopwatch_measures_after_the_warm_up():
    stopwatch = measure_case.Stopwatch(warmup=2, repeats=4, max_seconds=10)
    while not stopwatch.done:
        stopwatch.tick()
    assert len(stopwatch.ticks) == 6
    assert len(stopwatch.seconds) == 4


def test_stopwatch_stops_when_time_is_up():
    stopwatch = measure_case.Stopwatch(warmup=1, repeats=20, max_seconds=0)
    while not stopwatch.done:
        stopwatch.tick()
    assert len(stopwatch.seconds) == measure_case.MIN_REPEATS


def _measurement(contender, step, jit_compile="true", round=0):
    return {
        **{"round": round, "network": "dense", "batch_size": 10, "timesteps": 4, "contender": contender},
        **{"jit_compile": jit_compile, "idle_threads": None, "trainable_weights": 7},
        **{"step_seconds": [step] * 3, "forward_seconds": [step / 2] * 3},
        **{"rss_before": 1_000_000, "rss_peak": int((1 + 1000 * step) * 1e6), "device_peak": None},
    }


def test_tables():
    """Medians over the rounds; of each contender's settings the fastest; ratios of these."""
    measurements = [
        _measurement("bsd_rate", 0.002),
        _measurement("bsd_rate", 0.004, round=1),
        _measurement("bsd_rate", 0.009, jit_compile="false"),
        _measurement("backprop", 0.006),
        {**_measurement("backprop", 0.001, jit_compile="false"), "error": "out of memory"},
    ]
    summary = benchmark_tables.summarize(measurements)
    assert [row["step_ms"] for row in summary] == pytest.approx([3, 9, 6])
    assert [row["samples_per_second"] for row in summary] == pytest.approx([10 / 3e-3, 10 / 9e-3, 10 / 6e-3])
    assert [row["peak_mb"] for row in summary] == pytest.approx([3, 9, 6])
    sections = benchmark_tables.sections({"measurements": measurements, "summary": summary})
    heading, table, _, ratios = sections
    assert heading == "## dense, batch of 10"
    assert "3.0 ± 1.0 ms, 3333/s, 1.5 ms, 3 MB, jit" in table
    assert re.search(r"\| dense, batch of 10, T = 4 \| 0\.50 +\| 0\.50 +\| - +\| - +\|", ratios)


@pytest.fixture
def double_precision():
    """Double precision, in which no spike depends on the order of a sum."""
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx("float32")


@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize("contender", OTHERS)
def test_others_are_the_same_network(contender, network, double_precision):
    """With the encoder's weights they compute its scores; the weights absorb its readout's scale."""
    from benchmarks import torch_contenders

    encoder = keras_contenders.build({"contender": "backprop", "network": network, "timesteps": 3})
    x = np.random.default_rng(0).random((4, *encoder.input_shape[1:]))
    for weight in encoder.trainable_weights:  # so that no two weights are equal
        weight.assign(weight + keras.random.normal(weight.shape, stddev=0.01))
    for _ in range(20):
        encoder(x, training=True)  # moves the batch statistics
    expected = keras.ops.convert_to_numpy(encoder(x))
    assert np.ptp(expected, axis=0).min() > 1e-4  # the samples differ

    other = torch_contenders.NETWORKS[contender](network, timesteps=3).double().eval()
    weights = [keras.ops.convert_to_numpy(weight) for weight in encoder.weights]
    for layer in encoder.layers[-1].synapse.layers:
        if isinstance(layer, keras.layers.Rescaling):
            weights[-2] = weights[-2] * layer.scale
    fill(other, weights)
    for synapse in [module for module in other.modules() if hasattr(module, "weight")]:
        synapse.register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))  # snnTorch's are float32
    scores = other(torch_contenders.as_batch(x)).softmax(1).detach().numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def fill(network, weights):
    """Assign Keras weights to a PyTorch network with the same layers in the same order."""
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
