"""Pictures of a pair trained on the handwritten digits, drawn whenever MkDocs builds the site."""

import functools
import io

import keras
import numpy as np
from mkdocs.structure.files import File

import keras_bsd
from keras_bsd import plots


def on_files(files, config):
    for name, picture in pictures().items():
        files.append(File.generated(config, f"pictures/{name}.svg", content=picture))
    return files


@functools.cache  # `mkdocs serve` builds the site again after each change
def pictures():
    """Return a dict of SVG files by name."""
    keras.utils.set_random_seed(0)
    (x, y), (x_test, y_test) = keras_bsd.datasets.load_images("digits")
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, timesteps=8, units=(128, 128))
    model.compile(keras.optimizers.AdamW(6e-3), metrics=["accuracy"])
    history = model.fit(x, y, batch_size=128, epochs=25, verbose=0).history

    sample = x_test[:1]
    activity = keras_bsd.audit.membranes(model.encoder, "dense_2", sample)
    membranes, spikes = activity["membranes"][0], activity["spikes"][0]
    active = np.argsort(abs(spikes.mean(axis=0) - 0.5), kind="stable")[:3]  # neither silent nor always firing
    digits = [str(digit) for digit in range(10)]
    figures = {
        "alignment": plots.alignment(history),
        "spikes": plots.spike_raster({name: train[0] for name, train in model.spikes(sample).items()}),
        "membranes": plots.membranes(membranes, spikes, activity["threshold"], neurons=active),
        "affinity": plots.affinity(affinity(model, x_test, y_test), digits, digits),
        "recalled": plots.stimuli(model.recall(range(10)), labels=digits),
        "energy": plots.energy({"digits": keras_bsd.audit.energy(model, x_test)}),
    }
    return {name: to_svg(figure) for name, figure in figures.items()}


def affinity(model, x, y):
    """Return the affinity of each class's mean representation in the last stage with all prototypes."""
    stage, teacher = model.encoder_stages[-1], model.decoder_stages[-1]
    rates = model.spikes(x)[stage.name].mean(axis=1)
    means = np.stack([rates[y == digit].mean(axis=0) for digit in range(10)])
    prototypes = keras_bsd.audit.spikes(model.decoder, np.eye(10))[teacher.name].mean(axis=1)
    return keras_bsd.losses.cosine_affinity(means, prototypes)


def to_svg(figure):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight")
    return buffer.getvalue()
