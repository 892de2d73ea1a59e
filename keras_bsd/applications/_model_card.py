"""Model cards for the Hugging Face Hub, written from the records of presets and from trained pairs."""

import json
import math
import os
from typing import Any, NamedTuple

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd._types import Model, Path
from keras_bsd.applications import _presets
from keras_bsd.models._pair import BSDModel

_TAGS = ["keras-bsd", "spiking-neural-networks", "local-learning", "biologically-plausible-learning"]
_METRICS = {"test_accuracy": "accuracy", "test_mse": "mse"}
_ENTRIES = ("task", "data", "labels", *_METRICS, "command", "notes", "audit", "training", "license")
_METHODS = {"rate": "BSD by the rate rule", "readouts": "BSD with local readouts"}
_CITATION = """\
@inproceedings{lv2026biologically,
  title = {Biologically Plausible Learning via Bidirectional Spike-Based Distillation},
  author = {Lv, Changze and others},
  booktitle = {International Conference on Learning Representations},
  year = {2026},
  url = {https://arxiv.org/abs/2509.20284}
}"""


class _Task(NamedTuple):
    """What the Hub calls a task, what its networks are for, and a line of code that uses one."""

    kind: str
    use: str
    code: str


_TASKS = {
    "recognition": _Task(
        "image-classification",
        "The encoder predicts the class of a stimulus, and the decoder recalls a stimulus for a class.",
        "scores = model.predict(stimuli)  # floats in the range of the training data",
    ),
    "generation": _Task(
        "unconditional-image-generation",
        "The encoder maps an image to a few latent firing rates, and the decoder maps them to an image.",
        "reconstructed = model.reconstruct(images)  # floats in [0, 1]",
    ),
    "forecast": _Task(
        "time-series-forecasting",
        "The encoder predicts the continuation of a window of a series, and the decoder recalls a window.",
        "forecasts = model.predict(windows)  # (batch, window, variables), in the units of the training data",
    ),
    "text": _Task(
        "text-generation",
        "The encoder predicts, for each character of a text, the probabilities of the next character.",
        'text = model.generate("the ", length=100)',
    ),
}


class _Data(NamedTuple):
    """The title of a data set, and its name on the Hub."""

    title: str
    hub_name: str


_DATA = {
    "cifar10": _Data("CIFAR-10", "uoft-cs/cifar10"),
    "etth1": _Data("ETTh1", "ETDataset/ett"),
    "fashion_mnist": _Data("Fashion-MNIST", "zalando-datasets/fashion_mnist"),
    "mnist": _Data("MNIST", "ylecun/mnist"),
    "tiny_shakespeare": _Data("Tiny Shakespeare", "karpathy/tiny_shakespeare"),
}


def model_card(model: Path | Model, repository: str | None = None, **entries: Any) -> str:
    """Return a model card for the Hugging Face Hub, written from a preset's record or for a trained pair.

    A card is the `README.md` of a repository on the Hub: metadata that the Hub reads, and text on purpose, use,
    training, scores, size and limits. Needs the extra `hub`.

    Args:
        model: name of a preset (`list_presets` prints them), path of a preset's `.json` record, or a pair.
        repository: name of the repository that has or will have the model, as `"user/name"`. By default the
            card explains how to load the preset, or a `.keras` file.
        **entries: entries of the record: a pair has none, and those of a preset are replaced. A pair requires
            `task` (`"recognition"`, `"generation"`, `"forecast"` or `"text"`) and `data`, the name of the data
            set. Optional are `labels`, the names of the classes; `test_accuracy` or `test_mse`; `command`, by
            which it was trained; `notes`, strings on its limits; `license` (default: `"apache-2.0"`); and
            `audit`, a dict of `"plausibility"` and `"energy"`, as `to_dict()` of the reports of
            `keras_bsd.audit` returns them.

    Raises:
        ValueError: there is no such preset, an entry is unknown, or a required one is missing.
        ImportError: the package `huggingface_hub` is not installed.

    Example:

    >>> card = keras_bsd.applications.model_card("mnist_dense")
    >>> "library_name: keras" in card, "accuracy 98.81 %" in card
    (True, True)
    >>> pair = keras_bsd.applications.SpikingMLP((8, 8, 1), classes=10, units=(16,))
    >>> card = keras_bsd.applications.model_card(
    ...     pair, "somebody/digits", task="recognition", data="digits", test_accuracy=0.97
    ... )
    >>> 'keras.saving.load_model("hf://somebody/digits")' in card
    True

    Source: the Hub's documentation, https://huggingface.co/docs/hub/model-cards.
    """
    hub = require("huggingface_hub", "A model card", "hub")
    if repository is not None and (not isinstance(repository, str) or repository.count("/") != 1):
        raise ValueError(
            f'`repository` must be "user/name", without a prefix. Received: repository={repository!r}'
        )
    _check_entries(entries)
    name, loading, record = _source(model, repository)
    record |= entries
    task = _TASKS[_checks.one_of("task", record.get("task"), _TASKS)]
    if not isinstance(record.get("data"), str):
        raise ValueError(
            "`data` must be the name of the data set that the model was trained with. "
            f"Received: data={record.get('data')!r}. Pass it as a string."
        )
    packages = "keras-bsd" if repository is None else "keras-bsd huggingface_hub"
    sections = {
        "Intended use": _purpose(record, task),
        "How to load": f"```sh\npip install {packages}\n```\n\n```python\n{loading}\n{task.code}\n```",
        "Training": _training(record),
        "Results": _results(record),
        "Size": _size(record),
        "Plausibility and energy": _audit(record.get("audit", {})),
        "Limits": _limits(record),
        "Citation": f"```bibtex\n{_CITATION}\n```",
    }
    text = "\n\n".join(f"## {title}\n\n{section}" for title, section in sections.items() if section)
    metadata = _metadata(hub, name, record, task).to_yaml()
    return f"---\n{metadata}\n---\n\n# {name}\n\n{_introduction(record)}\n\n{text}\n"


