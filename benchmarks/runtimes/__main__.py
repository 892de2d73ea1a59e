"""Run the exported files of all presets in other runtimes: what agrees with Keras, and how long it takes.

    make runtimes
    .venv/bin/python -m benchmarks.runtimes --data_dir=DIR --series_dir=DIR
    .venv/bin/python -m benchmarks.runtimes --data_dir=DIR --series_dir=DIR --measure=latency

The page has what this command measures, and nothing of earlier ones. Runtimes that are not installed are named
as such. Files, what Keras computes, and measured agreements are kept in `--work_dir`, where the same command
resumes after an interruption; what was measured with other versions, settings or files is measured anew. After
a change of the library's code within a version, remove the folder. Latencies are measured at every run, for
which the machine should be quiet.
"""

from benchmarks import _results  # isort: skip, before Keras

import pathlib

from absl import app, flags

from applications import _run
from benchmarks.runtimes import files, measuring, report, workers
from keras_bsd.applications._presets import names

FLAGS = flags.FLAGS
flags.DEFINE_list("presets", names(), "Presets.")
flags.DEFINE_list("precisions", list(files.PRECISIONS), "Some of float32, float16, int8.")
flags.DEFINE_list("runtimes", list(workers.NAMES), f"Some of {', '.join(workers.NAMES)}.")
flags.DEFINE_list("measure", ["agreement", "latency"], "One or both of agreement and latency.")
flags.DEFINE_float("seconds", 20, "Seconds of samples for the agreement of one file in one runtime.")
flags.DEFINE_integer("least_samples", 100, "Samples that are run, whatever their seconds.", lower_bound=1)
flags.DEFINE_integer("rounds", 7, "Rounds of latency, in which the runtimes take turns.", lower_bound=1)
flags.DEFINE_float("round_seconds", 0.1, "Seconds of a runtime's turn.", lower_bound=0)
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_string("series_dir", None, "Folder of the published series.")
flags.DEFINE_string("work_dir", "runs/runtimes", "Folder of files and measured agreements.")
flags.DEFINE_string("output", "runs/runtimes/runtimes.md", "Path of the page; beside it the record, in JSON.")
PACKAGES = ("onnx", "tf2onnx")  # that write the files
SETTINGS = ("seconds", "least_samples", "rounds", "round_seconds")
KNOWN = {
    "presets": names(),
    "precisions": files.PRECISIONS,
    "runtimes": workers.NAMES,
    "measure": ("agreement", "latency"),
}
for flag, values in KNOWN.items():
    flags.register_validator(flag, set(values).issuperset, f"must be some of {', '.join(values)}")


def measure(runtimes):
    """Return by preset what is measured of its files."""
    environment, presets = _run.environment(PACKAGES), {}
    for preset in FLAGS.presets:
        folder = pathlib.Path(FLAGS.work_dir, preset)
        reference = files.prepare(preset, folder, environment["versions"], FLAGS.data_dir, FLAGS.series_dir)
        entry = presets[preset] = {
            "samples": len(reference.x),
            "whole_set": reference.is_whole,
            "files": sizes(folder),
        }
        for precision in FLAGS.precisions:
            entry[precision] = measure_file(runtimes, folder / precision, reference, environment)
    return presets


def measure_file(runtimes, stem, reference, environment):
    """Return by runtime what is measured of a file."""
    cells, file = {runtime.name: {} for runtime in runtimes}, f"{stem.parent.name} {stem.name}"
    if "agreement" in FLAGS.measure:
        settings = (FLAGS.seconds, FLAGS.least_samples)
        for runtime in runtimes:
            agreement = measuring.kept_agreement(runtime, stem, reference, environment, *settings)
            print(file, runtime.name, {k: v for k, v in agreement.items() if k != "stamp"}, flush=True)
            cells[runtime.name]["agreement"] = agreement
    if "latency" in FLAGS.measure:
        able = [r for r in runtimes if "error" not in cells[r.name].get("agreement", {})]
        settings = (FLAGS.rounds, FLAGS.round_seconds)
        for name, latency in measuring.measure_latency(able, stem, reference.x, *settings).items():
            print(file, name, latency, flush=True)
            cells[name]["latency"] = latency
    return cells


def sizes(folder):
    """Return by name the sizes of the files that are served."""
    served = [path for path in sorted(folder.iterdir()) if path.suffix in (".onnx", ".tflite")]
    return {path.name: path.stat().st_size for path in served if ".counts" not in path.name}


def main(_):
    runtimes = [workers.Runtime(name) for name in workers.NAMES if name in FLAGS.runtimes]
    content = {
        "settings": {name: FLAGS[name].value for name in SETTINGS},
        "runtimes": {runtime.name: runtime.version for runtime in runtimes},
    }
    try:
        content["presets"] = measure([runtime for runtime in runtimes if runtime.version])
    finally:
        for runtime in runtimes:
            runtime.close()
    output = pathlib.Path(FLAGS.output)
    _results.write_record(output.with_suffix(".json"), content, PACKAGES)
    body = report.body(content)
    print("\n\n".join(body))
    _results.write_page(output, "Exported files in other runtimes", *body, packages=PACKAGES)


if __name__ == "__main__":
    app.run(main)
