"""Audit a trained pair or a trained model of `keras_bsd.baselines`.

The audit measures which criteria of biological plausibility the model meets, and what it costs.

    python applications/audit_model.py --model=runs/digits/rate.keras
    python applications/audit_model.py --model=mnist_dense --dataset=mnist --data_dir=DIR --costs=loihi

Writes both reports as text, all results in JSON, and a picture to `--output_dir`.
"""

import _flags
import _run
import keras
import numpy as np
from absl import app, flags
from matplotlib.figure import Figure
from tasks.recognition import Recognition

import keras_bsd
from keras_bsd import audit, plots

FLAGS = flags.FLAGS
_flags.define_evaluation_flags("train_recognition.py", "runs/audit", samples=64, least_samples=2)
flags.DEFINE_enum("costs", "45nm", ["45nm", "45nm-memory", "loihi"], "Published energies of an operation.")


def load_compiled(name):
    model = keras_bsd.applications.load_preset(name, compile=True)
    if not model.compiled:
        model.compile()
    return model


def draw(model, x, y, energy) -> Figure:
    """Draw spikes and membranes of one sample, of a pair the affinities of the top stage, and the energy."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    is_pair = isinstance(model, keras_bsd.BSDModel)
    lower = ["affinity" if is_pair else "energy", "energy"]
    axes = figure.subplot_mosaic([["raster", "membranes"], lower])
    spikes = audit.spikes(model.encoder, x)
    plots.spike_raster({name: trains[0] for name, trains in spikes.items()}, axis=axes["raster"])
    axes["raster"].set_title("spikes of one test sample")
    draw_membranes(model, spikes, x[:1], axes["membranes"])
    if is_pair:
        draw_affinity(model, spikes, y, axes["affinity"])
    plots.energy({model.name: energy}, axis=axes["energy"])
    axes["energy"].set_title("energy")
    return figure


def draw_membranes(model, spikes, x, axis):
    """Draw the membranes of the first stage's three neurons whose firing rates are nearest to one half."""
    stage = model.encoder_stages[0].name
    record = audit.membranes(model.encoder, stage, x)
    rates = spikes[stage][0].mean(axis=0).ravel()
    neurons = np.argsort(abs(rates - 0.5), kind="stable")[:3]
    plots.membranes(record["membranes"][0], record["spikes"][0], record["threshold"], neurons, axis=axis)
    axis.set_title(f"membranes of the same sample, stage {stage}")


def draw_affinity(model, spikes, y, axis):
    """Draw the affinities of the top stage's representations and its teacher's prototypes."""
    top, teacher = model.encoder_stages[-1].name, model.decoder_stages[-1].name
    prototypes = audit.spikes(model.decoder, model.class_concepts)[teacher].mean(axis=1)
    affinity = keras_bsd.losses.cosine_affinity(spikes[top].mean(axis=1), prototypes)
    shown = np.argsort(y[:20], kind="stable")
    rows = keras.ops.convert_to_numpy(affinity)[shown]
    plots.affinity(rows, y[shown], range(affinity.shape[1]), axis)
    axis.set_title(f"affinities of test samples, stage {top}")


def main(_):
    folder = _run.expand(FLAGS.output_dir)
    x, y = (values[: FLAGS.samples] for values in Recognition(FLAGS.dataset, FLAGS.data_dir).test)
    model = load_compiled(FLAGS.model)
    plausibility = audit.plausibility(model, x, y)
    energy = audit.energy(model, x, FLAGS.costs)
    text = f"{plausibility}\n\n{energy}\n"
    _run.save_text(text, folder / "audit.txt")
    _run.save_figure(draw(model, x, y, energy), folder / "audit.png")
    results = {"plausibility": plausibility.to_dict(), "energy": energy.to_dict()}
    _run.write_json(folder / "audit.json", {**results, **_run.circumstances()})
    print(text)
    for name in ("audit.txt", "audit.png", "audit.json"):
        print(folder / name)


if __name__ == "__main__":
    app.run(main)
