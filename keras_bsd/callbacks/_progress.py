"""Logs of training, by stage and in the progress bar."""

import time
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_bsd import _checks

Logs = dict[str, Any]

STAGE_LOGS = ("alignment", "firing_rate", "spike_cosine", "spike_hamming", "weight_cosine")


def stage_logs(logs: Logs, metric: str) -> Logs:
    """Return the values of one metric in the logs or history of a `BSDModel`, by stage.

    Args:
        logs: dict from names of logs to values, as `fit` returns it in the history.
        metric: `"alignment"`, `"firing_rate"`, or one of the metrics of `LayerAlignment`, such as
            `"spike_cosine"`.

    Returns:
        Dict from names of stages to values.

    Raises:
        ValueError: `logs` is no dict, or the metric is unknown.

    Example:

    >>> history = {"loss": [1.2], "dense_1_alignment": [0.4], "dense_2_alignment": [0.5]}
    >>> keras_bsd.callbacks.stage_logs(history, "alignment")
    {'dense_1': [0.4], 'dense_2': [0.5]}
    """
    if not isinstance(logs, Mapping):
        raise ValueError(
            f"`logs` must be a dict, such as the `history` of what `fit` returns. Received: {logs=}"
        )
    suffix = f"_{_checks.one_of('metric', metric, STAGE_LOGS)}"
    return {name.removesuffix(suffix): value for name, value in logs.items() if name.endswith(suffix)}


class StageProgress(keras.callbacks.ProgbarLogger):
    """Keras's progress bar with the mean over all stages instead of each stage's metrics.

    The history and other callbacks still get the metrics of each stage.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16, 16))
    >>> model.compile(run_eagerly=True)  # starts at once
    >>> x, y = np.zeros((20, 8, 8, 1)), np.arange(20) % 10
    >>> history = model.fit(x, y, callbacks=[keras_bsd.callbacks.StageProgress()], verbose=2)
    1/1 - ... - alignment: ... - firing_rate: ...
    """

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        super().on_train_batch_end(batch, _stage_means(logs or {}))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        super().on_epoch_end(epoch, _stage_means(logs or {}))


class EpochSeconds(keras.callbacks.Callback):
    """Adds the duration of each epoch to the logs, as `seconds`, for later callbacks and the history.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16,))
    >>> model.compile(run_eagerly=True)  # starts at once
    >>> x, y = np.zeros((20, 8, 8, 1)), np.arange(20) % 10
    >>> callbacks = [keras_bsd.callbacks.EpochSeconds(), keras.callbacks.CSVLogger("log.csv")]
    >>> history = model.fit(x, y, callbacks=callbacks, verbose=0)
    >>> len(history.history["seconds"])
    1
    """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["seconds"] = time.perf_counter() - self._start


def _stage_means(logs):
    """Return logs with the mean over the stages in place of each stage's metrics."""
    stages = {metric: stage_logs(logs, metric) for metric in STAGE_LOGS}
    replaced = {f"{stage}_{metric}" for metric, values in stages.items() for stage in values}
    means = {
        metric: np.mean([float(value) for value in values.values()])
        for metric, values in stages.items()
        if values
    }
    return {name: value for name, value in logs.items() if name not in replaced} | means
