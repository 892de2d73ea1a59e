"""Model cards: metadata that the Hub's own package reads, figures of the record, code that runs."""

import json
import re
import sys

import numpy as np
import pytest

import keras_bsd
from keras_bsd import applications
from keras_bsd.applications import _presets as presets
from tests import test_docs
from tests.applications.conftest import write_preset

huggingface_hub = pytest.importorskip(
    "huggingface_hub", reason="huggingface_hub is not installed: pip install 'keras-bsd[hub]'"
)


def section(card, title):
    return re.search(rf"^## {title}\n\n(.*?)(?=^## |\Z)", card, re.DOTALL | re.MULTILINE)[1]


def pair():
    return applications.SpikingMLP((4,), classes=3, timesteps=2, units=(8,))


@pytest.mark.parametrize("name", presets.names())
def test_cards_of_presets(name):
    text, record = applications.model_card(name), presets.record(name)
    card = huggingface_hub.ModelCard(text)
    assert card.data.library_name == "keras"
    assert card.data.license == "apache-2.0"
    assert card.data.model_name == name
    (score,) = (key for key in record if key.startswith("test_"))
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == (score[5:], pytest.approx(record[score], abs=1e-5))
    assert result.dataset_split == "test"
    assert card.data.datasets == [result.dataset_type]
    assert card.data.metrics == [result.metric_type]
    assert result.task_type == card.data.pipeline_tag
    assert record["command"] in section(text, "Training")
    assert f"{record['parameters']:,}" in section(text, "Size")
    for note in record.get("notes", ()):
        assert note in section(text, "Limits")
    assert text.startswith("---\n")
    assert re.findall(r"\n\n\n|None|\{\}", text) == []


def test_cards_of_cifar_name_the_encoding_of_its_images():
    names = [name for name in presets.names() if presets.record(name)["data"] == "cifar10"]
    assert names == ["cifar10_autoencoder", "cifar10_conv"]
    for name in names:
        assert "re-encoded as JPEG" in section(applications.model_card(name), "Limits")


def test_a_table_has_the_methods_of_the_run():
    scores = presets.record("etth1_hourly")["training"]
    table = section(applications.model_card("etth1_hourly"), "Results")
    assert "mse 0.1149" in table
    assert f"| `ridge` | {scores['compared_with']['ridge']['scores']['mse']:.4f} |" in table
    assert table.count("\n| `") == 1 + len(scores["compared_with"])


def test_audits_are_in_the_card():
    text = section(applications.model_card("mnist_dense"), "Plausibility and energy")
    energy = presets.record("mnist_dense")["audit"]["energy"]
    assert "| C1 | feedforward and backward weights are independent | holds |" in text
    assert f"{energy['energy'] / 1000:,.0f} nJ" in text
    assert "Plausibility" not in applications.model_card("mnist_conv")


def test_the_command_before_fine_tuning_comes_first(folder):
    record = json.loads((folder / "small.json").read_text())
    record |= {"command": "python second.py", "training": {"fine_tuned_from": {"command": "python first.py"}}}
    (folder / "small.json").write_text(json.dumps(record))
    training = section(applications.model_card("small"), "Training")
    assert training == "```sh\npython first.py\n```\n\n```sh\npython second.py\n```\n\n"


INPUTS = {
    "mnist_dense": {"stimuli": np.zeros((2, 28, 28, 1))},
    "etth1_hourly": {"windows": np.zeros((2, 48, 7))},
}


@pytest.mark.parametrize("name", INPUTS)
def test_code_of_cards_runs(name):
    (code,) = re.findall(r"```python\n(.*?)```", applications.model_card(name), re.DOTALL)
    names = dict(INPUTS[name])
    exec(code, names)
    assert len(names.get("scores", names.get("forecasts"))) == 2


def test_code_of_a_published_preset_runs(hub, folder):
    applications.load_preset("small").save("hf://somebody/small")
    (code,) = re.findall(r"```python\n(.*?)```", applications.model_card("small", "somebody/small"), re.DOTALL)
    names = {"stimuli": np.zeros((2, 4))}
    exec(code, names)
    assert names["scores"].shape == (2, 3)


