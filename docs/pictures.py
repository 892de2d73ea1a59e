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
    before = prototypes_and_rates(model, x_test, y_test)
    history = model.fit(x, y, batch_size=128, epochs=12, verbose=0).history
    after = prototypes_and_rates(model, x_test, y_test)

    sample = x_test[:1]
    seen = keras_bsd.audit.membranes(model.encoder, "dense_1", sample)
    busy = np.argsort(-seen["spikes"][0].sum(axis=0), kind="stable")[[0, 20, 60]]
    drawn = {
        "alignment": plots.alignment(history),
        "spikes": plots.spike_raster({name: train[0] for name, train in model.spikes(sample).items()}),
        "membranes": plots.membranes(seen["membranes"][0], seen["spikes"][0], seen["threshold"], neurons=busy),
        "affinity_before": plots.affinity(before, rows=range(10), columns=range(10)),
        "affinity_after": plots.affinity(after, rows=range(10), columns=range(10)),
        "recalled": plots.stimuli(model.recall(range(10)), labels=[str(digit) for digit in range(10)]),
        "energy": plots.energy({"digits": keras_bsd.audit.energy(model, x_test)}),
    }
    return {name: as_svg(figure) for name, figure in drawn.items()}


def prototypes_and_rates(model, x, y):
    """Affinity of the last stage's mean rates for each class of stimuli with the decoder's for it."""
    (*_, stage), (teacher, *_) = model.encoder_stages, model.decoder_stages[::-1]
    rates = model.spikes(x)[stage.name].mean(axis=1)
    means = np.stack([rates[y == digit].mean(axis=0) for digit in range(10)])
    taught = keras_bsd.audit.spikes(model.decoder, np.eye(10))[teacher.name].mean(axis=1)
    return keras_bsd.losses.cosine_affinity(means, taught)


def as_svg(figure):
    written = io.StringIO()
    figure.savefig(written, format="svg")
    return written.getvalue()
