"""Pictures of a pair that has learned the handwritten digits, drawn whenever MkDocs builds the pages."""

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


@functools.cache  # for `mkdocs serve`, which builds again and again
def pictures():
    """SVG files by name."""
    keras.utils.set_random_seed(0)
    (x, y), (x_test, y_test) = keras_bsd.datasets.load_images("digits")
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, timesteps=8, units=(128, 128))
    model.compile(keras.optimizers.AdamW(6e-3), metrics=["accuracy"])
    history = model.fit(x, y, batch_size=128, epochs=25, verbose=0).history

    sample = x_test[:1]
    seen = keras_bsd.audit.membranes(model.encoder, "dense_2", sample)
    trace, fired = seen["membranes"][0], seen["spikes"][0]
    some = np.argsort(abs(fired.mean(axis=0) - 0.5), kind="stable")[:3]  # neither silent nor always firing
    drawn = {
        "alignment": plots.alignment(history),
        "spikes": plots.spike_raster({name: train[0] for name, train in model.spikes(sample).items()}),
        "membranes": plots.membranes(trace, fired, seen["threshold"], neurons=some),
        "affinity": plots.affinity(classes_and_prototypes(model, x_test, y_test), range(10), range(10)),
        "recalled": plots.stimuli(model.recall(range(10)), labels=[str(digit) for digit in range(10)]),
        "energy": plots.energy({"digits": keras_bsd.audit.energy(model, x_test)}),
    }
    return {name: as_svg(figure) for name, figure in drawn.items()}


def classes_and_prototypes(model, x, y):
    """Affinity of the last stage's mean rates, class by class, with its partner's rates for each class."""
    stage, partner = model.encoder_stages[-1], model.decoder_stages[-1]
    rates = model.spikes(x)[stage.name].mean(axis=1)
    means = np.stack([rates[y == digit].mean(axis=0) for digit in range(10)])
    prototypes = keras_bsd.audit.spikes(model.decoder, np.eye(10))[partner.name].mean(axis=1)
    return keras_bsd.losses.cosine_affinity(means, prototypes)


def as_svg(figure):
    written = io.StringIO()
    figure.savefig(written, format="svg", bbox_inches="tight")
    return written.getvalue()