def test_a_card_of_a_record_elsewhere(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write_preset(elsewhere, "own")
    text = applications.model_card(elsewhere / "own.json")
    assert "\n# own\n" in text
    assert f'load_preset("{elsewhere / "own.json"}")' in text
    assert huggingface_hub.ModelCard(text).data.pipeline_tag is None  # stimuli are no images


def test_a_card_of_a_pair(hub):
    energy = {"samples": 3, "costs": {"name": "45nm"}, "energy": 2e6, "ann_energy": 4e6}
    text = applications.model_card(
        pair(),
        "somebody/shapes",
        task="recognition",
        data="shapes",
        labels=["ball", "doll", "kite"],
        test_accuracy=0.75,
        notes=["Toys only."],
        license="mit",
        audit={"energy": energy},
    )
    data = huggingface_hub.ModelCard(text).data
    assert (data.license, data.model_name, data.datasets) == ("mit", "shapes", None)
    (result,) = data.eval_results
    assert (result.dataset_name, result.metric_value) == ("shapes", 0.75)
    assert 'load_model("hf://somebody/shapes")' in text
    assert "Classes: `ball`, `doll`, `kite`." in text
    assert "On the test data of `shapes`: accuracy 75.00 %." in text
    assert "\n- Toys only.\n" in text
    assert "2,000 nJ; the same network with ReLU, without timesteps: 4,000 nJ" in text
    assert "| `units` | `[8]` |" in text
    assert "## Training" not in text
    # 4 * 8 weights, 4 values of batch normalisation for each of 8 neurons, (8 + 1) * 3 of the readout:
    assert "91 parameters" in section(text, "Size")


def test_a_card_of_a_pair_that_no_builder_made():
    encoder = pair().encoder
    text = applications.model_card(
        keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), name="mine"), task="recognition", data="shapes"
    )
    assert "a `keras_bsd.BSDModel`" in text
    assert 'load_model("mine.keras")' in text
    assert huggingface_hub.ModelCard(text).data.eval_results is None


@pytest.mark.parametrize(
    ("arguments", "entries", "message"),
    [
        (["mnist"], {}, r"Unknown preset: choose one of .*Received: 'mnist'"),
        ([3], {}, r"`model` must be a preset, .*Received: model=3"),
        (
            ["mnist_dense", "hf://me/x"],
            {},
            r'must be "user/name", without .*Received: repository=\'hf://me/x\'',
        ),
        (["mnist_dense", "mnist"], {}, r"Received: repository='mnist'"),
        (
            ["mnist_dense"],
            {"accuracy": 1},
            r"Entries of a model card are task, data, .*Received: accuracy. Omit",
        ),
        (["mnist_dense"], {"task": "images"}, r"Unknown `task`: .*Received: task='images'"),
        (
            ["mnist_dense"],
            {"test_accuracy": 98.8},
            r"`test_accuracy` must be .*in \[0, 1.*Received: test_accuracy=98.8",
        ),
        (["mnist_dense"], {"test_mse": None}, r"`test_mse` must be a finite number"),
        (["mnist_dense"], {"notes": "Small."}, r"`notes` must be a list of strings. Received: notes='Small.'"),
        (["mnist_dense"], {"labels": [1, 2]}, r"`labels` must be a list of strings. Received: labels=\[1, 2\]"),
        (
            ["mnist_dense"],
            {"audit": {"cost": {}}},
            r"`audit` must be a dict of the dicts .*Received: audit=.'cost",
        ),
        (
            ["mnist_dense"],
            {"audit": {"energy": {"samples": 3}}},
            r"`audit` must be a dict .*Received: audit=.'energy': .'samples': 3",
        ),
        (["mnist_dense", "user/"], {}, '"user/name", without a prefix. Received: repository=.user/'),
        (["mnist_dense"], {"command": None}, "`command` must be a string. Received: command=None"),
        (["mnist_dense"], {"license": 3}, "`license` must be a string. Received: license=3"),
        (["mnist_dense"], {"audit": {"energy": 3}}, r"`audit` must be a dict .*Received: audit=.'energy': 3"),
        ([pair], {"task": "recognition"}, r"`data` must be the name of .*Received: data=None. Pass it"),
    ],
)
def test_errors_name_the_remedy(arguments, entries, message):
    arguments = [argument() if callable(argument) else argument for argument in arguments]
    with pytest.raises(ValueError, match=message):
        applications.model_card(*arguments, **entries)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        ImportError, match=r"A model card needs huggingface_hub: pip install 'keras-bsd\[hub\]'"
    ):
        applications.model_card("mnist_dense")
    with pytest.raises(ImportError, match=r"Loading from the Hugging Face Hub needs huggingface_hub"):
        applications.load_preset("hf://me/x")


def test_the_citation_is_that_of_the_software():
    cited = (test_docs.ROOT / "CITATION.cff").read_text()
    citation = section(applications.model_card("etth1_hourly"), "Citation")
    assert re.search(r"url = \{(.*?)\}", citation)[1] in cited
    assert re.search(r" title = \{(.*?)\}", citation)[1] in cited
