"""Time and memory of training: keras_bsd's rules, backpropagation through time, and other libraries.

    .venv/bin/python -m benchmarks.benchmark_training --output_dir=runs/benchmark
    .venv/bin/python -m benchmarks.benchmark_training --networks=dense --timesteps=4 --batch_sizes=32 --rounds=1
    KERAS_BACKEND=jax python -m benchmarks.benchmark_training --device=gpu --networks=dense,conv,layer \
        --timesteps=4,16,64 --batch_sizes=128 --dtype=mixed_bfloat16 --jit_compile=true --max_minutes=7

Writes measurements.jsonl (a line for each measurement, as soon as it is made), and at the end benchmark.json
(all measurements) and benchmark.md (tables, each contender in its fastest setting). The same command goes on
where it was cut off. snnTorch and SpikingJelly need `pip install 'keras_bsd[benchmark]'`.

Every case is a process of its own. All cases take turns, in each of `--rounds` rounds, so that other load on
the machine affects all of them. PyTorch's idle threads spin by default, which is fast on an idle machine and
very slow on a busy one: its contenders are measured with and without, on a CPU.

On a GPU the batch lies on the device, and the memory is that of the device. The network `layer` is the one by
which Open Neuromorphic compares libraries: a linear layer of LIF neurons, 500 time steps, a batch of 16.
"""

import importlib.util
import itertools
import json
import os
import pathlib
import subprocess
import sys
import time

import psutil
from absl import app, flags
from tqdm import tqdm

# Keras is not imported in this process until all cases are measured: a child's peak memory would include it.

ROOT = pathlib.Path(__file__).parents[1]
NETWORKS = ["dense", "conv", "layer"]
LAYER = {"batch_size": 16, "timesteps": 500}  # of the network `layer`
ON_KERAS = ["bsd_rate", "bsd_surrogate", "backprop"]
ON_TORCH = ["snntorch", "spikingjelly"]
# settings of all cases
SHARED = ["device", "dtype", "neurons", "optimizer", "steps_per_execution", "warmup", "repeats", "max_seconds"]
BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "networks", NETWORKS[:2], "dense (784-5x512-10), conv (five stages on 32x32x3), layer (see above)."
)
flags.DEFINE_list("timesteps", ["4", "8", "16"], "Timesteps.")
flags.DEFINE_list("batch_sizes", ["32", "128"], "Samples per step.")
flags.DEFINE_list("contenders", ON_KERAS + ON_TORCH, f"Some of {', '.join(ON_KERAS + ON_TORCH)}.")
flags.DEFINE_enum("jit_compile", "both", ["auto", "true", "false", "both"], "Argument of Keras's `compile`.")
flags.DEFINE_enum("idle_threads", "both", ["spin", "sleep", "both"], "Behaviour of PyTorch's idle threads.")
flags.DEFINE_enum("device", "cpu", ["cpu", "gpu"], "Where to compute.")
flags.DEFINE_enum(
    "dtype", "float32", ["float32", "mixed_bfloat16"], "Keras's dtype policy; autocast of PyTorch."
)
flags.DEFINE_integer("neurons", 16384, "Neurons of the network `layer`.", lower_bound=1)
flags.DEFINE_enum("optimizer", "adamw", ["adamw", "sgd"], "Optimizer of all contenders.")
flags.DEFINE_integer("steps_per_execution", 1, "Argument of Keras's `compile`.", lower_bound=1)
flags.DEFINE_integer("warmup", 3, "Steps before the first measured one.", lower_bound=1)
flags.DEFINE_integer("repeats", 20, "Measured steps of each round.", lower_bound=3)
flags.DEFINE_float("max_seconds", 10, "Time after which a case has no further steps.", lower_bound=0)
flags.DEFINE_integer("rounds", 3, "Runs of each case.", lower_bound=1)
flags.DEFINE_float("max_minutes", None, "Time after which no further case is measured.", lower_bound=0)
flags.DEFINE_integer("cores", None, "Processor cores to run on (default: all).", lower_bound=1)
flags.DEFINE_string("output_dir", "runs/benchmark", "Folder of the results.")
flags.DEFINE_string("output", None, "Path of the .md page (default: benchmark.md in --output_dir).")
for names, known in (("networks", NETWORKS), ("contenders", ON_KERAS + ON_TORCH)):
    flags.register_validator(names, set(known).issuperset, f"must be some of {', '.join(known)}")
