"""The page of runtimes, from the record."""

import re

from benchmarks import _results
from benchmarks.runtimes import worker, workers
from benchmarks.runtimes.files import PRECISIONS

INTRODUCTION = f"""Files of `keras_bsd.export.export_onnx` and `compress_onnx`, for LiteRT of `export_litert`.
Each runtime has {worker.THREADS} thread. Samples are those of the test set, one by one."""
SETTINGS = {  # what worker.py and node.mjs set, besides threads
    "openvino": '`INFERENCE_PRECISION_HINT` to `"f32"`; the input\'s shape before compilation, for speed',
    "reference": "nothing; ONNX's own evaluator in Python, for tests",
    "mnn": '`precision` to `"high"`',
    "onnxruntime-web": "nothing; its WebAssembly, in Node.js",
}
LEGEND = """`counts` is the number of spike counts of single neurons that differ from those of Keras, with
their fraction; `decisions` the number of argmax decisions, and for networks without classes `output` the
largest difference of outputs. `n` samples were run: as many as fit into {seconds:g} s after a first call, and
{least_samples} at least, or the whole set. `time` is the latency of the first sample alone, the median of
{rounds} rounds of {round_seconds:g} s in which the runtimes take turns, as a ratio to ONNX Runtime's for the
same file (its own in ms). Keras computes in float32: differences of float16 and int8 are also those of the
precision."""


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
    presets = content["presets"]
    versions = [
        [name, version or "not installed", SETTINGS.get(name, "nothing") if version else ""]
        for name, version in content["runtimes"].items()
    ]
    parts = [INTRODUCTION, _results.table(["runtime", "version", "what is set"], versions)]
    parts.append(LEGEND.format(**content["settings"]))
    for preset, entry in presets.items():
        which = "the whole test set" if entry["whole_set"] else "the first of the test set"
        files = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in entry["files"].items())
        parts += [f"## {preset}", f"{entry['samples']:,} samples, {which}. Files: {files}."]
        parts.append(table(entry))
    for title, lines in (
        ("Spike counts in float32", exactness(presets)),
        ("Refusals", refusals(presets)),
        ("Batches of three after batches of one", batches(presets)),
    ):
        parts += [f"## {title}", "\n".join(f"- {line}" for line in lines)] if lines else []
    return parts


def table(entry):
    """Return the table of a preset: a row for each runtime."""
    precisions = [precision for precision in PRECISIONS if precision in entry]
    cells = [cell for p in precisions for cell in entry[p].values()]
    classes = any("decisions" in cell.get("agreement", {}) for cell in cells)
    second = "decisions" if classes else "output"
    header = ["runtime", *(f"{p}: {what}" for p in precisions for what in ("counts", second, "time"))]
    names = [name for name in workers.NAMES if any(name in entry[p] for p in precisions)]
    rows = [[name, *(text for p in precisions for text in row(entry[p].get(name, {}), name))] for name in names]
    return _results.table(header, rows)


def row(cell, name):
    """Return the texts of a runtime and precision: counts, decisions or output, and time."""
    agreement, latency = cell.get("agreement", {}), cell.get("latency", {})
    time = "refused" if "error" in latency else ""
    if "ratio" in latency:
        time = f"{latency['milliseconds']:.2f} ms" if name == "onnxruntime" else f"{latency['ratio']:.2f}"
    if "error" in agreement:
        return "refused", "", time
    if not agreement:
        return "", "", time
    samples = f"n={agreement['samples']:,}"
    counts = differing(agreement["differing_counts"], agreement["spike_counts"], samples)
    if "decisions" in agreement:
        return counts, differing(agreement["differing_decisions"], agreement["decisions"], samples), time
    return counts, f"{agreement['largest_difference']:.1g} ({samples})", time


def differing(count, total, samples):
    """Return a number with its fraction, where it is not zero, and of how many samples it is."""
    return f"{count:,} ({count / total:.2g}, {samples})" if count else f"0 ({samples})"


def cells_of(presets):
    """Yield preset, precision, runtime and cell."""
    for preset, entry in presets.items():
        for precision in PRECISIONS:
            for name, cell in entry.get(precision, {}).items():
                yield preset, precision, name, cell


def exactness(presets):
    """Return lines: which runtimes count the spikes of Keras in files that round nothing."""
    wrong = {}
    for preset, precision, name, cell in cells_of(presets):
        differing_counts = cell.get("agreement", {}).get("differing_counts")
        if precision == "float32" and differing_counts is not None:
            wrong.setdefault(name, []).extend([preset] if differing_counts else [])
    alike = [name for name, where in wrong.items() if not where]
    lines = [f"all those of Keras: {', '.join(alike)}"] if alike else []
    return [*lines, *(f"{name}: some differ ({', '.join(where)})" for name, where in wrong.items() if where)]


def refusals(presets):
    """Return a line for each error, with the files for which it is raised."""
    found = {}
    for preset, precision, name, cell in cells_of(presets):
        for part, what in cell.items():
            if "error" in what:
                cause = what["error"] if part == "agreement" else f"{part}: {what['error']}"
                found.setdefault((name, cause), []).append(f"{preset} {precision}")
    return [f"{name}: {cause} ({', '.join(where)})" for (name, cause), where in found.items()]


def batches(presets):
    """Return lines: of how many files a runtime takes batches of several samples."""
    taken = {}
    for *_, name, cell in cells_of(presets):
        if "takes_batches" in cell.get("agreement", {}):
            taken.setdefault(name, []).append(cell["agreement"]["takes_batches"])
    return [f"{name}: {sum(values)} of {len(values)} files" for name, values in taken.items()]
