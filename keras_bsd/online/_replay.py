"""What a learner rehearses of earlier classes."""

import numpy as np

_HORIZON = 50  # samples after which a typical stimulus follows the stream at a constant pace
_TRUST = 20  # samples that a stimulus recalled by the decoder counts for


class Recall:
    """Typical stimuli of the classes, varied by the deviations of recent samples from theirs.

    A typical stimulus is at first what the decoder recalls, if the model has learned the class before, and
    follows the mean of the stream's samples. Nothing of a single sample is kept but the last deviations, which
    are replaced within a few batches.

    Args:
        model: `keras_bsd.BSDModel`.
        classes: ints, those that the model has learned before.
        recent: int, the number of deviations that are kept.
    """

    def __init__(self, model, classes, recent):
        shape, count = model.encoder.input_shape[1:], model._class_count
        self.arrays = {
            "typical": np.zeros((count, *shape), "float32"),
            "counts": np.zeros(count, "int64"),
            "deviations": np.zeros((0, *shape), "float32"),
        }
        self._recent = recent
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
        counts[present] += new
        pace = new / np.maximum(np.minimum(counts[present], _HORIZON), new)
        means = sums / _by_row(new, sums)
        typical[present] += _by_row(pace, sums) * (means - typical[present])
        deviations = np.concatenate([self.arrays["deviations"], x - typical[y]])[-self._recent :]
        return {"typical": typical, "counts": counts, "deviations": deviations}

    def draw(self, y, generator):
        """Return one stimulus for each of the classes `y`, ints `(batch,)`."""
        stimuli, deviations = self.arrays["typical"][y], self.arrays["deviations"]
        if len(deviations):
            stimuli = stimuli + deviations[generator.integers(len(deviations), size=len(y))]
        return stimuli


class Stored:
    """Samples of the stream, as many as fit, equally many of each class and each as likely as the others.

    Every sample has a random key; of each class those with the smallest keys remain.

    Args:
        model: `keras_bsd.BSDModel`.
        size: int, the number of samples that are stored.
    """

    def __init__(self, model, size):
        shape = model.encoder.input_shape[1:]
        self.arrays = {
            "x": np.zeros((0, *shape), "float32"),
            "y": np.zeros(0, "int64"),
            "keys": np.zeros(0),
        }
        self._size = size

    def classes(self):
        """Return the classes that can be rehearsed, ints in ascending order."""
        return np.unique(self.arrays["y"])

    def updated(self, x, y, generator):
        """Return the arrays after the samples of a batch; those before remain as they are."""
        batch = {"x": x, "y": y, "keys": generator.random(len(y))}
        arrays = {name: np.concatenate([self.arrays[name], values]) for name, values in batch.items()}
        by_class = np.lexsort((arrays["keys"], arrays["y"]))
        _, first, counts = np.unique(arrays["y"][by_class], return_index=True, return_counts=True)
        rank = np.empty(len(by_class), "int64")  # of a sample within its class
        rank[by_class] = np.arange(len(by_class)) - np.repeat(first, counts)
        kept = np.sort(np.lexsort((arrays["keys"], rank))[: self._size])
        return {name: values[kept] for name, values in arrays.items()}

    def draw(self, y, generator):
        """Return one stimulus for each of the classes `y`, ints `(batch,)`, each of a stored sample."""
        by_class = np.argsort(self.arrays["y"], kind="stable")
        ordered = self.arrays["y"][by_class]
        first, end = np.searchsorted(ordered, y), np.searchsorted(ordered, y, side="right")
        return self.arrays["x"][by_class[generator.integers(first, end)]]


def _by_row(values, arrays):
    return np.asarray(values, "float32").reshape(-1, *[1] * (arrays.ndim - 1))
