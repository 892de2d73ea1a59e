"""Run the exported files of all presets in other runtimes: what agrees with Keras, and how long it takes.

    make runtimes
    .venv/bin/python -m benchmarks.runtimes --data_dir=DIR --series_dir=DIR
    .venv/bin/python -m benchmarks.runtimes --data_dir=DIR --series_dir=DIR --measure=latency

Runtimes that are not installed are named as such. Files, and what Keras computes, are kept in `--work_dir`:
after a change of the library, remove it. A measured agreement is kept in the record beside the page, too, and
the same command resumes an interrupted run; with `--again` it is measured anew. Latencies are measured at
every run, for which the machine should be quiet.
"""

from benchmarks import _results  # isort: skip, before Keras

import json
import pathlib
import statistics

from absl import app, flags

from applications import _run
from benchmarks.runtimes import files, report, workers
from keras_bsd.applications._presets import names

FLAGS = flags.FLAGS
flags.DEFINE_list("presets", names(), "Presets.")
flags.DEFINE_list("precisions", list(files.PRECISIONS), "Some of float32, float16, int8.")
flags.DEFINE_list("runtimes", list(workers.NAMES), f"Some of {', '.join(workers.NAMES)}.")
flags.DEFINE_list("measure", ["agreement", "latency"], "One or both of agreement and latency.")
flags.DEFINE_bool("again", False, "Measure agreement that the record has already.")
flags.DEFINE_float("seconds", 20, "Seconds of samples for the agreement of one file in one runtime.")
flags.DEFINE_integer("rounds", 7, "Rounds of latency, in which the runtimes take turns.", lower_bound=1)
flags.DEFINE_float("round_seconds", 0.1, "Seconds of a runtime's turn.", lower_bound=0)
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_string("series_dir", None, "Folder of the published series.")
flags.DEFINE_string("work_dir", "runs/runtimes", "Folder of files.")
flags.DEFINE_string("output", "runs/runtimes/runtimes.md", "Path of the page; beside it the record, in JSON.")
SLOW = 0.5  # seconds of a call, from which on one round has to do
KNOWN = {
    "presets": names(),
    "precisions": files.PRECISIONS,
    "runtimes": workers.NAMES,
    "measure": ("agreement", "latency"),
}
for flag, values in KNOWN.items():
    flags.register_validator(flag, set(values).issuperset, f"must be some of {', '.join(values)}")


def measure_agreement(runtime, stem, reference):
    """Return what a runtime's outputs for test samples have alike with Keras's, or its error."""
    try:
        runtime.open(stem.with_name(f"{stem.name}.counts"), reference.outputs)
        served = runtime.run(reference.x, FLAGS.seconds)
        result = {"samples": len(served[0]), "spike_counts": 0, "differing_counts": 0}
        for (name, expected), outputs in zip(reference.outputs.items(), served, strict=True):
            expected = expected[: len(outputs)]
            outputs = outputs.reshape(expected.shape)
            if name == "scores":
                result["largest_difference"] = float(abs(outputs - expected).max())
                if reference.has_classes:
                    decisions = outputs.argmax(-1) != expected.argmax(-1)
                    result |= {"decisions": decisions.size, "differing_decisions": int(decisions.sum())}
            else:
                result["spike_counts"] += expected.size
                result["differing_counts"] += int((outputs != expected).sum())
    except workers.Refused as error:
        return {"error": report.shorten(str(error))}
    return result | {"takes_batches": takes_batches(runtime, reference.x)}


def takes_batches(runtime, x):
    """Return whether the open file takes a batch of several samples."""
    try:
        runtime.ask("batch", x=runtime.array(x[:3]))
    except workers.Refused:
        return False
    return True


def measure_latency(runtimes, stem, x):
    """Return by runtime the ratio of its latency to ONNX Runtime's, and its median in milliseconds."""
    able, measured = [], {}
    for runtime in runtimes:
        try:
            runtime.open(stem, ["scores"])
            given = runtime.array(x[:1])
            runtime.ask("time", x=given, seconds=0)
            able.append((runtime, given, runtime.ask("time", x=given, seconds=0)["median"]))
        except workers.Refused:
            continue
    for _ in range(FLAGS.rounds):
        for runtime, given, first in able:
            if first > SLOW:
                measured.setdefault(runtime.name, []).append(first)
            else:
                median = runtime.ask("time", x=given, seconds=FLAGS.round_seconds)["median"]
                measured.setdefault(runtime.name, []).append(median)
    base = measured["onnxruntime"]
    return {
        name: {
            "milliseconds": 1e3 * statistics.median(values),
            "ratio": statistics.median(a / b for a, b in zip(values, base, strict=True)),
        }
        for name, values in measured.items()
    }


def measure(runtimes, record, save):
    """Measure all files, and save the record after each."""
    for preset in FLAGS.presets:
        folder = pathlib.Path(FLAGS.work_dir, preset)
        reference = files.prepare(preset, folder, FLAGS.data_dir, FLAGS.series_dir)
        entry = record.setdefault(preset, {})
        entry |= {"samples": len(reference.x), "whole_set": reference.is_whole, "files": sizes(folder)}
        for precision in FLAGS.precisions:
            stem, cells = folder / precision, entry.setdefault(precision, {})
            for runtime in runtimes if "agreement" in FLAGS.measure else []:
                cell = cells.setdefault(runtime.name, {})
                if FLAGS.again or "agreement" not in cell:
                    cell["agreement"] = measure_agreement(runtime, stem, reference)
                    print(preset, precision, runtime.name, cell["agreement"], flush=True)
                    save()
            if "latency" in FLAGS.measure:
                able = [r for r in runtimes if "error" not in cells.get(r.name, {}).get("agreement", {})]
                latencies = measure_latency(able, stem, reference.x)
                for name, latency in latencies.items():
                    cells.setdefault(name, {})["latency"] = latency
                ratios = {name: round(latency["ratio"], 2) for name, latency in latencies.items()}
                print(preset, precision, ratios, flush=True)
                save()


def sizes(folder):
    """Return by name the sizes of the files that are served."""
    served = [path for path in sorted(folder.iterdir()) if path.suffix in (".onnx", ".tflite")]
    return {path.name: path.stat().st_size for path in served if ".counts" not in path.name}


def main(_):
    output = pathlib.Path(FLAGS.output)
    path = output.with_suffix(".json")
    content = json.loads(path.read_text()) if path.exists() else {"presets": {}, "runtimes": {}}
    runtimes = [workers.Runtime(name) for name in workers.NAMES if name in FLAGS.runtimes]
    content["runtimes"] |= {runtime.name: runtime.version for runtime in runtimes}
    for runtime in runtimes:
        if runtime.version is None:
            print(f"{runtime.name} is not installed: make runtimes")
    installed = [runtime for runtime in runtimes if runtime.version]
    if "latency" in FLAGS.measure and not any(runtime.name == "onnxruntime" for runtime in installed):
        raise app.UsageError("Latencies are ratios to that of onnxruntime, which must be among the --runtimes.")

    def save():
        _run.write_json(path, {**content, "flags": _results.own_flags(), **_run.environment()})

    try:
        measure(installed, content["presets"], save)
    finally:
        for runtime in runtimes:
            runtime.close()
    body = report.body(content)
    print("\n\n".join(body))
    _results.write_page(output, "Exported files in other runtimes", *body, packages=["onnx", "tf2onnx"])


if __name__ == "__main__":
    app.run(main)
