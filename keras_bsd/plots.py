"""Plots of spiking networks and of their training.

Every function draws on `axis`, or on a new figure if it is None, and returns the figure. Needs matplotlib:
`pip install 'keras-bsd[examples]'`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_bsd._optional import require
from keras_bsd._tiles import tile_images
from keras_bsd._types import Array, ArrayLike
from keras_bsd.callbacks import stage_logs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from keras_bsd.audit import EnergyReport

_History = Mapping[str, Sequence[float]]
_Labels = Sequence[Any] | None


def learning_curves(
    histories: Mapping[str, _History], metric: str = "loss", axis: Axes | None = None
) -> Figure:
    """Return a plot of a metric over the epochs: training dashed, validation solid.

    Args:
        histories: dict from a label to the `history` dict that `fit` returned. Validation values are optional.
        metric: name of the metric in the histories.
        axis: matplotlib axis.
    """
    ax = _axis_or_new(axis)
    for i, (label, history) in enumerate(histories.items()):
        for name, style, split in ((metric, "--", "training"), (f"val_{metric}", "-", "validation")):
            if name in history:
                epochs = np.arange(1, len(history[name]) + 1)
                ax.plot(epochs, history[name], style, color=f"C{i}", label=f"{label}, {split}")
    ax.set(xlabel="epoch", ylabel=metric)
    ax.legend()
    return ax.figure


def accuracies(curves: Mapping[str, Mapping[float, float]], xlabel: str, axis: Axes | None = None) -> Figure:
    """Return a plot of the accuracy of several networks over a variable.

    Args:
        curves: dict from a network's label to a dict from the variable's values to accuracies.
        xlabel: name of the variable.
        axis: matplotlib axis.
    """
    ax = _axis_or_new(axis)
    for label, curve in curves.items():
        ax.plot(list(curve), list(curve.values()), marker=".", label=label)
    ax.set(xlabel=xlabel, ylabel="accuracy", ylim=(0, 1))
    ax.legend()
    return ax.figure


def calibration(bins: Mapping[str, Sequence[Mapping[str, float]]], axis: Axes | None = None) -> Figure:
    """Return a reliability diagram: accuracy over confidence.

    Args:
        bins: dict from a network's label to a list of dicts with `confidence` and `accuracy`, one for each bin.
        axis: matplotlib axis.
    """
    ax = _axis_or_new(axis)
    for label, rows in bins.items():
        points = [[row[name] for row in rows] for name in ("confidence", "accuracy")]
        ax.plot(*points, marker=".", label=label)
    ax.plot([0, 1], [0, 1], "k:", label="calibrated")
    ax.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    ax.legend()
    return ax.figure


def alignment(history: _History, axis: Axes | None = None) -> Figure:
    """Return a plot of the alignment of every stage with its teacher over the epochs.

    Args:
        history: `history` dict that a `BSDModel`'s `fit` returned.
        axis: matplotlib axis.
    """
    ax = _axis_or_new(axis)
    for stage, values in stage_logs(dict(history), "alignment").items():
        ax.plot(np.arange(1, len(values) + 1), values, label=stage)
    ax.set(xlabel="epoch", ylabel="alignment (cosine)")
    ax.legend()
    return ax.figure


def spike_raster(spikes: Mapping[str, Array], neurons: int = 40, axis: Axes | None = None) -> Figure:
    """Return a raster plot of one sample's spikes in all stages, the first stage at the bottom.

    Args:
        spikes: dict from a stage's name to its spikes `(time, ...)`; see `BSDModel.spikes`.
        neurons: int, neurons to draw per stage, evenly spaced.
        axis: matplotlib axis.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16, 16))
    >>> spikes = model.spikes(np.ones((1, 8, 8, 1)))
    >>> figure = keras_bsd.plots.spike_raster({stage: train[0] for stage, train in spikes.items()})
    """
    ax = _axis_or_new(axis)
    base, centres = 0.0, []
    for i, train in enumerate(spikes.values()):
        train = np.reshape(train, (len(train), -1))
        drawn = np.unique(np.linspace(0, train.shape[1] - 1, neurons).astype(int))
        time, neuron = np.nonzero(train[:, drawn])
        ax.scatter(time + 1, base + neuron, s=9, marker="|", color=f"C{i}")
        centres.append(base + len(drawn) / 2)
        base += len(drawn) * 1.15
    timesteps = max(len(train) for train in spikes.values())
    ticks = np.arange(1, timesteps + 1, -(-timesteps // 20))
    ax.set(xlabel="time step", xlim=(0.5, timesteps + 0.5), xticks=ticks)
    ax.set_yticks(centres, list(spikes))
    return ax.figure


def membranes(
    traces: Array,
    spikes: Array,
    threshold: float | Array,
    neurons: Sequence[int] = (0, 1, 2),
    axis: Axes | None = None,
) -> Figure:
    """Return a plot of the membranes of a few neurons over time, with thresholds and spikes.

    Args:
        traces: membranes of one sample before reset, `(time, ...)`; see `keras_bsd.audit.membranes`.
        spikes: spikes of the same neurons, `(time, ...)`.
        threshold: float, the neurons' threshold, or an array `(time, ...)` of the threshold of each.
        neurons: indices into the flattened neurons.
        axis: matplotlib axis.

    Raises:
        ValueError: traces and spikes differ in shape.
    """
    if np.shape(traces) != np.shape(spikes):
        raise ValueError(
            "`traces` and `spikes` must be of the same neurons. "
            f"Received: shapes {np.shape(traces)} and {np.shape(spikes)}"
        )
    ax = _axis_or_new(axis)
    drawn, fired, thresholds = (
        np.reshape(values, (len(values), -1))[:, list(neurons)]
        for values in (traces, spikes, np.broadcast_to(threshold, np.shape(traces)))
    )
    time = np.arange(1, len(drawn) + 1)
    distance = 1.2 * max(np.ptp(drawn), thresholds.max())
    for i, (trace, marks, level) in enumerate(zip(drawn.T, fired.T, thresholds.T, strict=True)):
        base = i * distance
        ax.plot(time, base + trace, marker=".", color=f"C{i}")
        ax.plot(time, base + level, linestyle=":", color=f"C{i}")
        ax.scatter(time[marks > 0], (base + trace)[marks > 0], marker="*", color="k", zorder=3)
    ax.set(xlabel="time step", ylabel="membrane before reset", xticks=time)
    ax.set_yticks(np.arange(len(neurons)) * distance, [f"neuron {neuron}" for neuron in neurons])
    return ax.figure


def affinity(
    matrix: ArrayLike, rows: _Labels = None, columns: _Labels = None, axis: Axes | None = None
) -> Figure:
    """Return a heat map of the affinity of samples and prototypes.

    Args:
        matrix: `(samples, prototypes)` in [-1, 1]; see `keras_bsd.losses.cosine_affinity`.
        rows: labels of the samples, or None.
        columns: labels of the prototypes, or None.
        axis: matplotlib axis.
    """
    ax = _axis_or_new(axis)
    image = ax.imshow(np.asarray(matrix), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    for labels, ticks in ((rows, ax.set_yticks), (columns, ax.set_xticks)):
        if labels is not None:
            ticks(np.arange(len(labels)), [str(label) for label in labels])
    ax.set(xlabel="backward network", ylabel="feedforward network")
    ax.figure.colorbar(image, ax=ax, label="affinity (cosine)")
    return ax.figure


def energy(reports: Mapping[str, EnergyReport], axis: Axes | None = None) -> Figure:
    """Return a bar plot of one sample's energy by stage, for spiking networks and their ReLU equivalents.

    Args:
        reports: dict from a label to a `keras_bsd.audit.EnergyReport`, all by the same costs.
        axis: matplotlib axis.

    Raises:
        ValueError: the reports have different costs, whose energies cannot be compared.
    """
    names = {report.costs.name for report in reports.values()}
    if len(names) != 1:
        raise ValueError(f"`reports` must have the same costs. Received: costs {sorted(names)}")
    ax = _axis_or_new(axis)
    bars: dict[str, dict[str, float]] = {}
    for label, report in reports.items():
        for kind, energy_of in ((label, report.energy), (f"{label}, ANN", report.ann_energy)):
            energies: list[Any] = [(layer.stage or layer.name, energy_of(layer)) for layer in report.layers]
            if all(value is not None for _, value in energies):
                bars[kind] = dict.fromkeys((stage for stage, _ in energies), 0.0)
                for stage, picojoules in energies:
                    bars[kind][stage] += picojoules / 1e3
    stages = list(dict.fromkeys(stage for heights in bars.values() for stage in heights))
    for i, (kind, heights) in enumerate(bars.items()):
        x = np.arange(len(stages)) + (i - (len(bars) - 1) / 2) * 0.8 / len(bars)
        ax.bar(x, [heights.get(stage, 0.0) for stage in stages], 0.8 / len(bars), label=kind)
    ax.set_xticks(np.arange(len(stages)), stages, rotation=30, ha="right")
    ax.set(ylabel=f"nJ a sample, costs '{names.pop()}'")
    ax.legend()
    return ax.figure


def stimuli(
    images: ArrayLike, labels: Sequence[str] | None = None, columns: int = 10, axis: Axes | None = None
) -> Figure:
    """Return a plot of stimuli side by side, such as those recalled for each concept.

    Args:
        images: `(samples, height, width, 1 or 3)`, in [0, 1]; values beyond are clipped.
        labels: one string for each image, drawn above it, or None.
        columns: int, images in a row.
        axis: matplotlib axis.

    Raises:
        ValueError: `images` has another shape, or labels are not as many as images.
    """
    images = np.asarray(images)
    height, width = images.shape[1:3] if images.ndim == 4 else (0, 0)
    above = 1 if labels is None else max(height // 3, 1)  # white, with room for the label
    grid, corners = tile_images(images, columns, above)
    ax = _axis_or_new(axis)
    for label, (top, left) in zip(labels or (), corners, strict=labels is not None):
        ax.text(left + width / 2, top - 1, label, ha="center", va="bottom")
    ax.imshow(grid, cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()
    return ax.figure


def _axis_or_new(axis: Axes | None) -> Any:
    if axis is None:
        return require("matplotlib.figure", "Drawing", "examples").Figure(layout="constrained").add_subplot()
    return axis
