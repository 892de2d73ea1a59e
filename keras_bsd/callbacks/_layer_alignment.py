"""Similarity of the two networks of a pair, epoch by epoch."""

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._arrays import as_samples
from keras_bsd._observe import SpikeRecorder
from keras_bsd._types import ArrayLike
from keras_bsd.audit._twins import LOGGED_AS, compare
from keras_bsd.callbacks._pairs import require_pair
from keras_bsd.callbacks._progress import Logs
from keras_bsd.layers._stage import stage_names
from keras_bsd.models._data_checks import checked_samples


class LayerAlignment(keras.callbacks.Callback):
    """Logs, stage by stage, the similarity of the spikes and of the weights of encoder and decoder.

    For a fixed batch and the concepts of its targets it logs for every stage of the encoder:

    - `STAGE_spike_cosine`: cosine of the spike trains of the stage and of its teacher, over all neurons and
      time steps, as a mean over the samples; zero where one of them is silent;
    - `STAGE_spike_hamming`: fraction of neurons and time steps at which the two spike trains agree;
    - `STAGE_weight_cosine`: cosine of the stage's kernel and its backward twin (also for the readout), see
      `keras_bsd.audit.plausibility`.

    A measurement takes about as long as one training step; with fewer than twenty steps per epoch, raise
    `every`. Place this callback before those that write logs, such as `keras.callbacks.TensorBoard` and
    `keras.callbacks.CSVLogger`.

    Args:
        x: stimuli `(samples, ...)`; some tens suffice.
        y: targets, as for `fit`.
        every: positive int, epochs from one measurement to the next. Between them the logs repeat the last
            values.

    Raises:
        ValueError: `every` is out of range, or there are no samples, or not as many targets; or, as training
            starts, the model is not a pair, or `fit` would not take the samples.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16,))
    >>> model.compile(run_eagerly=True)  # starts at once
    >>> x, y = np.random.default_rng(0).random((20, 8, 8, 1)), np.arange(20) % 10
    >>> alignment = keras_bsd.callbacks.LayerAlignment(x[:10], y[:10])
    >>> history = model.fit(x, y, callbacks=[alignment], verbose=0)
    >>> [name for name in history.history if "cosine" in name or "hamming" in name]
    ['dense_1_spike_cosine', 'dense_1_spike_hamming', 'dense_1_weight_cosine', 'scores_weight_cosine']

    Source: mean cosine and Hamming similarity between layers, arXiv 2509.20284.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, every: int = 1) -> None:
        super().__init__()
        self.x, self.y = as_samples("x", x), as_samples("y", y)
        if not len(self.x) or len(self.x) != len(self.y):
            raise ValueError(
                "`x` must have at least one stimulus, and `y` a target for each. "
                f"Received: {len(self.x)} stimuli, {len(self.y)} targets"
            )
        self.every = _checks.integer("every", every, low=1)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        model = require_pair("LayerAlignment", self.model)
        checked_samples(model, self.x, self.y)
        # One decoder pass serves all samples of the same target.
        targets = ops.convert_to_numpy(model._targets(ops.convert_to_tensor(self.y)))
        self._concepts, self._concept_of = np.unique(targets, axis=0, return_inverse=True)
        self._forward, self._backward = SpikeRecorder(model.encoder), SpikeRecorder(model.decoder)
        names = stage_names(model.encoder) | stage_names(model.decoder)
        pairs = zip(model.encoder_stages, model.decoder_stages, strict=True)
        self._pairs = [(names[stage], names[teacher]) for stage, teacher in pairs]
        self._last: Logs = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if epoch % self.every == 0:
            self._last = self._measure(self.model)
        if logs is not None:
            logs.update(self._last)

    def _measure(self, model):
        forward = self._forward.predict_on_batch(self.x)
        backward = self._backward.predict_on_batch(self._concepts)
        measured = {}
        for name, teacher in self._pairs:
            a, b = forward[name], backward[teacher][self._concept_of]
            a, b = (spikes.reshape(len(self.x), -1).astype("float32") for spikes in (a, b))
            norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            cosines = (a * b).sum(axis=1) / np.maximum(norms, 1e-9)
            measured[f"{name}_spike_cosine"] = float(cosines.mean())
            measured[f"{name}_spike_hamming"] = float((a == b).mean())
        for twins in compare(model):
            if twins.cosines:
                measured[f"{twins.forward}_{LOGGED_AS}"] = twins.cosine
        return measured
