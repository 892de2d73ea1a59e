"""Recognition of images."""

import keras
import numpy as np
from matplotlib.figure import Figure

from keras_bsd import plots
from tasks.images import ImageTask

BATCH = 500
LAST = {"data_format": "channels_last"}  # whatever Keras's configuration


class Recognition(ImageTask):
    """Images to classify."""

    name, score = "recognition", "accuracy"

    def split(self, fraction, seed):
        """Return training samples and held-out samples, or None for the latter if their fraction is zero."""
        x, y = self.training
        if not fraction:
            return self.training, None
        order = np.random.default_rng(seed).permutation(len(x))
        kept, held_out = np.split(order, [len(x) - int(len(x) * fraction)])
        return (x[kept], y[kept]), (x[held_out], y[held_out])

    def scores(self, model) -> dict:
        """Return the accuracy on test data."""
        if not model.compiled:
            model.compile(metrics=["accuracy"])
        logs = model.evaluate(*self.test, batch_size=BATCH, verbose=0, return_dict=True)
        return {"accuracy": logs["accuracy"]}

    def format_scores(self, scores) -> str:
        return f"{scores['accuracy']:.2%} of {len(self.test[0])} test samples"


def augmentation(flip=False, rotate=0.0, shift=0.0, blur=0.0, contrast=0.0, erase=0.0) -> list:
    """Return Keras's preprocessing layers for these strengths."""
    layers = []
    if flip:
        layers.append(keras.layers.RandomFlip("horizontal", **LAST))
    if rotate:
        layers.append(keras.layers.RandomRotation(rotate, fill_mode="constant", **LAST))
    if shift:  # by whole pixels: trained on blurred images alone, a network is worse at sharp ones
        factors = (shift, shift)
        layers.append(
            keras.layers.RandomTranslation(*factors, fill_mode="constant", interpolation="nearest", **LAST)
        )
    if blur:
        layers.append(keras.layers.RandomGaussianBlur((blur, blur), kernel_size=5, value_range=(0, 1), **LAST))
    if contrast:
        layers.append(keras.layers.RandomContrast(contrast, value_range=(0, 1), **LAST))
    if erase:
        layers.append(keras.layers.RandomErasing((erase, erase), scale=(0.02, 0.2), value_range=(0, 1), **LAST))
    return layers


def draw_report(histories, title=None, model=None, stimulus=None) -> Figure:
    """Draw learning curves, and of a pair alignment, the spikes of one stimulus and recalled stimuli.

    Args:
        histories: dict from a title to a training history.
        title: that of `model`, or None for no pair.
        model: `keras_bsd.BSDModel`.
        stimulus: array `(height, width, channels)`.
    """
    figure = Figure(figsize=(13, 8), layout="constrained")
    mosaic = [["loss", "accuracy", "raster"], ["alignment", "recall", "raster"]]
    axes = figure.subplot_mosaic(mosaic if model else [["loss", "accuracy"]])
    for metric in ("loss", "accuracy"):
        plots.learning_curves(histories, metric, axes[metric])
    if model:
        plots.alignment(histories[title], axes["alignment"])
        spikes = {stage: trains[0] for stage, trains in model.spikes(stimulus[None]).items()}
        plots.spike_raster(spikes, axis=axes["raster"])
        concepts = np.arange(min(model.encoder.output_shape[-1], 20))
        plots.stimuli(model.recall(concepts), [str(c) for c in concepts], columns=5, axis=axes["recall"])
        axes["alignment"].set_title("alignment of encoder and decoder")
        axes["recall"].set_title("stimuli recalled by the decoder")
        axes["raster"].set_title("spikes of one test sample")
    return figure
