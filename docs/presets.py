"""Write the table of presets into the page that has the marker, and a page for each model card."""

import json
import pathlib

from mkdocs.structure.files import File

import keras_bsd

RECORDS = pathlib.Path(__file__).parents[1] / "keras_bsd" / "applications" / "weights"
MARKER = "<!-- presets -->"
FORMATS = {"test_accuracy": "{:.2%}", "test_mse": "MSE {:.4f}"}
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def on_files(files, config):
    for path in sorted(RECORDS.glob("*.json")):
        card = keras_bsd.applications.model_card(path.stem)
        files.append(File.generated(config, f"presets/{path.stem}.md", content=card))
    return files


def on_page_markdown(markdown, page, config, files):
    return markdown.replace(MARKER, table()) if MARKER in markdown else markdown


def table():
    records = {path.stem: json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))}
    columns = ["preset", "application", "data", "test score", "parameters", "trained on", "trained by"]
    rows = [columns, ["---"] * len(columns), *(_row(name, record) for name, record in records.items())]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(name, record):
    training = record["training"]
    score = next(form.format(record[key]) for key, form in FORMATS.items() if key in record)
    runs = [training["fine_tuned_from"]["command"]] if "fine_tuned_from" in training else []
    commands = [f"`{command.removeprefix('python applications/')}`" for command in (*runs, record["command"])]
    return [
        f"[`{name}`](presets/{name}.md)",
        f"`{record['application']}`",
        f"`{record['data']}`",
        score.replace("%", " %"),
        f"{record['parameters']:,}",
        _conditions(training),
        ", then ".join(commands),
    ]


def _conditions(training):
    versions, backend = training["versions"], training["backend"]
    software = f"{BACKENDS[backend]} {versions[backend]}, Keras {versions['keras']}"
    return f"{software}, keras_bsd {versions['keras_bsd']}; {training['machine']}; {training['date'][:10]}"
