"""Batches of image sets whose order and augmentation follow from seed and epoch."""

import math

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks


class Batches(keras.utils.PyDataset):
    """Batches in an order, and augmented in a way, that seed and epoch alone decide.

    Training that was interrupted therefore goes on as it would have gone. The number of the epoch comes
    from `fit`, by way of the callback that `epoch_callback()` gives.

    Args:
        x: images `(samples, height, width, channels)`.
        y: classes `(samples,)`.
        batch_size: positive int.
        augmentation: image preprocessing layers of Keras, such as `keras.layers.RandomFlip`, or `RandomNoise`.
        seed: int.

    Example:

    >>> batches = keras_bsd.datasets.Batches(x, y, 128, [keras.layers.RandomFlip("horizontal")])
    >>> model.fit(batches, epochs=10, callbacks=[batches.epoch_callback()])
    """

    def __init__(self, x, y, batch_size, augmentation=(), seed=0):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self.augmentation, self.seed = list(augmentation), seed
        self._start(0)

    def epoch_callback(self):
        """A callback that starts each epoch's order."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs=None: self._start(epoch))

    def _start(self, epoch):
        self._epoch = epoch
        self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.x))

    def __len__(self):
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.x[chosen]
        seeds = np.random.default_rng([self.seed, self._epoch, index]).integers(
            2**31, size=len(self.augmentation)
        )
        for layer, seed in zip(self.augmentation, seeds, strict=True):
            images = ops.convert_to_tensor(images, getattr(layer, "compute_dtype", None))
            generator = keras.random.SeedGenerator(int(seed))
            images = layer.transform_images(images, layer.get_random_transformation(images, seed=generator))
        return images, self.y[chosen]


class RandomNoise:
    """An augmentation for `Batches`: images in [0, 1] with Gaussian noise, some with more than others.

    Args:
        most: positive float. Each image's standard deviation of noise is drawn evenly from 0 to this.

    Raises:
        ValueError: `most` is not a positive number.

    Example:

    >>> batches = keras_bsd.datasets.Batches(x, x, 128, [keras_bsd.datasets.RandomNoise(0.4)])
    """

    def __init__(self, most):
        self.most = _checks.real("most", most, low=0.0, low_open=True)

    def get_random_transformation(self, images, seed):
        deviations = keras.random.uniform((len(images), 1, 1, 1), 0, self.most, seed=seed)
        return deviations * keras.random.normal(images.shape, seed=seed)

    def transform_images(self, images, noise):
        return ops.clip(ops.add(images, noise), 0, 1)
