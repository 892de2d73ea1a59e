"""Medians of the training benchmark's measurements, and tables of them in Markdown."""

import numpy as np

from benchmarks import _results

CASE = ("network", "batch_size", "timesteps", "contender", "jit_compile", "idle_threads")
SETTINGS = {"true": "jit", "false": "no jit", "auto": "auto jit", "spin": "spin", "sleep": "sleep"}
OTHERS = ("snntorch", "spikingjelly")
MISSING = "-"


def summarize(measurements):
    """Return medians of each case over all steps of all rounds, times in ms and memory in MB."""
    cases = {}
    for measurement in measurements:
        if "error" not in measurement:
            cases.setdefault(tuple(measurement[name] for name in CASE), []).append(measurement)
    return [{**dict(zip(CASE, case, strict=True)), **_medians(runs)} for case, runs in cases.items()]


def _medians(runs):
    step, step_iqr = _milliseconds(runs, "step_seconds")
    forward, forward_iqr = _milliseconds(runs, "forward_seconds")
    return {
        "step_ms": step,
        "step_iqr_ms": step_iqr,
        "samples_per_second": runs[0]["batch_size"] / step * 1e3,
        "forward_ms": forward,
        "forward_iqr_ms": forward_iqr,
        "peak_mb": float(np.median([_peak(run) for run in runs])) / 1e6,
        "trainable_weights": runs[0]["trainable_weights"],
    }


def _peak(run):
    """Return the peak of the memory on the GPU, or beyond what the process held before."""
    on_device = run["device_peak"]
    return run["rss_peak"] - run["rss_before"] if on_device is None else on_device


def _milliseconds(runs, name):
    """Return median and interquartile range."""
    seconds = np.concatenate([run[name] for run in runs])
    low, median, high = np.percentile(seconds, [25, 50, 75]) * 1e3
    return float(median), float(high - low)


def fastest(rows):
    """Return the setting with the fastest step by network, batch size, timesteps and contender."""
    best = {}
    for row in sorted(rows, key=lambda row: -row["step_ms"]):
        best[row["network"], row["batch_size"], row["timesteps"], row["contender"]] = row
    return best


def sections(report):
    """Return headings and tables: one table for each network and batch size, and one of ratios."""
    best, parts = fastest(report["summary"]), []
    for network, batch_size in dict.fromkeys(case[:2] for case in _in_order(report)):
        parts.append(f"## {network}, batch of {batch_size}")
        parts.append(_contenders_table(report, best, network, batch_size))
    return [*parts, "## Ratios", _ratios_table(report, best)]


def _in_order(report):
    """Return network, batch size, timesteps and contender of each measurement, in the order of the runs."""
    return dict.fromkeys(
        tuple(measurement[name] for name in CASE[:4]) for measurement in report["measurements"]
    )


def _contenders_table(report, best, network, batch_size):
    cases = [case[2:] for case in _in_order(report) if case[:2] == (network, batch_size)]
    columns = dict.fromkeys(timesteps for timesteps, _ in cases)
    rows = [
        [contender, *(_cell(best.get((network, batch_size, timesteps, contender))) for timesteps in columns)]
        for contender in dict.fromkeys(contender for _, contender in cases)
    ]
    header = ["step, samples/s, forward, peak memory", *(f"T = {timesteps}" for timesteps in columns)]
    return _results.table(header, rows)


def _cell(row):
    if row is None:
        return MISSING
    setting = [SETTINGS[row[name]] for name in CASE[4:] if row[name]]
    return ", ".join(
        [
            f"{row['step_ms']:.1f} ± {row['step_iqr_ms'] / 2:.1f} ms",
            f"{row['samples_per_second']:.0f}/s",
            f"{row['forward_ms']:.1f} ms",
            f"{row['peak_mb']:.0f} MB",
            *setting,
        ]
    )


def _ratios_table(report, best):
    interpreted = fastest([row for row in report["summary"] if row["jit_compile"] == "false"])
    header = [
        "",
        "step, rate / backprop",
        "peak memory, rate / backprop",
        "peak memory without jit, rate / backprop",  # excludes the compiler's own memory
        "samples/s, rate / faster other",
    ]
    rows = []
    for case in dict.fromkeys(case[:3] for case in _in_order(report)):
        rate, backprop = (*case, "bsd_rate"), (*case, "backprop")
        others = [best[*case, name] for name in OTHERS if (*case, name) in best]
        other = max(others, key=lambda row: row["samples_per_second"], default=None)
        rows.append(
            [
                "{}, batch of {}, T = {}".format(*case),
                _ratio(best.get(rate), best.get(backprop), "step_ms"),
                _ratio(best.get(rate), best.get(backprop), "peak_mb"),
                _ratio(interpreted.get(rate), interpreted.get(backprop), "peak_mb"),
                _ratio(best.get(rate), other, "samples_per_second")
                + (f" ({other['contender']})" if other else ""),
            ]
        )
    return _results.table(header, rows)


def _ratio(row, reference, name):
    return f"{row[name] / reference[name]:.2f}" if row and reference else MISSING