def _check_entries(entries):
    if unknown := sorted({*entries} - {*_ENTRIES}):
        raise ValueError(
            f"Entries of a model card are {', '.join(_ENTRIES)}. Received: {', '.join(unknown)}. "
            "Omit or rename them."
        )
    for name in _METRICS:
        if name in entries:
            _checks.real(name, entries[name], low=0, high=1 if name == "test_accuracy" else math.inf)
    for name in ("labels", "notes"):
        values = entries.get(name, [])
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"`{name}` must be a list of strings. Received: {name}={values!r}")
    audit = entries.get("audit", {})
    is_dict = isinstance(audit, dict) and all(isinstance(part, dict) for part in audit.values())
    if not is_dict or not {*audit} <= {"plausibility", "energy"}:
        raise ValueError(
            "`audit` must be a dict of the dicts that `to_dict()` of keras_bsd.audit's reports returns, "
            f"`plausibility` and `energy`. Received: audit={audit!r}"
        )


def _source(model, repository):
    """Return the name of a preset or of a pair, the code that loads it, and its record."""
    download = 'import keras\nimport keras_bsd\n\nmodel = keras.saving.load_model("{}")'
    if isinstance(model, BSDModel):
        application = model._application
        name = model.name if repository is None else repository.split("/")[1]
        record = {
            "application": type(model).__name__ if application is None else application.name,
            "arguments": {} if application is None else application.arguments,
            "parameters": model.encoder.count_params(),
        }
        return name, download.format(f"hf://{repository}" if repository else f"{name}.keras"), record
    if not isinstance(model, str | os.PathLike):
        raise ValueError(
            "`model` must be a preset, the path of a `.json` record, or a pair such as keras_bsd.BSDModel. "
            f"Received: model={model!r}"
        )
    record = {**_presets.record(model), "bytes": _presets.weights_path(model).stat().st_size}
    loading = f'import keras_bsd\n\nmodel = keras_bsd.applications.load_preset("{model}")'
    loading = loading if repository is None else download.format(f"hf://{repository}")
    return os.path.basename(model).removesuffix(".json"), loading, record


def _metadata(hub, name, record, task):
    data = _DATA.get(record["data"])
    kind = "other" if task.kind == "image-classification" and not _has_images(record) else task.kind
    results = [
        hub.EvalResult(
            task_type=kind,
            dataset_type=data.hub_name if data else record["data"],
            dataset_name=data.title if data else record["data"],
            dataset_split="test",
            metric_type=metric,
            metric_value=round(float(record[entry]), 5),
        )
        for entry, metric in _METRICS.items()
        if entry in record
    ]
    return hub.ModelCardData(
        library_name="keras",
        license=record.get("license", "apache-2.0"),
        pipeline_tag=None if kind == "other" else kind,
        tags=_TAGS,
        datasets=[data.hub_name] if data else None,
        metrics=[result.metric_type for result in results] or None,
        model_name=name,
        eval_results=results or None,
    )


def _has_images(record):
    arguments = record["arguments"]
    return len(arguments.get("input_shape", ())) == 3 and arguments.get("timesteps") is not None


def _introduction(record):
    application = record["application"]
    module = "keras_bsd" if application.startswith("BSD") else "keras_bsd.applications"
    return (
        "A pair of spiking neural networks in Keras, trained without backpropagation by bidirectional "
        f"spike-based distillation ([BSD](https://arxiv.org/abs/2509.20284)): a `{module}.{application}`."
    )


def _purpose(record, task):
    labels = record.get("labels", ()) if task is not _TASKS["text"] else ()  # there the alphabet is an argument
    named = f" Classes: {', '.join(f'`{label}`' for label in labels)}." if labels else ""
    return (
        f"{task.use} Trained with {_title(record)}.{named} For research and teaching on spiking networks and "
        "local learning; not for uses in which an error does harm."
    )


def _title(record):
    data = record["data"]
    return _DATA[data].title if data in _DATA else f"`{data}`"


def _training(record):
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


def _results(record):
    """Return the score on test data, and the scores of other methods in the same run, if there are some."""
    scores = [
        f"{_METRICS[entry]} {form.format(record[entry]).removeprefix('MSE ').replace('%', ' %')}"
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


def _size(record):
    parameters = f"{record['parameters']:,} parameters of the encoder, which predicts"
    size = f"; {record['bytes'] / 1e6:.1f} MB of weights, both networks" if "bytes" in record else ""
    rows = [
        [f"`{name}`", f"`{json.dumps(value)}`"] for name, value in record["arguments"].items() if value != {}
    ]
    table = f"\n\n{_table(['argument', 'value'], rows)}" if rows else ""
    return f"{parameters}{size}.{table}"


def _audit(audit):
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


def _limits(record):
    notes = [*record.get("notes", ())]
    if "seed" in record.get("training", {}).get("flags", {}):
        notes.append("The score is that of one training.")
    notes.append("Data of another source, scale or preprocessing may yield worse predictions.")
    return "\n".join(f"- {note}" for note in notes)


def _table(header, rows):
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows])
