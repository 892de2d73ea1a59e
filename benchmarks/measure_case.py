"""Measure one case of the training benchmark in a process of its own.

    .venv/bin/python -m benchmarks.measure_case '{"contender": "bsd_rate", "network": "dense", "timesteps": 4,
        "batch_size": 32, "jit_compile": "true", "device": "cpu", "dtype": "float32", "optimizer": "adamw",
        "steps_per_execution": 1, "warmup": 3, "repeats": 20, "max_seconds": 20}'

Prints one line of JSON.
"""

import importlib
import json
import resource
import sys
import time

import numpy as np
import psutil

SHAPES = {"dense": (28, 28, 1), "conv": (32, 32, 3)}
MIN_REPEATS = 3
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Stopwatch:
    """Seconds between ticks after the warm-up, until enough are measured or time is up."""

    def __init__(self, warmup, repeats, max_seconds):
        self.warmup, self.max_ticks, self.max_seconds = warmup, warmup + repeats, max_seconds
        self.ticks = []

    def tick(self):
        """Mark the end of a step, or of an execution of several steps."""
        self.ticks.append(time.perf_counter())

    @property
    def seconds(self):
        return np.diff(self.ticks[self.warmup - 1 :]).tolist()

    @property
    def done(self):
        if len(self.ticks) < self.warmup + MIN_REPEATS:
            return len(self.ticks) == self.max_ticks
        return len(self.ticks) == self.max_ticks or sum(self.seconds) > self.max_seconds


def data(case, classes):
    """Return stimuli and targets: images and classes, or for a lone layer spikes and rates of zero."""
    random, size = np.random.default_rng(0), case["batch_size"]
    if case["network"] == "layer":
        shape = (size, case["timesteps"], case["neurons"])
        spikes = random.integers(0, 2, shape, dtype="uint8").astype("float32")
        return spikes, np.zeros((size, case["neurons"]), "float32")
    x = random.random((size, *SHAPES[case["network"]]), dtype="float32")
    return x, random.integers(0, classes, size)


def measure(case):
    """Return times of training steps and forward passes, and memory.

    The memory is the process's resident memory before the network is built and at its peak, and the peak of
    what is allocated on a GPU, or None.
    """
    library = "torch" if case["contender"] in ("snntorch", "spikingjelly") else "keras"
    contenders = importlib.import_module(f"benchmarks.{library}_contenders")
    contenders.warm_up(case)
    limits = [case[limit] for limit in ("warmup", "repeats", "max_seconds")]
    training, forward = Stopwatch(*limits), Stopwatch(*limits)
    x, y = data(case, contenders.CLASSES)

    rss_before = psutil.Process().memory_info().rss
    contender = contenders.Contender(case, x, y)
    contender.train(training)
    rss_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
    device_peak = contenders.device_peak() if case["device"] == "gpu" else None
    contender.predict(forward)
    return {
        "step_seconds": [seconds / contender.steps_per_tick for seconds in training.seconds],
        "forward_seconds": [seconds / contender.steps_per_tick for seconds in forward.seconds],
        "rss_before": rss_before,
        "rss_peak": rss_peak,
        "device_peak": device_peak,
        "trainable_weights": contender.trainable_weights,
    }


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
