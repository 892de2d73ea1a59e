"""Audit a trained pair: how far it keeps the criteria of plausibility, and what it costs.

    python applications/audit_model.py --model=runs/digits/rate.keras
    python applications/audit_model.py --model=mnist_dense --dataset=mnist --data_dir=DIR --costs=loihi

Writes both reports as text, all figures in JSON, and a picture to `--output_dir`.
"""

import pathlib

import keras
import numpy as np
from absl import app, flags
from matplotlib.figure import Figure

import keras_bsd
from keras_bsd import audit, plots, runs
from keras_bsd._files import atomic_write, write_json
from keras_bsd.applications import presets
from keras_bsd.audit import costs

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "A .keras file of a pair, or the name of a preset.", required=True)
flags.DEFINE_string("dataset", "digits", "As in train_recognition.py.")
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_integer("samples", 64, "Test samples, the first of the set.", lower_bound=2)
flags.DEFINE_enum("costs", "45nm", list(costs.PRESETS), "What an operation costs.")
flags.DEFINE_string("output_dir", "runs/audit", "Where results go.")


def load(name):
    """The pair, compiled."""
    model = presets.load(name, compile=True)
    if not model.compiled:
        model.compile()
    return model


def draw(model, x, y, energy, path):
    """Spikes and membranes of one sample, the top stage's affinities, and the energy."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    axes = figure.subplot_mosaic([["raster", "membranes"], ["affinity", "energy"]])
    forward = audit.spikes(model.encoder, x)
    plots.spike_raster({name: trains[0] for name, trains in forward.items()}, axis=axes["raster"])
    stage = model.encoder_stages[0].name
    seen = audit.membranes(model.encoder, stage, x[:1])
    rates = forward[stage][0].mean(axis=0).ravel()
    lively = np.argsort(abs(rates - 0.5), kind="stable")[:3]
    plots.membranes(seen["membranes"][0], seen["spikes"][0], seen["threshold"], lively, axis=axes["membranes"])
    backward = audit.spikes(model.decoder, np.eye(model.encoder.output_shape[-1]))
    top, mirrored = model.encoder_stages[-1].name, model.decoder_stages[-1].name
    affinity = keras_bsd.losses.cosine_affinity(forward[top].mean(axis=1), backward[mirrored].mean(axis=1))
    shown = np.argsort(y[:20], kind="stable")
    plots.affinity(
        keras.ops.convert_to_numpy(affinity)[shown], y[shown], range(affinity.shape[1]), axes["affinity"]
    )
    plots.energy({model.name: energy}, axis=axes["energy"])
    titles = {
        "raster": "one test sample's spikes",
        "membranes": f"the same sample, stage {stage}",
        "affinity": f"test samples, stage {top}",
        "energy": "energy",
    }
    for name, title in titles.items():
        axes[name].set_title(title)
    with atomic_write(path) as written:
        figure.savefig(written, dpi=120)


def main(_):
    folder = pathlib.Path(FLAGS.output_dir)
    _, (x, y) = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    x, y = x[: FLAGS.samples], y[: FLAGS.samples]
    model = load(FLAGS.model)
    plausibility = audit.plausibility(model, x, y)
    energy = audit.energy(model, x, FLAGS.costs)
    draw(model, x, y, energy, folder / "audit.png")
    text = f"{plausibility}\n\n{energy}\n"
    with atomic_write(folder / "audit.txt") as written:
        written.write_text(text)
    record = {
        "plausibility": plausibility.to_dict(),
        "energy": energy.to_dict(),
        "flags": runs.settings(),
        **keras_bsd.environment(),
    }
    write_json(folder / "audit.json", record)
    print(text)
    for name in ("audit.txt", "audit.png", "audit.json"):
        print(folder / name)


if __name__ == "__main__":
    app.run(main)
