"""Time and memory of training: keras_bsd's rules, backpropagation through time, and other libraries.

    python tests/benchmarks/benchmark_training.py --output_dir=runs/benchmark
    python tests/benchmarks/benchmark_training.py --networks=dense --timesteps=4 --batch_sizes=32 --rounds=1
    KERAS_BACKEND=jax python tests/benchmarks/benchmark_training.py --contenders=bsd_rate,backprop

Runs on the CPU. Writes benchmark.json (all measurements) and benchmark.md (tables, each contender in
its own faster setting). snnTorch and SpikingJelly need `pip install 'keras_bsd[benchmark]'`.

Every case is a process of its own, and all cases take turns, `--rounds` times, so that what else
goes on in the machine hits all alike. Idle threads of PyTorch spin by default, which is fast on an
idle machine and very slow on a busy one: its contenders are measured with and without.
"""

import importlib.util
import itertools
import json
import os
import pathlib
import subprocess
import sys

import benchmark_tables
import psutil
from absl import app, flags, logging
from tqdm import tqdm

NETWORKS = ["dense", "conv"]
ON_KERAS = ["bsd_rate", "bsd_surrogate", "backprop"]
ON_TORCH = ["snntorch", "spikingjelly"]
SHARED = ["optimizer", "steps_per_execution", "warmup", "repeats", "max_seconds"]  # by all cases
BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")

FLAGS = flags.FLAGS
flags.DEFINE_list("networks", NETWORKS, "dense (784-5x512-10), conv (five stages on 32x32x3).")
flags.DEFINE_list("timesteps", ["4", "8", "16"], "Time steps.")
flags.DEFINE_list("batch_sizes", ["32", "128"], "Samples a step.")
flags.DEFINE_list("contenders", ON_KERAS + ON_TORCH, f"Of {', '.join(ON_KERAS + ON_TORCH)}.")
flags.DEFINE_enum("jit_compile", "both", ["auto", "true", "false", "both"], "Of Keras's `compile`.")
flags.DEFINE_enum("idle_threads", "both", ["spin", "sleep", "both"], "What PyTorch's idle threads do.")
flags.DEFINE_enum("optimizer", "adamw", ["adamw", "sgd"], "With which all contenders train.")
flags.DEFINE_integer("steps_per_execution", 1, "Of Keras's `compile`.", lower_bound=1)
flags.DEFINE_integer("warmup", 3, "Steps before the first that counts.", lower_bound=1)
flags.DEFINE_integer("repeats", 20, "Steps that count, in each round.", lower_bound=3)
flags.DEFINE_float("max_seconds", 10, "A case is cut short when its steps take longer.", lower_bound=0)
flags.DEFINE_integer("rounds", 3, "Times that every case is run.", lower_bound=1)
flags.DEFINE_integer("cores", None, "Processor cores to run on (default: all).", lower_bound=1)
flags.DEFINE_string("output_dir", "runs/benchmark", "Where results go.")
for names, known in (("networks", NETWORKS), ("contenders", ON_KERAS + ON_TORCH)):
    flags.register_validator(names, set(known).issuperset, f"must be some of {', '.join(known)}")
for numbers in ("timesteps", "batch_sizes"):
    flags.register_validator(
        numbers, lambda values: all(value.isdigit() and int(value) for value in values), "must be positive"
    )


def contenders():
    """Those asked for, as far as they are installed."""
    missing = [name for name in ON_TORCH if not all(map(importlib.util.find_spec, (name, "torch")))]
    for name in set(missing) & set(FLAGS.contenders):
        logging.warning("%s is left out: pip install 'keras_bsd[benchmark]'", name)
    return [name for name in FLAGS.contenders if name not in missing]


def settings(contender):
    """The ways in which a contender is run; tables report the fastest."""
    jit_compile = idle_threads = [None]
    if contender in ON_KERAS:
        jit_compile = ["true", "false"] if FLAGS.jit_compile == "both" else [FLAGS.jit_compile]
    if contender in ON_TORCH or BACKEND == "torch":
        idle_threads = ["spin", "sleep"] if FLAGS.idle_threads == "both" else [FLAGS.idle_threads]
    return [
        {"jit_compile": compiled, "idle_threads": idle}
        for compiled, idle in itertools.product(jit_compile, idle_threads)
    ]


def cases():
    """Everything that is measured once a round."""
    return [
        {
            "network": network,
            "batch_size": int(batch_size),
            "timesteps": int(timesteps),
            "contender": contender,
            **setting,
        }
        for network, batch_size, timesteps, contender in itertools.product(
            FLAGS.networks, FLAGS.batch_sizes, FLAGS.timesteps, contenders()
        )
        for setting in settings(contender)
    ]


def run(case):
    """Measure one case in a fresh process; a failure is logged and kept in place of the figures."""
    shared = {name: FLAGS[name].value for name in SHARED}
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    environment |= {"KERAS_BACKEND": BACKEND, "CUDA_VISIBLE_DEVICES": "-1"}
    if case["idle_threads"] == "sleep":
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    done = subprocess.run(
        [sys.executable, pathlib.Path(__file__).with_name("measure_case.py"), json.dumps(case | shared)],
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        logging.error("%s failed with status %d:\n%s", case, done.returncode, done.stderr[-2000:])
        return {**case, "error": done.stderr[-2000:], "status": done.returncode}
    return {**case, **json.loads(done.stdout.splitlines()[-1])}


def write(folder, report):
    # Not before: memory of a parent shows in what a child says of its own peak.
    import keras_bsd
    from keras_bsd._files import atomic_write, write_json

    report |= keras_bsd.environment(["torch", *ON_TORCH])
    write_json(folder / "benchmark.json", report)
    with atomic_write(folder / "benchmark.md") as written:
        written.write_text(benchmark_tables.page(report))


def main(_):
    if FLAGS.cores:
        process = psutil.Process()
        process.cpu_affinity(process.cpu_affinity()[-FLAGS.cores :])
    report = {
        "load_average": psutil.getloadavg()[0],
        "flags": {flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(sys.argv[0])},
    }
    if report["load_average"] > 0.5:
        logging.warning("The machine is busy: load average %.1f", report["load_average"])
    every_case = cases()
    report["measurements"] = [
        {"round": turn, "load_average": psutil.getloadavg()[0], **run(case)}
        for turn, case in tqdm([*itertools.product(range(FLAGS.rounds), every_case)], unit="case")
    ]
    report["summary"] = benchmark_tables.summary(report["measurements"])
    folder = pathlib.Path(FLAGS.output_dir)
    write(folder, report)
    print(f"Tables: {folder / 'benchmark.md'}")
    print(f"Measurements: {folder / 'benchmark.json'}")
    return int(any("error" in measurement for measurement in report["measurements"]))


if __name__ == "__main__":
    app.run(main)
