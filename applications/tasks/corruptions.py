"""Corruptions of images and of networks, to measure the robustness of classifiers."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from scipy import ndimage

import keras_bsd


class Corruption(NamedTuple):
    """A corruption of images, in several strengths."""

    title: str
    unit: str
    strengths: tuple
    apply: Callable  # of images, a strength and a seed


def _add_noise(images, deviation, seed):
    generator = np.random.default_rng(seed)
    return np.clip(images + deviation * generator.normal(size=images.shape), 0, 1)


def _blur(images, deviation, seed):
    pixels = deviation * images.shape[1] / 32
    return ndimage.gaussian_filter(images, (0, pixels, pixels, 0))


def _reduce_contrast(images, fraction, seed):
    means = images.mean(axis=(1, 2), keepdims=True)
    return means + (1 - fraction) * (images - means)


def _occlude(images, side, seed):
    """Cover a random square of each image with black."""
    height, width = (round(side * pixels) for pixels in images.shape[1:3])
    generator = np.random.default_rng(seed)
    top = generator.integers(0, images.shape[1] - height, len(images), endpoint=True)[:, None, None]
    left = generator.integers(0, images.shape[2] - width, len(images), endpoint=True)[:, None, None]
    rows, columns = np.arange(images.shape[1])[:, None], np.arange(images.shape[2])
    hidden = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return np.where(hidden[..., None], 0, images)


CORRUPTIONS = {
    "gaussian_noise": Corruption(
        "Gaussian noise", "standard deviation", (0.05, 0.1, 0.2, 0.3, 0.4), _add_noise
    ),
    "blur": Corruption("blur", "standard deviation, 32nds of the image", (0.5, 1.0, 1.5, 2.0, 3.0), _blur),
    "contrast": Corruption("contrast", "fraction lost", (0.3, 0.5, 0.7, 0.8, 0.9), _reduce_contrast),
    "occlusion": Corruption(
        "occlusion", "side of the square, fraction of the image", (0.2, 0.3, 0.4, 0.5, 0.6), _occlude
    ),
}
DROPPED = (0.1, 0.2, 0.3, 0.4, 0.5)  # probabilities with which spikes are dropped


class DropSpikes(keras.layers.Layer):
    """Drops each spike with a probability, at inference too."""

    def __init__(self, probability, seed, **kwargs):
        super().__init__(**kwargs)
        self.probability = probability
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, spikes):
        retained = keras.random.uniform(ops.shape(spikes), seed=self.generator) >= self.probability
        return spikes * ops.cast(retained, spikes.dtype)


def with_dropped_spikes(encoder, probability, seed) -> keras.Model:
    """Return a copy of an encoder in which each spike between stages is dropped with a probability."""
    seeds = itertools.count(seed)  # each stage drops other spikes

    def copy(layer):
        copied = layer.__class__.from_config(layer.get_config())
        if not isinstance(layer, keras_bsd.layers.SpikingStage):
            return copied
        return keras.Sequential([copied, DropSpikes(probability, next(seeds))], name=layer.name)

    copied = keras.models.clone_model(encoder, clone_function=copy, recursive=True)
    copied.set_weights(encoder.get_weights())
    return copied