for numbers in ("timesteps", "batch_sizes"):
    flags.register_validator(
        numbers, lambda values: all(value.isdigit() and int(value) for value in values), "must be positive"
    )


def installed_contenders():
    """Return the contenders of the flag that are installed; name the others on stderr."""
    missing = [name for name in ON_TORCH if not all(map(importlib.util.find_spec, (name, "torch")))]
    for name in FLAGS.contenders:
        if name in missing:
            print(f"{name} is not measured: pip install 'keras_bsd[benchmark]'", file=sys.stderr)
    return [name for name in FLAGS.contenders if name not in missing]


def settings(contender):
    """Return the settings in which a contender is measured; tables report the fastest."""
    jit_compile = idle_threads = [None]
    if contender in ON_KERAS:
        jit_compile = ["true", "false"] if FLAGS.jit_compile == "both" else [FLAGS.jit_compile]
    if FLAGS.device == "cpu" and (contender in ON_TORCH or BACKEND == "torch"):
        idle_threads = ["spin", "sleep"] if FLAGS.idle_threads == "both" else [FLAGS.idle_threads]
    return [
        {"jit_compile": compiled, "idle_threads": idle}
        for compiled, idle in itertools.product(jit_compile, idle_threads)
    ]


def cases():
    """Return all cases of one round."""
    sizes = [
        {"batch_size": int(batch_size), "timesteps": int(timesteps)}
        for batch_size, timesteps in itertools.product(FLAGS.batch_sizes, FLAGS.timesteps)
    ]
    return [
        {"network": network, **size, "contender": contender, **setting}
        for network in FLAGS.networks
        for size in ([LAYER] if network == "layer" else sizes)
        for contender in installed_contenders()
        for setting in settings(contender)
    ]


def measure(case):
    """Return one case with its measurements from a fresh process, or with the error that ended it."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_BACKEND": BACKEND}
    if FLAGS.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # whatever is allocated is then needed
    if case["idle_threads"] == "sleep":
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.measure_case", json.dumps(case)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=environment,
    )
    if done.returncode:
        tqdm.write(f"{case} failed with status {done.returncode}:\n{done.stderr[-2000:]}", file=sys.stderr)
        return {**case, "error": done.stderr[-2000:], "status": done.returncode}
    return {**case, **json.loads(done.stdout.splitlines()[-1])}


def measure_all(path):
    """Return the report: measurements of all rounds, those that `path` holds among them."""
    report = {"load_average": psutil.getloadavg()[0]}
    if report["load_average"] > 0.5:
        print(f"The machine is busy: load average {report['load_average']:.1f}", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    earlier = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    shared = {"backend": BACKEND, **{name: FLAGS[name].value for name in SHARED}}
    measurements, start = [], time.monotonic()
    for turn, case in tqdm([*itertools.product(range(FLAGS.rounds), cases())], unit="case"):
        case = {"round": turn, **case, **shared}
        measurement = next((known for known in earlier if case.items() <= known.items()), None)
        if measurement is None:
            if FLAGS.max_minutes is not None and time.monotonic() - start > 60 * FLAGS.max_minutes:
                continue
            measurement = {"load_average": psutil.getloadavg()[0], **measure(case)}
            with open(path, "a") as file:
                file.write(json.dumps(measurement) + "\n")
        measurements.append(measurement)
    return {**report, "measurements": measurements}


def main(_):
    if FLAGS.cores:
        process = psutil.Process()
        process.cpu_affinity(process.cpu_affinity()[-FLAGS.cores :])
    folder, packages = pathlib.Path(FLAGS.output_dir), ["torch", *ON_TORCH]
    report = measure_all(folder / "measurements.jsonl")
    from benchmarks import _results, benchmark_tables

    report["summary"] = benchmark_tables.summarize(report["measurements"])
    record, page = folder / "benchmark.json", FLAGS.output or folder / "benchmark.md"
    _results.write_record(record, report, packages)
    facts = {
        "load average before": f"{report['load_average']:.1f}",
        "measured steps": f"{FLAGS.repeats} per round",
        "rounds": FLAGS.rounds,
    }
    body = benchmark_tables.sections(report)
    _results.write_page(page, "Training benchmark", *body, packages=packages, facts=facts.items())
    print(f"Tables: {page}")
    print(f"Measurements: {record}")
    return int(any("error" in measurement for measurement in report["measurements"]))


if __name__ == "__main__":
    app.run(main)
