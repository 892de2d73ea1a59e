"""Batches of image sets, and an augmentation."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Array, Tensor
from keras_bsd.datasets._seeded import SeededBatches


class Batches(SeededBatches):
    """Batches of images, whose order and augmentation follow from seed and epoch alone.

    Interrupted training can therefore be resumed with the same batches. `fit` passes the epoch by the callback
    that `epoch_callback()` returns.

    Args:
        x: images `(samples, height, width, channels)`.
        y: targets `(samples, ...)`, such as classes.
        batch_size: positive int.
        augmentation: image preprocessing layers of Keras, such as `keras.layers.RandomFlip`, or `RandomNoise`.
        seed: int.

    Example:

    >>> flip = keras.layers.RandomFlip("horizontal")
    >>> batches = keras_bsd.datasets.Batches(np.zeros((10, 8, 8, 1)), np.arange(10), 4, [flip])
    >>> [len(classes) for images, classes in (batches[i] for i in range(len(batches)))]
    [4, 4, 2]
    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(8,))
    >>> model.compile(run_eagerly=True)  # starts at once
    >>> history = model.fit(batches, callbacks=[batches.epoch_callback()], verbose=0)
    """

    def __init__(
        self, x: Array, y: Array, batch_size: int, augmentation: Sequence[Any] = (), seed: int = 0
    ) -> None:
        super().__init__(seed)
        self.x, self.y, self.batch_size = x, y, batch_size
        self.augmentation = list(augmentation)
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        self._epoch = epoch
        self._order = np.random.default_rng([self.seed, epoch]).permutation(len(self.x))

    def __len__(self) -> int:
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[Tensor, Array]:
        chosen = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        images = self.x[chosen]
        generator = np.random.default_rng([self.seed, self._epoch, index])
        seeds = generator.integers(2**31, size=len(self.augmentation))
        for layer, seed in zip(self.augmentation, seeds, strict=True):
            images = ops.convert_to_tensor(images, getattr(layer, "compute_dtype", None))
            transformation = layer.get_random_transformation(images, seed=keras.random.SeedGenerator(int(seed)))
            images = layer.transform_images(images, transformation)
        return images, self.y[chosen]


class RandomNoise:
    """Augmentation for `Batches` that adds Gaussian noise of random strength to images in [0, 1].

    Args:
        max_stddev: positive float. Each image's standard deviation of the noise is uniform in [0, max_stddev].

    Raises:
        ValueError: `max_stddev` is not a positive number.

    Example:

    >>> noise = keras_bsd.datasets.RandomNoise(0.4)
    >>> batches = keras_bsd.datasets.Batches(np.zeros((10, 8, 8, 1)), np.arange(10), 4, [noise])
    >>> images, classes = batches[0]
    >>> bool(ops.max(images) > 0)
    True
    """

    def __init__(self, max_stddev: float) -> None:
        self.max_stddev = _checks.real("max_stddev", max_stddev, low=0.0, low_open=True)

    def get_random_transformation(self, images: Tensor, seed: keras.random.SeedGenerator) -> Tensor:
        """Return noise of the shape of `images`."""
        stddevs = keras.random.uniform((len(images), 1, 1, 1), 0, self.max_stddev, seed=seed)
        return stddevs * keras.random.normal(images.shape, seed=seed)

    def transform_images(self, images: Tensor, noise: Tensor) -> Tensor:
        """Return images with noise added, clipped to [0, 1]."""
        return ops.clip(ops.add(images, noise), 0, 1)
