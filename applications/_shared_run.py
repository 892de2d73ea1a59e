"""A training run of several processes: each has its share of a batch, the first keeps the files."""

import contextlib
import json
import tempfile

import _processes
import _run
import keras
import numpy as np
from absl import app, flags

from keras_bsd.datasets import Batches

FLAGS = flags.FLAGS


class Shares(keras.distribution.DataParallel):
    """Keras's data parallelism, in which each process provides its own share of a batch.

    Attributes:
        whole: whether each provides, and every device computes, all of it instead.
    """

    whole = False

    def __init__(self):
        super().__init__(auto_shard_dataset=False)

    def get_data_layout(self, data_shape):
        if self.whole:
            return keras.distribution.TensorLayout([None] * len(data_shape), self.device_mesh)
        return super().get_data_layout(data_shape)


class WholeValidation(keras.callbacks.Callback):
    """Makes every device compute all validation samples, which the devices may be unable to divide."""

    def on_test_begin(self, logs=None):
        keras.distribution.distribution().whole = True

    def on_test_end(self, logs=None):
        keras.distribution.distribution().whole = False


class Share(keras.utils.PyDataset):
    """This process's share of batches.

    Without augmentation only the share is read. Augmentation draws its random numbers for a batch as a whole,
    so that each process then computes all of it. Samples of a last, short batch that the devices cannot divide
    are not used in that epoch.

    Args:
        batches: `keras_bsd.datasets.Batches`.
    """

    def __init__(self, batches):
        import jax

        super().__init__()
        self._batches = batches
        self._process, self._processes, self._devices = (
            jax.process_index(),
            jax.process_count(),
            jax.device_count(),
        )
        self._rows = Batches(np.arange(len(batches.x)), batches.y, batches.batch_size, seed=batches.seed)

    def epoch_callback(self):
        """Return a callback for `fit` at the beginning of each epoch."""

        def start(epoch, logs=None):
            self._batches.start_epoch(epoch)
            self._rows.start_epoch(epoch)

        return keras.callbacks.LambdaCallback(on_epoch_begin=start)

    def __len__(self):
        whole, rest = divmod(len(self._batches.x), self._batches.batch_size)
        return whole + (rest >= self._devices)

    def __getitem__(self, index):
        rows, targets = self._rows[index]
        size = (len(rows) - len(rows) % self._devices) // self._processes
        own = slice(self._process * size, (self._process + 1) * size)
        if not self._batches.augmentation:
            return self._batches.x[rows[own]], targets[own]
        with _distributed(None):
            images, _ = self._batches[index]
        return np.asarray(images)[own], targets[own]


@contextlib.contextmanager
def _distributed(distribution):
    """Set Keras's distribution, or None, for a while."""
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(distribution)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def scope():
    """Return the context in which the processes build, compile and fit a model."""
    return _distributed(None if FLAGS.processes == 1 else Shares())


def check_batch_size(size):
    """Raise unless the devices of all processes can divide a batch of this size.

    Raises:
        app.UsageError: they cannot.
    """
    if FLAGS.processes == 1:
        return
    import jax

    devices = jax.device_count()
    if size % devices:
        raise app.UsageError(
            "--batch_size must be a multiple of the number of devices, which divide each batch. Received: "
            f"--batch_size={size} --processes={FLAGS.processes}, with {devices} devices"
        )


def share(batches):
    """Return this process's share of `keras_bsd.datasets.Batches`."""
    return batches if FLAGS.processes == 1 else Share(batches)


class SharedRun(_run.Run):
    """A `Run` in which all processes take part, and whose folder belongs to the first.

    The others do the same in a temporary folder: where Keras computes with what all hold, all must take part.
    """

    def __init__(self, folder, names):
        self._temporary = None if _processes.is_first() else tempfile.TemporaryDirectory()
        super().__init__(folder if self._temporary is None else self._temporary.name, names)

    def __exit__(self, *error):
        super().__exit__(*error)
        if self._temporary is not None:
            self._temporary.cleanup()

    def result(self, name, compute):
        """Return `Run.result`; what the first process has, no other computes, and gets None."""
        is_missing = _processes.agreed(not (self.folder / f"{name}.json").exists())
        return super().result(name, compute) if is_missing or _processes.is_first() else None

    def fit(self, name, model, batches, epochs, callbacks=(), **kwargs):
        """Fit a model as `Run.fit` does, from the last epoch that the first process has backed up."""
        if FLAGS.processes > 1:
            self._copy_backup(self._backup(name))
            callbacks = [WholeValidation(), *callbacks]
        return super().fit(name, model, batches, epochs, callbacks, **kwargs)

    def _back_up(self, model, folder, epochs):
        with _distributed(None):  # to save a model, Keras makes another optimizer, which processes would share
            super()._back_up(model, folder, epochs)

    def _copy_backup(self, folder):
        """Copy a folder of the first process to the others, which may be on other machines."""
        first = _processes.is_first()
        files = _run.backup_files(folder)[-1:] if first else []
        for name in json.loads(_processes.broadcast(json.dumps([file.name for file in files]).encode())):
            content = _processes.broadcast((folder / name).read_bytes() if first else b"")
            if not first:
                folder.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)

    def save(self, name, model, x):
        """Save a model as `Run.save` does, and return one that each process runs alone."""
        if FLAGS.processes == 1:
            return super().save(name, model, x)
        path = self.folder / f"{name}.keras"
        with _run.atomic_write(path) as written:
            model.save(written)
        loaded = keras.saving.load_model(path)
        for first, second in zip(loaded.get_weights(), model.get_weights(), strict=True):
            if not np.array_equal(first, second):
                raise RuntimeError(f"The model loaded from {path} does not have the weights of the saved one.")
        return loaded
