"""Training on JAX with the data set on the device: an epoch is one compiled call."""

import csv
import time

import _run
import jax
import keras
import numpy as np
from jax import numpy as jnp

SECONDS_BETWEEN_BACKUPS = 60


class DeviceLoop:
    """Epochs of training without transfers between host and device, for small networks on fast devices.

    A state is what `keras.Model.train_step` takes on JAX: lists of the values of the model's variables, by
    kind, and behind them those of the augmentation's seeds.

    Args:
        model: compiled Keras model.
        batches: `keras_bsd.datasets.Batches`, whose data set fits the device's memory and whose augmentation
            consists of Keras layers. The rest of an epoch that fills no batch is not used. Order of samples and
            augmentation differ from those of `fit`.
    """

    def __init__(self, model, batches):
        self._model, self._batches = model, batches
        self._augmentation = keras.Sequential(batches.augmentation) if batches.augmentation else None
        self._steps = len(batches.x) // batches.batch_size
        if not self._steps:
            raise ValueError(
                "There must be samples for a whole batch. Received: "
                f"{len(batches.x)} samples, --batch_size={batches.batch_size}"
            )
        self._create_variables()
        self._run_epoch = jax.jit(self._epoch, donate_argnums=0)
        self._count_correct = jax.jit(self._correct)

    def _create_variables(self):
        """Create the variables of optimizer, metrics and augmentation."""
        x, y = self._batches.x[:2], self._batches.y[:2]
        scores = np.zeros((2, *getattr(self._model, "encoder", self._model).output_shape[1:]), "float32")
        self._model.optimizer.build(self._model.trainable_variables)
        self._model.compute_loss(x, y, scores, training=False)
        self._model.compute_metrics(x, y, scores)
        self._model.reset_metrics()
        self._no_metrics = [np.asarray(variable) for variable in self._model.metrics_variables]
        if self._augmentation is not None:
            self._augmentation(x, training=True)
            generator = np.random.default_rng(self._batches.seed)
            for state in self._augmentation.non_trainable_variables:  # those of the layers' seeds
                state.assign(generator.integers(2**32, size=state.shape, dtype="uint32"))

    def fit(self, epochs, backup, log, validation=None):
        """Train, from the last backup if there is one, and assign the weights to the model.

        Args:
            epochs: int, the number of epochs in all.
            backup: path of the file of backups, which remains.
            log: path of a CSV file with a row of metrics and seconds for each epoch.
            validation: images and classes whose accuracy is computed after each epoch, or None.
        """
        state, first = self._restored(backup)
        images, classes, validation = jax.device_put((self._batches.x, self._batches.y, validation))
        seed, saved = jax.random.key(self._batches.seed), time.monotonic()
        for epoch in range(first, epochs):
            start = time.monotonic()
            state, logs = self._run_epoch(state, images, classes, jax.random.fold_in(seed, epoch))
            row = {"epoch": epoch, **{name: float(value) for name, value in logs.items()}}
            if validation is not None:
                row["val_accuracy"] = self._accuracy(state, *validation)
            row["seconds"] = time.monotonic() - start
            _append(log, row)
            _show(epochs, row)
            if time.monotonic() - saved > SECONDS_BETWEEN_BACKUPS or epoch == epochs - 1:
                self._back_up(state, epoch, backup)
                saved = time.monotonic()
        self._assign(state)
        self._model.optimizer.finalize_variable_values(self._model.trainable_variables)

    def _epoch(self, state, images, classes, key):
        order = jax.random.permutation(key, len(images))[: self._steps * self._batches.batch_size]

        def step(state, rows):
            *state, seeds = state
            x = images[rows]
            if self._augmentation is not None:
                x, seeds = self._augmentation.stateless_call([], seeds, x, training=True)
            logs, state = self._model.train_step(tuple(state), (x, classes[rows]))
            return (*state, seeds), logs

        state = (*state[:3], self._no_metrics, state[4])
        state, logs = jax.lax.scan(step, state, order.reshape(self._steps, self._batches.batch_size))
        return state, jax.tree.map(lambda values: values[-1], logs)

    def _accuracy(self, state, images, classes, batch_size=500):
        parts = [slice(start, start + batch_size) for start in range(0, len(images), batch_size)]
        correct = sum(self._count_correct(*state[:2], images[part], classes[part]) for part in parts)
        return int(correct) / len(images)

    def _correct(self, trainable, non_trainable, images, classes):
        scores, _ = self._model.stateless_call(trainable, non_trainable, images, training=False)
        return jnp.sum(jnp.argmax(scores, axis=1) == classes)

    def _variables(self):
        augmentation = [] if self._augmentation is None else self._augmentation.non_trainable_variables
        return (
            self._model.trainable_variables,
            self._model.non_trainable_variables,
            self._model.optimizer.variables,
            self._model.metrics_variables,
            augmentation,
        )

    def _restored(self, backup):
        """Return a state, and the epoch that it is the beginning of."""
        if not backup.exists():
            return tuple([jnp.array(variable.value) for variable in kind] for kind in self._variables()), 0
        with np.load(backup) as arrays:
            values = (arrays[f"arr_{i}"] for i in range(len(arrays.files)))
            epoch = int(next(values))
            kinds = self._variables()
            return tuple([jnp.asarray(next(values), v.dtype) for v in kind] for kind in kinds), epoch + 1

    def _back_up(self, state, epoch, backup):
        with _run.atomic_write(backup) as written, open(written, "wb") as file:
            np.savez(file, epoch, *map(_storable, jax.tree.leaves(state)))

    def _assign(self, state):
        for variables, values in zip(self._variables(), state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def _storable(value):
    """Return an array in a type that NumPy's files know: bfloat16 is none."""
    return np.asarray(value, "float32" if value.dtype == jnp.bfloat16 else value.dtype)


def _append(log, row):
    is_new = not log.exists()
    with open(log, "a", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _show(epochs, row):
    values = {
        name: f"{row[name]:.4g}" for name in ("accuracy", "loss", "val_accuracy", "seconds") if name in row
    }
    print(f"Epoch {row['epoch'] + 1}/{epochs}:", ", ".join(f"{k} {v}" for k, v in values.items()), flush=True)
