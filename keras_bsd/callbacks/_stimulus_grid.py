"""Images of recalled or reconstructed stimuli, epoch by epoch."""

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd._arrays import as_samples
from keras_bsd._files import atomic_write, expand
from keras_bsd._tiles import tile_images
from keras_bsd._types import ArrayLike, Path
from keras_bsd.callbacks._pairs import require_pair
from keras_bsd.callbacks._progress import Logs
from keras_bsd.callbacks._tensorboard import write_image
from keras_bsd.models._data_checks import checked_stimuli


class StimulusGrid(keras.callbacks.Callback):
    """Saves an image of the stimuli that a pair recalls or reconstructs, after an epoch.

    Without `x` the decoder recalls a stimulus for every class. With `x` it reconstructs each stimulus from the
    encoder's output, and the rows of reconstructions follow the rows of stimuli. Needs Pillow:
    `pip install 'keras-bsd[examples]'`.

    Args:
        folder: folder of the images `epoch-0001.png` and so on.
        x: stimuli `(samples, height, width, 1 or 3)` in [0, 1], or None.
        log_dir: folder of TensorBoard's logs to which the images are added, or None. Needs TensorBoard.
        every: positive int, epochs from one image to the next.
        columns: positive int, stimuli in a row.

    Raises:
        ValueError: an argument is out of range, stimuli are not images, or `x` is None and targets are not
            classes.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16,))
    >>> model.compile(run_eagerly=True)  # starts at once
    >>> x, y = np.random.default_rng(0).random((20, 8, 8, 1)), np.arange(20) % 10
    >>> grid = keras_bsd.callbacks.StimulusGrid("recalled")
    >>> history = model.fit(x, y, callbacks=[grid], verbose=0)
    >>> keras.utils.load_img("recalled/epoch-0001.png").size  # ten of 8 and a white pixel beside each
    (90, 9)
    """

    def __init__(
        self,
        folder: Path,
        x: ArrayLike | None = None,
        log_dir: Path | None = None,
        every: int = 1,
        columns: int = 10,
    ) -> None:
        super().__init__()
        self.folder = expand(folder, "folder")
        self.log_dir = None if log_dir is None else expand(log_dir, "log_dir")
        self.x = None if x is None else as_samples("x", x)
        self.every = _checks.integer("every", every, low=1)
        self.columns = _checks.integer("columns", columns, low=1)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        model = require_pair("StimulusGrid", self.model)
        if self.x is not None:
            checked_stimuli(model, self.x)
        shape = model.decoder.output_shape[1:]
        stimuli = np.zeros((1, *shape)) if self.x is None else self.x
        tile_images(stimuli, self.columns)  # raises before training, not after
        if self.x is None and self.model.task != "classification":
            raise ValueError(
                f"Without `x`, targets must be classes. Received: x=None, task={self.model.task!r}. "
                "Pass stimuli as `x`."
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if epoch % self.every:
            return
        image = self._recalled(self.model) if self.x is None else self._reconstructed(self.model)
        with atomic_write(self.folder / f"epoch-{epoch + 1:04d}.png") as path:
            keras.utils.save_img(path, 255 * image, data_format="channels_last", scale=False)
        if self.log_dir is not None:
            write_image(self.log_dir, "stimuli", image, epoch)

    def _recalled(self, model):
        return tile_images(model.decoder.predict_on_batch(model.class_concepts), self.columns)[0]

    def _reconstructed(self, model):
        reconstructions = model.decoder.predict_on_batch(model.encoder.predict_on_batch(self.x))
        rows = [
            images[start : start + self.columns]
            for start in range(0, len(self.x), self.columns)
            for images in (self.x, reconstructions)
        ]
        width = max(map(len, rows)) * (self.x.shape[2] + 1)
        strips = [tile_images(row, self.columns)[0] for row in rows]
        return np.concatenate(
            [
                np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0)), constant_values=1)
                for strip in strips
            ]
        )
