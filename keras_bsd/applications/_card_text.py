"""The text of model cards, section by section, from the record of a preset or the entries of a pair."""

import json
from typing import NamedTuple

from keras_bsd.applications import _presets

METRICS = {"test_accuracy": "accuracy", "test_mse": "mse"}
_METHODS = {"rate": "BSD by the rate rule", "readouts": "BSD with local readouts"}
CITATION = """\
@inproceedings{lv2026biologically,
  title = {Biologically Plausible Learning via Bidirectional Spike-Based Distillation},
  author = {Lv, Changze and others},
  booktitle = {International Conference on Learning Representations},
  year = {2026},
  url = {https://arxiv.org/abs/2509.20284}
}"""


class _Data(NamedTuple):
    """The title of a data set, and its name on the Hub."""

    title: str
    hub_name: str


DATA = {
    "cifar10": _Data("CIFAR-10", "uoft-cs/cifar10"),
    "etth1": _Data("ETTh1", "ETDataset/ett"),
    "fashion_mnist": _Data("Fashion-MNIST", "zalando-datasets/fashion_mnist"),
    "mnist": _Data("MNIST", "ylecun/mnist"),
    "tiny_shakespeare": _Data("Tiny Shakespeare", "karpathy/tiny_shakespeare"),
}


def introduction(record):
    """Return what a model is."""
    application = record["application"]
    module = "keras_bsd" if application.startswith("BSD") else "keras_bsd.applications"
    return (
        "A pair of spiking neural networks in Keras, trained without backpropagation by bidirectional "
        f"spike-based distillation ([BSD](https://arxiv.org/abs/2509.20284)): a `{module}.{application}`."
    )


def purpose(record, use):
    """Return what a model is for."""
    labels = () if record["task"] == "text" else record.get("labels", ())  # there the alphabet is an argument
    named = f" Classes: {', '.join(f'`{label}`' for label in labels)}." if labels else ""
    return (
        f"{use} Trained with {_title(record)}.{named} For research and teaching on spiking networks and "
        "local learning; not for uses in which an error does harm."
    )


def _title(record):
    data = record["data"]
    return DATA[data].title if data in DATA else f"`{data}`"


def training(record):
    """Return how a model was trained: commands, method, machine, versions, seed."""
    training = record.get("training", {})
    earlier = training.get("fine_tuned_from") or {}
    commands = [part["command"] for part in (earlier, record) if "command" in part]
    lines = [f"```sh\n{command}\n```" for command in commands]
    if "versions" in training:
        versions, backend = training["versions"], training["backend"]
        lines.append(
            f"Method `{training['method']}`, {_METHODS.get(training['method'], training['method'])}: "
            f"{training['seconds']:,.0f} seconds on {training['machine']}; keras_bsd {versions['keras_bsd']}, "
            f"Keras {versions['keras']}, {backend} {versions[backend]}; {training['date'][:10]}, seed "
            f"{training['flags']['seed']}."
        )
    return "\n\n".join(lines)


def results(record):
    """Return the score on test data, and the scores of other methods in the same run, if there are some."""
    scores = [
        f"{METRICS[entry]} {form.format(record[entry]).removeprefix('MSE ').replace('%', ' %')}"
        for entry, form in _presets.SCORE_FORMATS.items()
        if entry in record
    ]
    lines = [f"On the test data of {_title(record)}: {', '.join(scores)}."] if scores else []
    training = record.get("training", {})
    if others := training.get("compared_with"):
        methods = {training["method"]: training, **others}
        metrics = [name for name, value in training["scores"].items() if isinstance(value, float)]
        rows = [
            [f"`{method}`", *(_figure(run["scores"].get(metric)) for metric in metrics)]
            for method, run in methods.items()
        ]
        lines.append("All methods of the same run, before the weights of the first were shortened:")
        lines.append(_table(["method", *(metric.replace("_", " ") for metric in metrics)], rows))
    return "\n\n".join(lines)


def _figure(value):
    return "" if value is None else f"{value:.4f}"


def size(record):
    """Return a model's parameters, the size of its file, and its arguments."""
    parameters = f"{record['parameters']:,} parameters of the encoder, which predicts"
    size = f"; {record['bytes'] / 1e6:.1f} MB of weights, both networks" if "bytes" in record else ""
    rows = [
        [f"`{name}`", f"`{json.dumps(value)}`"] for name, value in record["arguments"].items() if value != {}
    ]
    table = f"\n\n{_table(['argument', 'value'], rows)}" if rows else ""
    return f"{parameters}{size}.{table}"


def audit(audit):
    """Return the verdicts and the energy of an audit, or an empty text without one."""
    lines = []
    if plausibility := audit.get("plausibility"):
        rows = [[name, each["title"], each["verdict"]] for name, each in plausibility["criteria"].items()]
        lines.append(
            f"Criteria of biological plausibility, measured on {plausibility['samples']} test samples:"
        )
        lines.append(_table(["criterion", "", "verdict"], rows))
    if energy := audit.get("energy"):
        lines.append(
            f"Energy of a prediction by published costs of operations (`{energy['costs']['name']}`), mean of "
            f"{energy['samples']} samples: {energy['energy'] / 1e3:,.0f} nJ; the same network with ReLU, "
            f"without timesteps: {energy['ann_energy'] / 1e3:,.0f} nJ."
        )
    return "\n\n".join(lines)


def limits(record):
    """Return a model's limits, as a list."""
    notes = [*record.get("notes", ())]
    if "seed" in record.get("training", {}).get("flags", {}):
        notes.append("The score is that of one training.")
    notes.append("Data of another source, scale or preprocessing may yield worse predictions.")
    return "\n".join(f"- {note}" for note in notes)


def _table(header, rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows])
