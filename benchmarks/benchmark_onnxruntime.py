"""Time the exported network in ONNX Runtime, `predict` in Keras, and snnTorch and SpikingJelly.

    python export/benchmark_onnxruntime.py --networks=dense --batch_sizes=1,256
    taskset -c 0,1 python export/benchmark_onnxruntime.py --rounds=5

All run the same network on the CPU, each in a process of its own, in turns, so that what else goes on
in the machine hits all alike. Prints a table of medians; `--output` takes all measurements.
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
from tabulate import tabulate

FLAGS = flags.FLAGS
CONTENDERS = ("onnxruntime", "predict", "snntorch", "spikingjelly")
SHAPES = {"dense": (28, 28, 1), "conv": (32, 32, 3)}
flags.DEFINE_list("networks", list(SHAPES), "dense (784-5x512-10), conv (five stages on 32x32x3).")
flags.DEFINE_list("batch_sizes", ["1", "256"], "Samples at a time.")
flags.DEFINE_list("contenders", list(CONTENDERS), "Who runs.")
flags.DEFINE_integer("timesteps", 4, "Time steps.", lower_bound=1)
flags.DEFINE_integer("rounds", 3, "Times that every process runs.", lower_bound=1)
flags.DEFINE_float("seconds", 2, "How long a round measures, at least three runs.", lower_bound=0)
flags.DEFINE_integer("threads", len(os.sched_getaffinity(0)), "Threads of each contender.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .json file for all measurements.")
flags.DEFINE_string("measure", None, "A case in JSON: what the processes are told.")
for names, known in (("networks", SHAPES), ("contenders", CONTENDERS)):
    flags.register_validator(names, set(known).issuperset, f"must be some of {', '.join(known)}")

TORCH_CONTENDERS = pathlib.Path(__file__).parents[1] / "tests" / "benchmarks"


def build(case):
    """The Keras network, with its first weights: times do not depend on them."""
    from keras_bsd import applications

    builder = {"dense": applications.SpikingMLP, "conv": applications.SpikingConvNet}[case["network"]]
    return builder(SHAPES[case["network"]], classes=10, timesteps=case["timesteps"]).encoder


def runner(case, x):
    """A function that runs one batch."""
    if case["contender"] in ("snntorch", "spikingjelly"):
        return torch_runner(case, x)
    if case["contender"] == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case["threads"]
        session = onnxruntime.InferenceSession(case["file"], options, providers=["CPUExecutionProvider"])
        return lambda: session.run(["scores"], {"stimulus": x})
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(case["threads"])
    network = build(case)
    return lambda: network.predict(x, batch_size=len(x), verbose=0)


def torch_runner(case, x):
    import torch

    sys.path.insert(0, str(TORCH_CONTENDERS))
    import torch_contenders

    torch.set_num_threads(case["threads"])
    network = torch_contenders.NETWORKS[case["contender"]](case["network"], case["timesteps"]).eval()
    batch = torch_contenders.as_batch(x)

    def run():
        with torch.no_grad():
            network(batch).softmax(1).numpy()
            network.forget()

    return run


def measure(case):
    """Seconds of each run, after two that do not count."""
    x = np.random.default_rng(0).random((case["batch_size"], *SHAPES[case["network"]]), dtype="float32")
    run, seconds = runner(case, x), []
    run(), run()
    while len(seconds) < 3 or sum(seconds) < case["seconds"]:
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def measure_all(folder):
    """Seconds of all rounds by network, batch size and contender."""
    from keras_bsd.export import export_onnx

    files = {}
    for network in FLAGS.networks:
        files[network] = str(folder / f"{network}.onnx")
        export_onnx(build({"network": network, "timesteps": FLAGS.timesteps}), files[network])
    found = {}
    cases = list(itertools.product(FLAGS.networks, map(int, FLAGS.batch_sizes), FLAGS.contenders))
    for _, (network, batch_size, contender) in itertools.product(range(FLAGS.rounds), cases):
        if contender in ("snntorch", "spikingjelly") and not importlib.util.find_spec(contender):
            print(f"{contender} is left out: pip install 'keras_bsd[benchmark]'", file=sys.stderr)
            continue
        case = {"network": network, "batch_size": batch_size, "contender": contender, "file": files[network]}
        case |= {name: getattr(FLAGS, name) for name in ("timesteps", "threads", "seconds")}
        command = [sys.executable, __file__, f"--measure={json.dumps(case)}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.setdefault((network, batch_size, contender), []).extend(json.loads(done.stdout.splitlines()[-1]))
    return found


def table(found):
    """Median and interquartile range in milliseconds, and the median against `predict`'s."""
    rows = []
    for (network, batch_size, contender), seconds in found.items():
        low, median, high = np.percentile(seconds, [25, 50, 75]) * 1e3
        predict = found.get((network, batch_size, "predict"))
        part = f"{median / (1e3 * np.median(predict)):.3f}" if predict else "-"
        rows.append([network, batch_size, contender, f"{median:.2f}", f"{low:.2f}-{high:.2f}", part])
    return tabulate(rows, ["network", "batch", "by", "ms", "quartiles", "of predict"], "pipe")


def main(_):
    if FLAGS.measure:
        print(json.dumps(measure(json.loads(FLAGS.measure))))
        return
    import keras_bsd
    from keras_bsd._files import write_json

    with tempfile.TemporaryDirectory() as folder:
        found = measure_all(pathlib.Path(folder))
    print(table(found))
    if FLAGS.output:
        seconds = [{"case": case, "seconds": kept} for case, kept in found.items()]
        packages = ["onnxruntime", "tf2onnx", "torch", "snntorch", "spikingjelly"]
        write_json(FLAGS.output, {"measurements": seconds, **keras_bsd.environment(packages)})


if __name__ == "__main__":
    app.run(main)
