"""Measure the time of `import keras_bsd` beside that of `import keras`, each in a process of its own, by turns.

    .venv/bin/python -m benchmarks.measure_imports --backends=tensorflow,jax,torch --rounds=7

Prints a Markdown table; `--output` writes it as a page.
"""

import os
import subprocess
import sys

from benchmarks import _results  # isort: skip, before Keras

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
BACKENDS = ("tensorflow", "jax", "torch")
flags.DEFINE_list("backends", ["tensorflow"], f"Backends, some of {', '.join(BACKENDS)}.")
flags.DEFINE_integer("rounds", 7, "Processes of each import.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page for the table.")
flags.register_validator("backends", set(BACKENDS).issuperset, f"must be some of {', '.join(BACKENDS)}")

HEADER = ["backend", "import keras, s", "import keras_bsd, s", "ratio"]
PROGRAM = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"


def seconds(module, backend):
    """Return the seconds that the import takes in a new process."""
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def measure(backend):
    """Return a row of the table: medians, and the median ratio of imports that follow each other."""
    seconds("keras_bsd", backend)  # compiles what is not compiled yet
    rounds = [[seconds(module, backend) for module in ("keras", "keras_bsd")] for _ in range(FLAGS.rounds)]
    alone, ours = np.median(rounds, axis=0)
    ratio = np.median([second / first for first, second in rounds])
    return [backend, f"{alone:.2f}", f"{ours:.2f}", f"{ratio:.2f}"]


def main(_):
    table = _results.print_rows(HEADER, map(measure, FLAGS.backends))
    if FLAGS.output:
        _results.write_page(FLAGS.output, "Time of imports", table, packages=FLAGS.backends)


if __name__ == "__main__":
    app.run(main)
