"""Model cards for the Hugging Face Hub, written from the records of presets and from trained pairs."""

import math
import os
import re
from typing import Any, NamedTuple

from keras_bsd import _checks
from keras_bsd._optional import require
from keras_bsd._types import Model, Path
from keras_bsd.applications import _card_text as text
from keras_bsd.applications import _presets
from keras_bsd.models._pair import BSDModel

_TAGS = ["keras-bsd", "spiking-neural-networks", "local-learning", "biologically-plausible-learning"]
_ENTRIES = ("task", "data", "labels", *text.METRICS, "command", "notes", "audit", "license")

# What a card takes from the report of each audit.
_AUDITS = {"plausibility": {"criteria", "samples"}, "energy": {"costs", "samples", "energy", "ann_energy"}}


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
    is_name = isinstance(repository, str) and re.fullmatch(r"[\w.-]+/[\w.-]+", repository)
    if repository is not None and not is_name:
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
        "Intended use": text.purpose(record, task.use),
        "How to load": f"```sh\npip install {packages}\n```\n\n```python\n{loading}\n{task.code}\n```",
        "Training": text.training(record),
        "Results": text.results(record),
        "Size": text.size(record),
        "Plausibility and energy": text.audit(record.get("audit", {})),
        "Limits": text.limits(record),
        "Citation": f"```bibtex\n{text.CITATION}\n```",
    }
    body = "\n\n".join(f"## {title}\n\n{section}" for title, section in sections.items() if section)
    metadata = _metadata(hub, name, record, task).to_yaml()
    return f"---\n{metadata}\n---\n\n# {name}\n\n{text.introduction(record)}\n\n{body}\n"


def _check_entries(entries):
    if unknown := sorted({*entries} - {*_ENTRIES}):
        raise ValueError(
            f"Entries of a model card are {', '.join(_ENTRIES)}. Received: {', '.join(unknown)}. "
            "Omit or rename them."
        )
    for name in text.METRICS:
        if name in entries:
            _checks.real(name, entries[name], low=0, high=1 if name == "test_accuracy" else math.inf)
    for name in ("labels", "notes"):
        values = entries.get(name, [])
        if not isinstance(values, list | tuple) or not all(isinstance(value, str) for value in values):
            raise ValueError(f"`{name}` must be a list of strings. Received: {name}={values!r}")
    for name in ("command", "license"):
        if not isinstance(entries.get(name, ""), str):
            raise ValueError(f"`{name}` must be a string. Received: {name}={entries[name]!r}")
    audit = entries.get("audit", {})
    known = isinstance(audit, dict) and {*audit} <= {*_AUDITS}
    if not known or not all(_AUDITS[name] <= _keys(part) for name, part in audit.items()):
        raise ValueError(
            "`audit` must be a dict of the dicts that `to_dict()` of keras_bsd.audit's reports returns, "
            f"`plausibility` and `energy`. Received: audit={audit!r}"
        )


def _keys(part):
    return {*part} if isinstance(part, dict) else set()


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
    data = text.DATA.get(record["data"])
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
        for entry, metric in text.METRICS.items()
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
