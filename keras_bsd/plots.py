"""Pictures of spiking networks and of what they learn. Needs matplotlib: `pip install keras_bsd[examples]`.

Every function draws on `axis`, or on a new figure's if none is given, and returns the figure.
"""

import numpy as np

from keras_bsd._optional import require
from keras_bsd._tiles import tile_images
from keras_bsd.callbacks import stage_logs


def _axis(axis):
    if axis is not None:
        return axis
    Figure = require("matplotlib.figure", "Drawing", "examples").Figure
    return Figure(layout="constrained").add_subplot()


def learning_curves(histories, metric="loss", axis=None):
    """A metric over the epochs: training dashed, validation solid where there is one.

    Args:
        histories: dict from a label to the `history` dict that `fit` gave.
        metric: name in the histories.
        axis: matplotlib axis.
    """
    axis = _axis(axis)
    for i, (label, history) in enumerate(histories.items()):
        for name, style, part in ((metric, "--", "training"), (f"val_{metric}", "-", "validation")):
            if name in history:
                epochs = np.arange(1, len(history[name]) + 1)
                axis.plot(epochs, history[name], style, color=f"C{i}", label=f"{label}, {part}")
    axis.set(xlabel="epoch", ylabel=metric)
    axis.legend()
    return axis.figure


def accuracies(curves, xlabel, axis=None):
    """Accuracy of several networks against one thing that changes.

    Args:
        curves: dict from a network's label to a dict from what changes (a number) to the accuracy.
        xlabel: what changes.
        axis: matplotlib axis.
    """
    axis = _axis(axis)
    for label, curve in curves.items():
        axis.plot(list(curve), list(curve.values()), marker=".", label=label)
    axis.set(xlabel=xlabel, ylabel="accuracy", ylim=(0, 1))
    axis.legend()
    return axis.figure


def calibration(bins, axis=None):
    """How often networks are right against how sure they are.

    Args:
        bins: dict from a network's label to a list of dicts with `confidence` and `accuracy`.
        axis: matplotlib axis.
    """
    axis = _axis(axis)
    for label, rows in bins.items():
        points = [[row[name] for row in rows] for name in ("confidence", "accuracy")]
        axis.plot(*points, marker=".", label=label)
    axis.plot([0, 1], [0, 1], "k:", label="calibrated")
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    axis.legend()
    return axis.figure


def alignment(history, axis=None):
    """Alignment of every stage with its teacher over the epochs.

    Args:
        history: the `history` dict that a `BSDModel`'s `fit` gave.
        axis: matplotlib axis.
    """
    axis = _axis(axis)
    for stage, values in stage_logs(history, "alignment").items():
        axis.plot(np.arange(1, len(values) + 1), values, label=stage)
    axis.set(xlabel="epoch", ylabel="alignment (cosine)")
    axis.legend()
    return axis.figure


def spike_raster(spikes, neurons=40, axis=None):
    """One sample's spikes through all stages, the stimulus's side at the bottom.

    Args:
        spikes: dict from a stage's name to its spikes `(time, ...)`; see `BSDModel.spikes`.
        neurons: int, how many of each stage are drawn, evenly spaced.
        axis: matplotlib axis.
    """
    axis = _axis(axis)
    base, centres = 0, []
    for i, train in enumerate(spikes.values()):
        train = np.reshape(train, (len(train), -1))
        drawn = np.unique(np.linspace(0, train.shape[1] - 1, neurons).astype(int))
        time, neuron = np.nonzero(train[:, drawn])
        axis.scatter(time + 1, base + neuron, s=9, marker="|", color=f"C{i}")
        centres.append(base + len(drawn) / 2)
        base += len(drawn) * 1.15
    steps = max(len(train) for train in spikes.values())
    axis.set(xlabel="time step", xlim=(0.5, steps + 0.5), xticks=np.arange(1, steps + 1))
    axis.set_yticks(centres, list(spikes))
    return axis.figure


