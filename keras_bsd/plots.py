"""Pictures of spiking networks and of what they learn. Needs matplotlib: `pip install keras_bsd[examples]`.

Every function draws on `axis`, or on a new figure's if none is given, and returns the figure.
"""

import math

import numpy as np

from keras_bsd.callbacks import stage_logs


def _axis(axis):
    if axis is not None:
        return axis
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Pictures need matplotlib: pip install 'keras_bsd[examples]'") from error
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


def stimuli(images, labels=None, columns=10, axis=None):
    """Stimuli side by side, say those recalled for each concept.

    Args:
        images: `(samples, height, width, 1 or 3)`, in [0, 1]; values beyond are clipped.
        labels: one string each, written above.
        columns: int, images in a row.
        axis: matplotlib axis.
    """
    images = np.clip(images, 0, 1)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"`images` must have shape (samples, height, width, 1 or 3). Received: shape={images.shape}"
        )
    axis = _axis(axis)
    samples, height, width, channels = images.shape
    columns = min(columns, samples)
    above = 1 if labels is None else max(height // 3, 1)  # white space, and where the label goes
    grid = np.ones((math.ceil(samples / columns) * (height + above), columns * (width + 1), channels))
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        top, left = row * (height + above) + above, column * (width + 1)
        grid[top : top + height, left : left + width] = image
        if labels is not None:
            axis.text(left + width / 2, top - 1, labels[i], ha="center", va="bottom")
    axis.imshow(grid, cmap="gray", vmin=0, vmax=1)
    axis.set_axis_off()
    return axis.figure
