"""Time the exported network in ONNX Runtime, `predict` in Keras, and snnTorch and SpikingJelly.

    .venv/bin/python -m benchmarks.benchmark_onnxruntime --networks=dense --batch_sizes=1,256
    taskset -c 0,1 .venv/bin/python -m benchmarks.benchmark_onnxruntime --rounds=5 --output=runs/export.md

All contenders run the same network on the CPU, each case in a process of its own. The cases take turns, so
that other load on the machine affects all of them. Prints a table of medians; `--output` writes it as a page,
and all measurements to a .json file beside it.
"""

import importlib.util
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
ROOT = pathlib.Path(__file__).parents[1]
CONTENDERS = ("onnxruntime", "predict", "snntorch", "spikingjelly")
SHAPES = {"dense": (28, 28, 1), "conv": (32, 32, 3)}
HEADER = ["network", "batch", "contender", "ms", "quartiles", "of predict"]
flags.DEFINE_list("networks", list(SHAPES), "dense (784-5x512-10), conv (five stages on 32x32x3).")
flags.DEFINE_list("batch_sizes", ["1", "256"], "Samples per batch.")
flags.DEFINE_list("contenders", list(CONTENDERS), f"Some of {', '.join(CONTENDERS)}.")
flags.DEFINE_integer("timesteps", 4, "Timesteps.", lower_bound=1)
flags.DEFINE_integer("rounds", 3, "Runs of each case.", lower_bound=1)
flags.DEFINE_float("seconds", 2, "Minimum seconds that a run measures; at least 3 batches.", lower_bound=0)
flags.DEFINE_integer("threads", len(os.sched_getaffinity(0)), "Threads of each contender.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page; all measurements go to a .json file beside it.")
flags.DEFINE_string("case", None, "Measure this case, an object in JSON, in this process (internal).")
for names, known in (("networks", SHAPES), ("contenders", CONTENDERS)):
    flags.register_validator(names, set(known).issuperset, f"must be some of {', '.join(known)}")


def build(case):
    """Return the Keras network with its initial weights: times do not depend on them."""
    from keras_bsd.applications import SpikingConvNet, SpikingMLP

    builder = {"dense": SpikingMLP, "conv": SpikingConvNet}[case["network"]]
    return builder(SHAPES[case["network"]], classes=10, timesteps=case["timesteps"]).encoder


def make_runner(case, x):
    """Return a function that runs the case's network on one batch."""
    if case["contender"] in ("snntorch", "spikingjelly"):
        return make_torch_runner(case, x)
    if case["contender"] == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case["threads"]
        session = onnxruntime.InferenceSession(case["file"], options, providers=["CPUExecutionProvider"])
        return lambda: session.run(["scores"], {"stimulus": x})
    from applications import _run  # noqa: F401  # isort: skip, imports Keras without TensorFlow's messages

    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(case["threads"])
    network = build(case)
    return lambda: network.predict(x, batch_size=len(x), verbose=0)


def make_torch_runner(case, x):
    import torch

    from benchmarks import torch_contenders

    torch.set_num_threads(case["threads"])
    network = torch_contenders.NETWORKS[case["contender"]](case["network"], case["timesteps"]).eval()
    batch = torch_contenders.as_batch(x)

    def run():
        with torch.no_grad():
            network(batch).softmax(1).numpy()
            network.reset_state()

    return run


def measure(case):
    """Return the seconds of each batch after two batches of warm-up."""
    x = np.random.default_rng(0).random((case["batch_size"], *SHAPES[case["network"]]), dtype="float32")
    run, seconds = make_runner(case, x), []
    run(), run()
    while len(seconds) < 3 or sum(seconds) < case["seconds"]:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def measure_all(folder):
    """Return the seconds of all rounds by network, batch size and contender."""
    from keras_bsd.export import export_onnx

    files = {}
    for network in FLAGS.networks:
        files[network] = str(folder / f"{network}.onnx")
        export_onnx(build({"network": network, "timesteps": FLAGS.timesteps}), files[network])
    contenders = installed_contenders()
    seconds = {}
    cases = list(itertools.product(FLAGS.networks, map(int, FLAGS.batch_sizes), contenders))
    for _, (network, batch_size, contender) in itertools.product(range(FLAGS.rounds), cases):
        case = {"network": network, "batch_size": batch_size, "contender": contender, "file": files[network]}
        case |= {name: getattr(FLAGS, name) for name in ("timesteps", "threads", "seconds")}
        command = [sys.executable, "-m", "benchmarks.benchmark_onnxruntime", f"--case={json.dumps(case)}"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        measured = json.loads(done.stdout.splitlines()[-1])
        seconds.setdefault((network, batch_size, contender), []).extend(measured)
    return seconds


def installed_contenders():
    """Return the contenders of the flag that are installed; name the others on stderr."""
    others = [name for name in FLAGS.contenders if name in ("snntorch", "spikingjelly")]
    missing = [name for name in others if not importlib.util.find_spec(name)]
    for name in missing:
        print(f"{name} is not measured: pip install 'keras_bsd[benchmark]'", file=sys.stderr)
    return [name for name in FLAGS.contenders if name not in missing]


def medians(seconds):
    """Return the table's rows: median and quartiles in ms, and the median as a fraction of `predict`'s."""
    rows = []
    for (network, batch_size, contender), measured in seconds.items():
        low, median, high = np.percentile(measured, [25, 50, 75]) * 1e3
        predict = seconds.get((network, batch_size, "predict"))
        ratio = f"{median / (1e3 * np.median(predict)):.3f}" if predict else "-"
        rows.append([network, batch_size, contender, f"{median:.2f}", f"{low:.2f}-{high:.2f}", ratio])
    return rows


def main(_):
    if FLAGS.case:
        print(json.dumps(measure(json.loads(FLAGS.case))))
        return
    from benchmarks import _results

    with tempfile.TemporaryDirectory() as folder:
        seconds = measure_all(pathlib.Path(folder))
    table = _results.table(HEADER, medians(seconds))
    print(table)
    if FLAGS.output:
        packages = ["onnxruntime", "tf2onnx", "torch", "snntorch", "spikingjelly"]
        measurements = [{"case": case, "seconds": measured} for case, measured in seconds.items()]
        _results.write_page(FLAGS.output, "Time of inference", table, packages=packages)
        record = pathlib.Path(FLAGS.output).with_suffix(".json")
        _results.write_record(record, {"measurements": measurements}, packages)


if __name__ == "__main__":
    app.run(main)
