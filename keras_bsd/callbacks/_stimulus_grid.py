"""What the decoder recalls, epoch by epoch."""

import pathlib

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._files import atomic_write
from keras_bsd._tiles import tile_images
from keras_bsd.callbacks import _tensorboard


class StimulusGrid(keras.callbacks.Callback):
    """Draws after an epoch what a pair recalls of concepts, or makes of stimuli.

    Without `x` the decoder runs on every class; with it, on what the encoder says of each stimulus, and the
    stimuli themselves stand in the rows above. Needs Pillow: `pip install keras_bsd[examples]`.

    Args:
        folder: where `epoch-0001.png` and so on go.
        x: stimuli `(samples, height, width, 1 or 3)` in [0, 1], or None.
        log_dir: folder of TensorBoard's logs, where the images go too; or None.
        every: positive int, epochs from one image to the next.
        columns: positive int, images in a row.

    Raises:
        ValueError: an argument is out of range, stimuli are no images, or without `x` targets are no classes.

    Example:

    >>> model.fit(x, y, callbacks=[keras_bsd.callbacks.StimulusGrid("runs/recalled")])
    """

    def __init__(self, folder, x=None, log_dir=None, every=1, columns=10):
        super().__init__()
        self.folder, self.log_dir = pathlib.Path(folder), log_dir
        self.x = None if x is None else np.asarray(x)
        self.every = _checks.integer("every", every, low=1)
        self.columns = _checks.integer("columns", columns, low=1)

    def on_train_begin(self, logs=None):
        shape = self.model.decoder.output_shape[1:]
        tile_images(
            np.zeros((1, *shape)) if self.x is None else self.x, self.columns
        )  # before training, not after
        if self.x is None and self.model.task != "classification":
            raise ValueError("Without classes there is no set of concepts to recall: give stimuli as `x`.")

    def on_epoch_end(self, epoch, logs=None):
        if epoch % self.every:
            return
        image = self._draw(self.model)
        with atomic_write(self.folder / f"epoch-{epoch + 1:04d}.png") as written:
            keras.utils.save_img(written, 255 * image, data_format="channels_last", scale=False)
        if self.log_dir is not None:
            _tensorboard.write_image(self.log_dir, "stimuli", image, epoch)

    def _draw(self, model):
        if self.x is None:
            concepts = np.eye(model.decoder.input_shape[-1], dtype="float32")
            return tile_images(model.decoder.predict_on_batch(concepts), self.columns)[0]
        made = model.decoder.predict_on_batch(model.encoder.predict_on_batch(self.x))
        rows = [
            images[start : start + self.columns]
            for start in range(0, len(self.x), self.columns)
            for images in (self.x, made)
        ]
        width = max(map(len, rows)) * (self.x.shape[2] + 1)
        strips = [tile_images(row, self.columns)[0] for row in rows]
        padded = [
            np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)), constant_values=1) for strip in strips
        ]
        return np.concatenate(padded)
