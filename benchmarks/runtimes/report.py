"""The page of runtimes, from the record."""

import re

from benchmarks import _results
from benchmarks.runtimes import worker, workers
from benchmarks.runtimes.files import PRECISIONS

INTRODUCTION = f"""Files of `keras_bsd.export.export_onnx` and `compress_onnx`; LiteRT runs files that
TensorFlow's converter makes of the same networks, with its own float16 and int8. Each runtime has
{worker.THREADS} thread. Samples are those of the test set, one by one."""
SETTINGS = """| runtime | what must be set for the results below |
| --- | --- |
| onnxruntime | nothing |
| openvino | `INFERENCE_PRECISION_HINT` to `"f32"`: by default CPUs with bfloat16 compute in it. \
`model.reshape(x.shape)` before compilation, for speed. `save_model(..., compress_to_fp16=False)`: by default \
weights are saved as float16 |
| litert | nothing |
| opencv | nothing |
| reference | nothing; ONNX's own evaluator in Python, for tests |
| mnn | `precision` to `"high"`. Its convolutions round otherwise, which changes single spikes |
| iree | the file's `opset` at least 16 |
| onnxruntime-node | nothing |
| onnxruntime-web | nothing; here its WebAssembly with one thread, in Node.js |"""
LEGEND = """`counts` is the number of spike counts of single neurons that differ from those of Keras, with
their fraction; `decisions` the number of argmax decisions, and for networks without classes `output` the
largest difference of outputs; `time` the latency of a batch of one, as a ratio to ONNX Runtime's for the same
file in the same rounds (its own in ms). `(n=...)` samples fitted into the time limit where not all did. Keras
computes in float32: what differs in float16 and int8 for all runtimes alike is due to the precision."""
FACTS = """Programs that rewrite files: onnxsim and onnxslim fold the conversion of float16 weights back to
float32, which doubles the file again."""


def shorten(error):
    """Return the telling line of a runtime's error, without paths."""
    operation = re.search(r'failed to legalize.*?onnx\.(\w+)|fused\["(\w+):"', error)
    if operation:
        return f"cannot compile {operation[1] or operation[2]}"
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    line = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "an error")
    return re.sub(r"(?:/[\w.+-]+){2,}/", "", line).replace("|", "/")[:160]


def body(content):
    """Return the paragraphs and tables of a page."""
    versions = [[name, content["runtimes"].get(name) or "not installed"] for name in workers.NAMES]
    parts = [INTRODUCTION, _results.table(["runtime", "version"], versions), SETTINGS, LEGEND]
    for preset, entry in content["presets"].items():
        which = "the whole test set" if entry["whole_set"] else "the first of the test set"
        files = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in entry["files"].items())
        parts += [f"## {preset}", f"{entry['samples']:,} samples, {which}. Files: {files}."]
        parts.append(table(entry))
    notes = refusals(content["presets"])
    return [*parts, "## Refusals", *([notes] if notes else ["None."]), batches(content["presets"]), FACTS]


def table(entry):
    """Return the table of a preset: a row for each runtime."""
    precisions = [precision for precision in PRECISIONS if precision in entry]
    cells = [cell for p in precisions for cell in entry[p].values()]
    classes = any("decisions" in cell.get("agreement", {}) for cell in cells)
    second = "decisions" if classes else "output"
    header = ["runtime", *(f"{p}: {what}" for p in precisions for what in ("counts", second, "time"))]
    names = [name for name in workers.NAMES if any(name in entry[p] for p in precisions)]
    rows = [
        [name, *(text for p in precisions for text in row(entry[p].get(name, {}), name, entry))]
        for name in names
    ]
    return _results.table(header, rows)


def row(cell, name, entry):
    """Return the texts of a runtime and precision: counts, decisions or output, and time."""
    agreement, latency = cell.get("agreement", {}), cell.get("latency")
    time = ""
    if latency:
        time = f"{latency['milliseconds']:.2f} ms" if name == "onnxruntime" else f"{latency['ratio']:.2f}"
    if "error" in agreement:
        return "refused", "", time
    if not agreement:
        return "", "", time
    some = "" if agreement["samples"] == entry["samples"] else f" (n={agreement['samples']:,})"
    counts = f"{differing(agreement['differing_counts'], agreement['spike_counts'])}{some}"
    if "decisions" in agreement:
        return counts, differing(agreement["differing_decisions"], agreement["decisions"]), time
    return counts, f"{agreement['largest_difference']:.1g}", time


def differing(count, total):
    """Return a number, with its fraction where it is not zero."""
    return f"{count:,} ({count / total:.2g})" if count else "0"


def refusals(presets):
    """Return a list item for each error, with the files for which it is raised."""
    found = {}
    for preset, entry in presets.items():
        for precision in PRECISIONS:
            for name, cell in entry.get(precision, {}).items():
                error = cell.get("agreement", {}).get("error")
                if error:
                    found.setdefault((name, error), []).append(f"{preset} {precision}")
    return "\n".join(f"- {name}: {error} ({', '.join(where)})" for (name, error), where in found.items())


def batches(presets):
    """Return which runtimes take batches of several samples from the files."""
    taken = {}
    for entry in presets.values():
        for precision in PRECISIONS:
            for name, cell in entry.get(precision, {}).items():
                if "takes_batches" in cell.get("agreement", {}):
                    taken.setdefault(name, []).append(cell["agreement"]["takes_batches"])
    lines = [f"- {name}: {sum(values)} of {len(values)} files" for name, values in taken.items()]
    return "\n".join(["Files that took a batch of three after batches of one:\n", *lines])