def membranes(traces, spikes, threshold, neurons=(0, 1, 2), axis=None):
    """Membranes of a few neurons over time, each on a line of its own, with threshold and spikes.

    Args:
        traces: membranes of one sample before reset, `(time, ...)`; see `keras_bsd.audit.membranes`.
        spikes: of the same neurons, `(time, ...)`.
        threshold: number.
        neurons: which are drawn, numbers into the flattened neurons.
        axis: matplotlib axis.

    Raises:
        ValueError: traces and spikes differ in shape.
    """
    if np.shape(traces) != np.shape(spikes):
        raise ValueError(
            "Give the spikes of the same neurons as the membranes. "
            f"Received: shapes {np.shape(traces)} and {np.shape(spikes)}"
        )
    axis = _axis(axis)
    traces, spikes = (np.reshape(values, (len(values), -1))[:, list(neurons)] for values in (traces, spikes))
    time = np.arange(1, len(traces) + 1)
    distance = 1.2 * max(np.ptp(traces), threshold)
    for i, (trace, fired) in enumerate(zip(traces.T, spikes.T, strict=True)):
        base = i * distance
        axis.plot(time, base + trace, marker=".", color=f"C{i}")
        axis.axhline(base + threshold, linestyle=":", color=f"C{i}")
        axis.scatter(time[fired > 0], (base + trace)[fired > 0], marker="*", color="k", zorder=3)
    axis.set(xlabel="time step", ylabel="membrane before reset", xticks=time)
    axis.set_yticks(np.arange(len(neurons)) * distance, [f"neuron {neuron}" for neuron in neurons])
    return axis.figure


def affinity(matrix, rows=None, columns=None, axis=None):
    """How near each sample's representation is to each prototype or teacher.

    Args:
        matrix: `(samples, prototypes)` in [-1, 1]; see `keras_bsd.losses.cosine_affinity`.
        rows, columns: labels of samples and of prototypes, or None.
        axis: matplotlib axis.
    """
    axis = _axis(axis)
    image = axis.imshow(np.asarray(matrix), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for labels, ticks in ((rows, axis.set_yticks), (columns, axis.set_xticks)):
        if labels is not None:
            ticks(np.arange(len(labels)), [str(label) for label in labels])
    axis.set(xlabel="backward network", ylabel="feedforward network")
    axis.figure.colorbar(image, ax=axis, label="affinity (cosine)")
    return axis.figure


def energy(reports, axis=None):
    """Energy of one sample by stage: bars of spiking networks, and of their like without time.

    Args:
        reports: dict from a label to an `keras_bsd.audit.EnergyReport`, all by the same costs.
        axis: matplotlib axis.

    Raises:
        ValueError: the reports have different costs, whose energies cannot be compared.
    """
    names = {report.costs.name for report in reports.values()}
    if len(names) != 1:
        raise ValueError(f"Energies by different costs cannot be compared. Received: costs {sorted(names)}")
    axis = _axis(axis)
    bars = {}
    for label, report in reports.items():
        stages = [layer.stage or layer.name for layer in report.layers]
        for kind, priced in ((label, report.energy), (f"{label}, ANN", report.ann_energy)):
            values = [priced(layer) for layer in report.layers]
            if None not in values:
                bars[kind] = dict.fromkeys(stages, 0.0)
                for stage, value in zip(stages, values, strict=True):
                    bars[kind][stage] += value / 1e3
    stages = list(dict.fromkeys(stage for values in bars.values() for stage in values))
    for i, (kind, values) in enumerate(bars.items()):
        where = np.arange(len(stages)) + (i - (len(bars) - 1) / 2) * 0.8 / len(bars)
        axis.bar(where, [values.get(stage, 0.0) for stage in stages], 0.8 / len(bars), label=kind)
    axis.set_xticks(np.arange(len(stages)), stages, rotation=30, ha="right")
    axis.set(ylabel=f"nJ a sample, costs '{names.pop()}'")
    axis.legend()
    return axis.figure


def stimuli(images, labels=None, columns=10, axis=None):
    """Stimuli side by side, say those recalled for each concept.

    Args:
        images: `(samples, height, width, 1 or 3)`, in [0, 1]; values beyond are clipped.
        labels: one string each, written above.
        columns: int, images in a row.
        axis: matplotlib axis.
    """
    images = np.asarray(images)
    height, width = images.shape[1:3] if images.ndim == 4 else (0, 0)
    above = 1 if labels is None else max(height // 3, 1)  # white space, and where the label goes
    grid, corners = tile_images(images, columns, above)
    axis = _axis(axis)
    for label, (top, left) in zip(labels or (), corners, strict=labels is not None):
        axis.text(left + width / 2, top - 1, label, ha="center", va="bottom")
    axis.imshow(grid, cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()
    return axis.figure
