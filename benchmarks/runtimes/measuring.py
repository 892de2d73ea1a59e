"""What a runtime's outputs have alike with Keras's, and how long they take."""

import hashlib
import json
import statistics

from applications import _run
from benchmarks.runtimes import report, workers

SLOW = 0.5  # seconds of a call, from which on one round has to do


def kept_agreement(runtime, stem, reference, environment, seconds, least):
    """Return `measure_agreement`, or the same measurement of an earlier run from its file beside `stem`.

    Its stamp is what it depends on: with another one it is measured anew.

    Args:
        runtime, stem, reference, seconds, least: see `measure_agreement`.
        environment: dict with the machine and the versions of packages.
    """
    path = stem.with_name(f"{stem.name}.{runtime.name}.json")
    stamp = {
        "runtime": runtime.version,
        "seconds": seconds,
        "least_samples": least,
        "machine": environment["machine"],
        "versions": environment["versions"],
        "file": _digest(runtime.file(stem.with_name(f"{stem.name}.counts"))),
        "program": _digest(runtime.script()),
    }
    if path.exists():
        earlier = json.loads(path.read_text())
        if earlier["stamp"] == stamp:
            return earlier
    agreement = measure_agreement(runtime, stem, reference, seconds, least) | {"stamp": stamp}
    _run.write_json(path, agreement)
    return agreement


def _digest(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def measure_agreement(runtime, stem, reference, seconds, least):
    """Return what a runtime's outputs for test samples have alike with Keras's, or its error.

    Args:
        runtime: a `workers.Runtime`.
        stem: path of the file without the runtime's suffix.
        reference: `files.Reference`.
        seconds: time for the samples.
        least: number of samples that are run, whatever their time.
    """
    try:
        runtime.open(stem.with_name(f"{stem.name}.counts"), reference.outputs)
        served = runtime.run(reference.x, seconds, least)
        samples = len(served[0]) if served else 0
        _check_shapes([y.shape for y in served], reference.outputs, samples, 1)
    except workers.Refused as error:
        return {"error": report.shorten(str(error))}
    result = {"samples": samples, "spike_counts": 0, "differing_counts": 0}
    for (name, expected), outputs in zip(reference.outputs.items(), served, strict=True):
        expected, outputs = expected[:samples], outputs[:, 0]
        if name == "scores":
            result["largest_difference"] = float(abs(outputs - expected).max())
            if reference.has_classes:
                decisions = outputs.argmax(-1) != expected.argmax(-1)
                result |= {"decisions": decisions.size, "differing_decisions": int(decisions.sum())}
        else:
            result["spike_counts"] += expected.size
            result["differing_counts"] += int((outputs != expected).sum())
    return result | {"takes_batches": _takes_batches(runtime, reference)}


def _check_shapes(shapes, outputs, *batch):
    """Raise `Refused` unless shapes are those of expected outputs, with the axes `batch` before a sample's."""
    shapes = [[*shape] for shape in shapes]
    expected = [[*batch, *values.shape[1:]] for values in outputs.values()]
    if len(shapes) != len(expected):
        raise workers.Refused(f"{len(shapes)} outputs in place of {len(expected)}")
    for name, shape, right in zip(outputs, shapes, expected, strict=True):
        if shape != right:
            raise workers.Refused(f"output {name} has the shape {shape} in place of {right}")


def _takes_batches(runtime, reference):
    """Return whether the open file takes a batch of several samples."""
    x = reference.x[:3]
    try:
        _check_shapes(runtime.ask("batch", x=runtime.array(x))["shapes"], reference.outputs, len(x))
    except workers.Refused:
        return False
    return True


def measure_latency(runtimes, stem, x, rounds, round_seconds):
    """Return by runtime the latency of a sample, in milliseconds and as a ratio to ONNX Runtime's, or an error.

    The runtimes take turns. One that fails in a round takes no part in the rounds after it. Without ONNX
    Runtime there are no ratios, and the result has errors alone.

    Args:
        runtimes: list of `workers.Runtime`.
        stem: path of the file without the runtimes' suffix.
        x: stimuli, of which the first is run.
        rounds: int.
        round_seconds: seconds of a runtime's turn.
    """
    by_name = {runtime.name: runtime for runtime in runtimes}
    medians, errors = {name: [] for name in by_name}, {}
    for number in range(-1, rounds):  # the one before the first prepares
        for name in [*medians]:
            runtime, values = by_name[name], medians[name]
            try:
                if number < 0:
                    runtime.open(stem, ["scores"])
                    _time(runtime, x, 0)
                slow = values and values[0] > SLOW
                values.append(values[0] if slow else _time(runtime, x, max(number, 0) and round_seconds))
            except workers.Refused as error:
                errors[name] = {"error": report.shorten(str(error))}
                del medians[name]
        if "onnxruntime" not in medians:
            return errors
    base = medians["onnxruntime"][1:]
    return errors | {
        name: {
            "milliseconds": 1e3 * statistics.median(values[1:]),
            "ratio": statistics.median(a / b for a, b in zip(values[1:], base, strict=True)),
        }
        for name, values in medians.items()
    }


def _time(runtime, x, seconds):
    return runtime.ask("time", x=runtime.array(x[:1]), seconds=seconds)["median"]
