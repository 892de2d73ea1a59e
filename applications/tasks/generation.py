"""Reconstruction, completion and generation of images."""

import keras
import numpy as np
from matplotlib.figure import Figure

import keras_bsd
from keras_bsd import plots
from tasks.images import ImageTask

BATCH = 500
SHOWN = 10
LAST = {"data_format": "channels_last"}  # whatever Keras's configuration


class Generation(ImageTask):
    """Images to reconstruct, complete and generate."""

    name, score = "generation", "mse"

    def scores(self, model) -> dict:
        """Return the mean squared error of reconstructed test stimuli."""
        x, _ = self.test
        errors = np.square(model.reconstruct(x, batch_size=BATCH) - x, dtype="float64")
        return {"mse": float(errors.mean())}

    def format_scores(self, scores) -> str:
        return f"mean squared error {scores['mse']:.4f} of {len(self.test[0])} test samples"

    def draw(self, models, seed=0) -> Figure:
        """Draw stimuli over reconstructions, completions from the upper half, recalled and generated stimuli.

        Args:
            models: dict from a title to a model.
            seed: int, seed of the generated stimuli.
        """
        figure = Figure(figsize=(5 * len(models), 6), layout="constrained")
        columns = figure.subplots(4, len(models), squeeze=False, height_ratios=(2, 2, 1, 3)).T
        x = self.test[0][:SHOWN]
        upper_half = np.arange(x.shape[1])[:, None, None] < x.shape[1] // 2
        for axes, (method, model) in zip(columns, models.items(), strict=True):
            concepts = np.arange(SHOWN) % model.concepts
            rows = {
                f"{method}: reconstructed": [*x, *model.reconstruct(x)],
                "completed from the upper half": [
                    *np.where(upper_half, x, 0),
                    *model.complete(x, upper_half),
                ],
                "recalled": model.recall(concepts),
                "generated": model.generate(3 * SHOWN, np.tile(concepts, 3), seed=seed),
            }
            for axis, (title, images) in zip(axes, rows.items(), strict=True):
                plots.stimuli(np.asarray(images), columns=SHOWN, axis=axis)
                axis.set_title(title)
        return figure


def augmentation(noise=0.0, hide=0.0) -> list:
    """Return layers that corrupt training stimuli before the feedforward network, for these strengths."""
    layers = []
    if noise:
        layers.append(keras_bsd.datasets.RandomNoise(noise))
    if hide:
        layers.append(keras.layers.RandomErasing((hide, hide), scale=(0.1, 0.5), fill_value=0.0, **LAST))
    return layers
