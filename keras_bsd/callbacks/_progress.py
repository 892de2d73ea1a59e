"""What `fit` shows while a pair learns."""

import time

import keras
import numpy as np

STAGE_LOGS = ("alignment", "firing_rate", "spike_cosine", "spike_hamming", "weight_cosine")


def stage_logs(logs, of):
    """The entries of a `BSDModel`'s logs or history that belong to single stages, by stage.

    Args:
        logs: dict by name, as `fit` gives it.
        of: `"alignment"`, `"firing_rate"`, or what `LayerAlignment` adds, such as `"spike_cosine"`.
    """
    return {name.removesuffix(f"_{of}"): value for name, value in logs.items() if name.endswith(f"_{of}")}


class StageProgress(keras.callbacks.ProgbarLogger):
    """Keras's progress bar, with the mean over all stages in place of two numbers for each.

    The history and the other callbacks still get every stage's own numbers.

    Example:

    >>> model.fit(x, y, epochs=10, callbacks=[keras_bsd.callbacks.StageProgress()])
    """

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, _summary(logs or {}))

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, _summary(logs or {}))


class EpochSeconds(keras.callbacks.Callback):
    """Adds `seconds`, what the epoch took, to the logs: callbacks that come later see it.

    Example:

    >>> model.fit(x, y, callbacks=[keras_bsd.callbacks.EpochSeconds(), keras.callbacks.CSVLogger("log.csv")])
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["seconds"] = time.perf_counter() - self._start


def _summary(logs):
    stages = {of: stage_logs(logs, of) for of in STAGE_LOGS}
    single = {f"{stage}_{of}" for of in STAGE_LOGS for stage in stages[of]}
    means = {of: np.mean([float(value) for value in stages[of].values()]) for of in STAGE_LOGS if stages[of]}
    return {name: value for name, value in logs.items() if name not in single} | means
