"""Trainings in processes of their own, each result in a file, so that an interrupted table goes on.

Keras is not imported here: a child's peak memory would include it.
"""

import json
import math
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]
BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")


def in_own_process(action, argument):
    """Return what `measure.py` prints for an action, or raise a RuntimeError with the end of its errors."""
    command = [sys.executable, "-m", "benchmarks.local_learning.measure", action, json.dumps(argument)]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "KERAS_BACKEND": BACKEND}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:] or f"The process ended with status {done.returncode}.")
    return json.loads(done.stdout.splitlines()[-1])


class Trainings:
    """Results of trainings, each of which is a JSON file once it has ended.

    Args:
        folder: folder of the results.
        settings: dict, what all trainings share; a result with other settings does not count.
        max_minutes: time after which no further training is started, or None.

    Attributes:
        failures: dict from a method to the last line of the error that ended its training.
    """

    def __init__(self, folder, settings, max_minutes=None):
        self.folder, self.settings, self.max_minutes = folder, settings, max_minutes
        self.start, self.failures = time.monotonic(), {}

    def results(self, method, cases):
        """Return the results of cases that have one, in order, after training the others in one process.

        Args:
            method: name of the method.
            cases: list of dicts, what is not shared: seed, learning rate, epochs, samples, `held_out`.
        """
        cases = [{**self.settings, "method": method, **case} for case in cases]
        missing = [case for case in cases if self._known(case) is None]
        if missing and method not in self.failures and self._has_time():
            self._train(method, missing)
        return [known for known in map(self._known, cases) if known is not None]

    def _has_time(self):
        return self.max_minutes is None or time.monotonic() - self.start < 60 * self.max_minutes

    def _train(self, method, cases):
        load = os.getloadavg()[0]
        data = os.path.abspath(self.folder / "data.npz")
        try:
            measured = in_own_process("train", [{**case, "data": data} for case in cases])
        except RuntimeError as error:
            self.failures[method] = str(error).strip().splitlines()[-1]
            print(f"{method} failed:\n{error}", file=sys.stderr)
            return
        for case, result in zip(cases, measured, strict=True):
            self._write(self._path(case), {"case": case, **result, "load_average": load})
            print(f"{self._path(case).stem}: {result['score']}", flush=True)

    def _write(self, path, result):
        """Write a result, whole or not at all."""
        path.with_suffix(".part").write_text(json.dumps(result, indent=1) + "\n")
        os.replace(path.with_suffix(".part"), path)

    def _path(self, case):
        kind = "held_out" if case["held_out"] else "test"
        return self.folder / f"{case['method']}-{kind}-rate{case['learning_rate']}-seed{case['seed']}.json"

    def _known(self, case):
        path = self._path(case)
        known = json.loads(path.read_text()) if path.exists() else None
        return known if known and known["case"] == case else None


def measure(method, trainings, rates, selection, test, seeds, lower_is_better):
    """Return the rates with their scores on held-out samples, and the tests at the best of them.

    Args:
        method: name of the method.
        trainings: `Trainings`.
        rates: list of floats, the grid.
        selection, test: dicts with the epochs and samples of a training, to choose a rate and to test.
        seeds: positive int, the number of tests.
        lower_is_better: whether the score is an error.
    """
    tried = trainings.results(
        method, [{"seed": 0, "held_out": True, "learning_rate": rate, **selection} for rate in rates]
    )
    validation = {result["case"]["learning_rate"]: result["score"] for result in tried}
    if len(validation) < len(rates):
        return {"validation": validation, "tests": []}
    best = best_rate(validation, lower_is_better)
    cases = [{"seed": seed, "held_out": False, "learning_rate": best, **test} for seed in range(seeds)]
    return {"validation": validation, "learning_rate": best, "tests": trainings.results(method, cases)}


def best_rate(validation, lower_is_better):
    """Return the rate of the best score; a score of None, of a training that diverged, is the worst."""
    sign = -1 if lower_is_better else 1
    return max(validation, key=lambda rate: -math.inf if validation[rate] is None else sign * validation[rate])
