"""What a learner rehearses of earlier classes."""

import numpy as np

_HORIZON = 50  # samples after which a typical stimulus follows the stream at a constant pace
_TRUST = 20  # samples that a stimulus recalled by the decoder counts for
_ROUNDING = 1e-6  # a deviation of no more is none, as of the repeated sample of a class


class Recall:
    """Typical stimuli of the classes, varied by the deviations of samples from theirs.

    A typical stimulus is at first what the decoder recalls, if the model has learned the class before, and
    follows the mean of the stream's samples. The deviation of a sample is from the typical stimulus before it,
    since the sample itself moves that stimulus; for a new class, from the mean of its samples in the batch.
    Deviations are kept as `Stored` keeps samples, so that a stream of one class replaces only its share.

    Args:
        model: `keras_bsd.BSDModel`.
        classes: ints, those that the model has learned before.
        size: int, the number of deviations that are kept.
    """

    def __init__(self, model, classes, size):
        shape, count = model.encoder.input_shape[1:], model._class_count
        self.arrays = {
            "typical": np.zeros((count, *shape), "float32"),
            "counts": np.zeros(count, "int64"),
            **_empty(shape),
        }
        self._size = size
        if len(classes):
            self.arrays["typical"][classes] = model.recall(np.asarray(classes))
            self.arrays["counts"][classes] = _TRUST

    def classes(self):
        """Return the classes that can be rehearsed, ints in ascending order."""
        return np.flatnonzero(self.arrays["counts"])

    def updated(self, x, y, generator):
        """Return the arrays after the samples of a batch; those before remain as they are."""
        typical, counts = self.arrays["typical"].copy(), self.arrays["counts"].copy()
        present, of_class = np.unique(y, return_inverse=True)
        new = np.bincount(of_class)
        sums = np.zeros((len(present), *x.shape[1:]), "float32")
        np.add.at(sums, of_class, x)
        means = sums / _by_row(new, sums)
        centres = np.where(_by_row(counts[present] > 0, sums), typical[present], means)[of_class]
        counts[present] += new
        pace = new / np.maximum(np.minimum(counts[present], _HORIZON), new)
        typical[present] += _by_row(pace, sums) * (means - typical[present])
        deviates = ~np.isclose(x, centres, atol=_ROUNDING).reshape(len(x), -1).all(axis=1)
        deviations = _added(self.arrays, (x - centres)[deviates], y[deviates], self._size, generator)
        return {"typical": typical, "counts": counts, **deviations}

    def draw(self, y, generator):
        """Return one stimulus for each of the classes `y`, ints `(batch,)`."""
        stimuli, deviations = self.arrays["typical"][y], self.arrays["x"]
        if len(deviations):
            stimuli = stimuli + deviations[generator.integers(len(deviations), size=len(y))]
        return stimuli


class Stored:
    """Samples of the stream, as many as fit, equally many of each class and each as likely as the others.

    Args:
        model: `keras_bsd.BSDModel`.
        size: int, the number of samples that are stored.
    """

    def __init__(self, model, size):
        self.arrays = _empty(model.encoder.input_shape[1:])
        self._size = size

    def classes(self):
        """Return the classes that can be rehearsed, ints in ascending order."""
        return np.unique(self.arrays["y"])

    def updated(self, x, y, generator):
        """Return the arrays after the samples of a batch; those before remain as they are."""
        return _added(self.arrays, x, y, self._size, generator)

    def draw(self, y, generator):
        """Return one stimulus for each of the classes `y`, ints `(batch,)`, each of a stored sample."""
        by_class = np.argsort(self.arrays["y"], kind="stable")
        ordered = self.arrays["y"][by_class]
        first, end = np.searchsorted(ordered, y), np.searchsorted(ordered, y, side="right")
        return self.arrays["x"][by_class[generator.integers(first, end)]]


def _empty(shape):
    """Return the arrays of a reservoir that holds nothing: values, their classes and random keys."""
    return {"x": np.zeros((0, *shape), "float32"), "y": np.zeros(0, "int64"), "keys": np.zeros(0)}


def _added(arrays, x, y, size, generator):
    """Return the arrays of a reservoir after a batch: of each class the values with the smallest keys remain.

    The arrays before remain as they are, and are returned themselves if nothing of the batch is kept.
    """
    stored, keys = len(arrays["y"]), generator.random(len(y))
    labels, all_keys = np.concatenate([arrays["y"], y]), np.concatenate([arrays["keys"], keys])
    by_class = np.lexsort((all_keys, labels))
    _, first, counts = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank = np.empty(len(by_class), "int64")  # of a sample within its class
    rank[by_class] = np.arange(len(by_class)) - np.repeat(first, counts)
    kept = np.sort(np.lexsort((all_keys, rank))[:size])
    earlier, new = kept[kept < stored], kept[kept >= stored] - stored
    if not len(new):
        return {name: arrays[name] for name in ("x", "y", "keys")}
    batch = {"x": x, "y": y, "keys": keys}
    return {name: np.concatenate([arrays[name][earlier], values[new]]) for name, values in batch.items()}


def _by_row(values, arrays):
    return np.asarray(values, "float32").reshape(-1, *[1] * (arrays.ndim - 1))
