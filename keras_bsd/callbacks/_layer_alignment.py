"""How far the two networks of a pair agree, epoch by epoch."""

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._observe import SpikeRecorder
from keras_bsd.audit import _twins as twins


class LayerAlignment(keras.callbacks.Callback):
    """Adds to the logs, stage by stage, how alike the spikes and the weights of the two networks are.

    Of a fixed batch and the concepts of its targets, for every stage of the encoder:

    - `STAGE_spike_cosine`, the cosine of a sample's spike train and that of the stage that mirrors it,
      over all neurons and time steps; zero where one of them is silent;
    - `STAGE_spike_hamming`, the part of neurons and time steps at which the two agree;
    - `STAGE_weight_cosine`, of its weight and the backward twin (also of the readout),
      see `keras_bsd.audit.plausibility`.

    It takes about as long as one training step: in epochs of less than twenty steps, see `every`.
    Callbacks that come later see the numbers: `keras.callbacks.TensorBoard`, `keras.callbacks.CSVLogger`.

    Args:
        x: stimuli `(samples, ...)`; some tens of them will do.
        y: targets, as for `fit`.
        every: positive int, epochs from one measurement to the next. The logs keep the last values.

    Raises:
        ValueError: `every` is out of range, there are no samples, or not as many targets.

    Example:

    >>> alignment = keras_bsd.callbacks.LayerAlignment(x[:64], y[:64])
    >>> model.fit(x, y, epochs=10, callbacks=[alignment, keras.callbacks.CSVLogger("log.csv")])

    Source: mean cosine and Hamming similarity between layers, arXiv 2509.20284.
    """

    def __init__(self, x, y, every=1):
        super().__init__()
        self.x, self.y = np.asarray(x), np.asarray(y)
        if not len(self.x) or len(self.x) != len(self.y):
            raise ValueError(
                "Give one stimulus at least, and a target for each. "
                f"Received: {len(self.x)} stimuli, {len(self.y)} targets"
            )
        self.every = _checks.integer("every", every, low=1)

    def on_train_begin(self, logs=None):
        model = self.model
        # One decoder pass serves all samples of the same target.
        targets = ops.convert_to_numpy(model._targets(ops.convert_to_tensor(self.y)))
        self._concepts, self._concept_of = np.unique(targets, axis=0, return_inverse=True)
        self._forward, self._backward = SpikeRecorder(model.encoder), SpikeRecorder(model.decoder)
        self._pairs = list(zip(model.encoder_stages, model.decoder_stages, strict=True))
        self._found = {}

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every == 0:
            self._found = self._measure(self.model)
        logs.update(self._found)

    def _measure(self, model):
        forward = self._forward.predict_on_batch(self.x)
        backward = self._backward.predict_on_batch(self._concepts)
        found = {}
        for stage, teacher in self._pairs:
            a, b = forward[stage.name], backward[teacher.name][self._concept_of]
            a, b = (spikes.reshape(len(self.x), -1).astype("float32") for spikes in (a, b))
            norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
            cosines = (a * b).sum(axis=1) / np.maximum(norms, 1e-9)
            found[f"{stage.name}_spike_cosine"] = float(cosines.mean())
            found[f"{stage.name}_spike_hamming"] = float((a == b).mean())
        compared = (pair for pair in twins.compare(model) if pair.cosines)
        return found | {f"{pair.forward}_{twins.LOGGED_AS}": pair.cosine for pair in compared}
