"""Measure how training scales: one quantity of a dense network is varied at a time.

    KERAS_BACKEND=jax .venv/bin/python -m benchmarks.measure_scaling --output_dir=runs/scaling

The base has three stages of 512 neurons, stimuli of 28x28x1, 8 timesteps and batches of 128. Prints a Markdown
table and writes it as scaling.md, with a plot of each quantity in scaling.svg. "Of linear" is the throughput of
products beside that of the quantity's first row: 1 where time grows as the work does. `devices` splits the
processor into JAX's host devices, over which Keras's `DataParallel` shards the batch; `processes` shards it
over as many processes, which exchange gradients by gloo. Each case has processes of its own.
"""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

from absl import app, flags

ROOT = pathlib.Path(__file__).parents[1]
BASE = {"batch_size": 128, "units": 512, "stages": 3, "timesteps": 8, "devices": 1, "processes": 1}
VALUES = {
    "batch_size": [16, 32, 64, 128, 256, 512],
    "units": [128, 256, 512, 1024],
    "stages": [1, 2, 4, 8],
    "timesteps": [2, 4, 8, 16, 32, 64, 128],
    "devices": [1, 2, 4],
    "processes": [1, 2],
}
HEADER = ["varied", "value", "ms a step", "samples/s", "of linear"]

FLAGS = flags.FLAGS
flags.DEFINE_list("quantities", list(VALUES), f"Some of {', '.join(VALUES)}.")
flags.DEFINE_integer("repeats", 10, "Timed steps.", lower_bound=1)
flags.DEFINE_integer("longest", None, "The most values of each quantity (default: all).", lower_bound=1)
flags.DEFINE_string("output_dir", "runs/scaling", "Folder of the results.")
flags.DEFINE_string("case", None, "JSON of a case to measure in this process, for the script's own use.")
flags.register_validator("quantities", set(VALUES).issuperset, f"must be some of {', '.join(VALUES)}")


def products(case):
    """Return the products of weights of one sample's forward pass, in which the stimulus is held."""
    later = (case["stages"] - 1) * case["units"] ** 2
    return 784 * case["units"] + case["timesteps"] * later + 10 * case["units"]


def measure(case):
    """Return the median seconds of a training step, in each of the processes of a case."""
    import jax
    import keras
    import numpy as np

    import keras_bsd

    if case["processes"] > 1:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
        jax.distributed.initialize(case["coordinator"], case["processes"], case["process_id"])
    keras.utils.set_random_seed(0)  # the weights of all processes are the same
    if case["devices"] * case["processes"] > 1:
        keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    sizes = {"units": (case["units"],) * case["stages"], "timesteps": case["timesteps"]}
    pair = keras_bsd.applications.SpikingMLP((28, 28, 1), 10, **sizes)
    pair.compile(keras.optimizers.AdamW(6e-3))
    generator, size = np.random.default_rng(0), case["batch_size"] // case["processes"]
    batch = generator.random((size, 28, 28, 1), "float32"), generator.integers(0, 10, size)
    seconds = []
    for _ in range(FLAGS.repeats + 2):
        start = time.perf_counter()
        pair.train_on_batch(*batch)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[2:]))


def measure_apart(case):
    """Return the seconds of a step, measured in processes of its own."""
    devices = f"--xla_force_host_platform_device_count={case['devices']}"
    command = [sys.executable, "-m", "benchmarks.measure_scaling", f"--repeats={FLAGS.repeats}"]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    environment = {**os.environ, "XLA_FLAGS": devices, "JAX_COORDINATOR_BIND_ADDRESS": address}
    with contextlib.ExitStack() as stack:
        running = []
        for i in range(case["processes"]):
            own = {**case, "process_id": i, "coordinator": address}
            started = subprocess.Popen(
                [*command, f"--case={json.dumps(own)}"],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.append(started)
            stack.callback(started.kill)
        outputs = [process.communicate() for process in running]
    for process, (_, errors) in zip(running, outputs, strict=True):
        if process.returncode:
            raise app.Error(f"{case} failed with status {process.returncode}:\n{errors[-2000:]}")
    return json.loads(outputs[0][0].splitlines()[-1])


def measure_all():
    """Yield the table's rows as dicts: every value of every quantity."""
    for quantity in FLAGS.quantities:
        first = None
        for value in VALUES[quantity][: FLAGS.longest]:
            case = {**BASE, quantity: value}
            step = measure_apart(case)
            rate = case["batch_size"] / step
            first = first or rate * products(case)
            yield {
                "quantity": quantity,
                "value": value,
                "step": step,
                "rate": rate,
                "linear": rate * products(case) / first,
            }


def cells(row):
    return [
        row["quantity"],
        row["value"],
        f"{1e3 * row['step']:.1f}",
        f"{row['rate']:.0f}",
        f"{row['linear']:.2f}",
    ]


def plot(rows):
    """Return a figure of the samples a second against each quantity, and of a linear time through the first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(FLAGS.quantities), 3), layout="constrained")
    for axis, quantity in zip(
        figure.subplots(1, len(FLAGS.quantities), squeeze=False)[0], FLAGS.quantities, strict=True
    ):
        chosen = [row for row in rows if row["quantity"] == quantity]
        values = [row["value"] for row in chosen]
        axis.loglog(values, [row["rate"] for row in chosen], "o-", label="measured")
        axis.loglog(values, [row["rate"] / row["linear"] for row in chosen], "--", label="linear")
        axis.set_xticks(values, [str(value) for value in values])
        axis.minorticks_off()
        axis.set_xlabel(quantity)
    figure.axes[0].set_ylabel("samples/s")
    figure.axes[0].legend()
    return figure


def main(_):
    if os.environ.get("KERAS_BACKEND") != "jax":
        raise app.UsageError("Devices of a processor come through JAX: set KERAS_BACKEND=jax.")
    if FLAGS.case:
        print(json.dumps(measure(json.loads(FLAGS.case))))
        return
    from applications import _run
    from benchmarks import _results

    rows = []

    def measured():
        for row in measure_all():
            rows.append(row)
            yield cells(row)

    table = _results.print_rows(HEADER, measured())
    folder = pathlib.Path(FLAGS.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with _run.atomic_write(folder / "scaling.svg") as written:
        plot(rows).savefig(written, format="svg")
    _results.write_page(folder / "scaling.md", "How training scales", table, packages=["jaxlib"])
    print(f"Table and plot: {folder}")


if __name__ == "__main__":
    app.run(main)
