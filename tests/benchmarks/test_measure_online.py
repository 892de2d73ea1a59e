"""The benchmark of learning from a stream: one small run, and its parts on values made by hand."""

import json

import numpy as np
import pytest

import keras_bsd
from benchmarks import online_report, online_streams
from benchmarks.online_streams import Data, Networks, Streams
from tests.recipes.running import loaded, run

ENVIRONMENT = {"date": "today", "machine": "a machine", "backend": "jax", "versions": {"keras": "3"}}


def _entry(part, methods, **others):
    return {
        "part": part,
        "dataset": "digits",
        "shift": 0,
        "command": f"python -m {part}",
        "environment": ENVIRONMENT,
        "samples": {"train": 80, "held out": 20, "test": 10},
        "rates": [0.001, 0.003, 0.006],
        "fit_rates": {},
        "units": [8],
        "batch_size": 10,
        "rehearsed": 32,
        "memory": 42,
        "epochs": 2,
        "steps": 50,
        "seeds": [0, 1],
        "methods": {
            name: {"validation": {}, "learning_rate": rate, "results": results}
            for name, (rate, results) in methods.items()
        },
        **others,
    }


TASKS = _entry(
    "tasks",
    {
        "BSD with recall": (0.006, [[0.5, 0.25], [0.7, 0.25]]),
        "BSD of all classes at once": (0.003, [[0.9, None], [0.9, None]]),
    },
)


def _rows(text):
    return [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in text.splitlines()
        if row.startswith("| ")
    ]


def test_the_spread_over_seeds_is_that_of_a_sample():
    assert online_report.spread([0.5, 0.7]) == "60.0 ± 14.1"  # 20 / sqrt(2)
    assert online_report.spread([0.5]) == "50.0"
    assert online_report.spread([None, None]) == ""


def test_a_section_has_its_command_and_what_was_measured():
    section = online_report.section(TASKS)
    assert section.startswith("## Five tasks of two classes: digits\n\n```sh\npython -m tasks\n```")
    assert _rows(section)[1:] == [
        ["BSD with recall", "0.006", "42", "60.0 ± 14.1", "25.0 ± 0.0"],
        ["BSD of all classes at once", "0.003", "0", "90.0 ± 0.0", ""],
    ]
    assert "- choice of learning rates: 0.001, 0.003, 0.006, by 20 held-out samples" in section
    assert section.endswith("so that a higher rate may be better: BSD with recall.")


def test_cells_of_few_samples_have_both_accuracies():
    results = [[[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]]
    section = online_report.section(_entry("few", {"BSD, stored": (0.003, results)}))
    assert _rows(section)[1] == ["BSD, stored", "0.003", "90.0 / 10.0", "80.0 / 20.0", "70.0 / 30.0"]


def test_parts_of_separate_commands_join_on_one_page(tmp_path):
    path = tmp_path / "online.md"
    drift = _entry("drift", {"no learning": (0.0, [[0.4, 0.3, 0.2, 0.1]])}, fit_rates={"bsd": 0.006})
    for entry in (drift, TASKS, {**TASKS, "shift": 4}, {**TASKS, "command": "again"}):
        online_report.write(path, entry)
    page = path.read_text()
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Five tasks of two classes: digits",
        "## Five tasks of two classes: digits, moved by up to 4 pixels",
        "## Pixels that turn into their negatives: digits",
    ]
    assert page.count("```sh\nagain\n```") == 1  # which replaces the first of the same data
    assert page.count("```sh\npython -m tasks\n```") == 1
    assert "| no learning |                 | 40.0" in page
    assert "- learning rate before the stream: 0.006 for bsd" in page


def test_pixels_are_inverted_in_the_same_order():
    x = np.full((2, 4, 4, 1), 0.25)
    half, whole = online_streams.inverted(x, 0.5), online_streams.inverted(x, 1.0)
    np.testing.assert_array_equal(whole, 0.75)
    assert 0 < np.mean(half == 0.75) < 1
    np.testing.assert_array_equal(half[0], half[1])


def test_images_are_moved_and_keep_their_pixels():
    x = np.arange(32.0).reshape(2, 4, 4, 1)
    moved = online_streams.shifted(x, 1, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(moved.reshape(2, -1)), x.reshape(2, -1))
    np.testing.assert_array_equal(online_streams.shifted(x, 0, np.random.default_rng(0)), x)


def _data():
    generator, y = np.random.default_rng(0), np.arange(80) % 10
    x = generator.random((80, 3, 3, 1), dtype="float32")
    return Data((x[:60], y[:60]), (x[60:], y[60:]))


@pytest.mark.slow
def test_a_network_trained_before_its_stream_is_the_same_when_it_is_used_again():
    networks, data = Networks((3, 3, 1), [4]), _data()
    arguments = ("drift", "bsd", data.train, 0, 0.01)
    first = networks.fitted(*arguments).get_weights()
    drawn = np.random.random()
    networks.build("bsd", 1, 0.001)
    again = networks.fitted(*arguments, rate=0.002)
    assert np.random.random() == drawn  # both leave the global seed alike
    for one, other in zip(first, again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert int(again.optimizer.iterations) == 0
    assert float(again.optimizer.learning_rate) == pytest.approx(0.002)


@pytest.mark.slow
def test_streams_return_accuracies():
    streams = Streams(Networks((3, 3, 1), [4]), batch_size=5, epochs=1, rehearsed=4, steps=1)
    streams.fit_rates = {("few", "bsd"): 0.01, ("drift", "bsd"): 0.01}
    data = _data()
    accuracy, forgetting = streams.tasks("BSD with stored samples", data, 0, 0.01)
    assert 0 <= accuracy <= 1
    assert -1 <= forgetting <= 1
    assert streams.tasks("BSD of all classes at once", data, 0, 0.01)[1] is None
    assert np.shape(streams.few("BSD, recall after `remember`", data, 0, 0.01)) == (3, 2)
    assert np.shape(streams.drift("batches, recall", data, 0, 0.01)) == (4,)


@pytest.mark.parametrize(
    ("flags", "learned", "held_out"),
    [
        (["--samples=1000", "--held_out=0.3"], 1000, 300),
        ([], 1197, 239),  # of 1437
    ],
)
def test_rates_are_chosen_by_samples_behind_those_to_learn_from(flags, learned, held_out):
    (x, y), (x_test, y_test) = keras_bsd.datasets.load_images("digits")
    with loaded("measure_online", *flags, "--test_samples=50") as script:
        choosing, testing = script.load()
    for data in (choosing, testing):
        np.testing.assert_array_equal(data.train[0], x[:learned])
        np.testing.assert_array_equal(data.train[1], y[:learned])
    np.testing.assert_array_equal(choosing.test[0], x[learned : learned + held_out])
    np.testing.assert_array_equal(choosing.test[1], y[learned : learned + held_out])
    np.testing.assert_array_equal(testing.test[0], x_test[:50])
    np.testing.assert_array_equal(testing.test[1], y_test[:50])


def test_more_samples_than_there_are():
    done = run("measure_online", "--samples=1300")
    assert done.returncode != 0
    message = "--samples and those held out must be at most 1437, the training samples of digits. "
    assert f"{message}Received: --samples=1300 and 260 held out" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_learning_rate_is_chosen_on_held_out_samples(tmp_path):
    flags = ["--samples=200", "--test_samples=100", "--units=4", "--learning_rates=0.001,0.01", "--seeds=0,1"]
    flags += ["--methods=BSD with recall", "--parts=tasks", f"--output={tmp_path / 'online.md'}"]
    done = run("measure_online", *flags)
    assert done.returncode == 0, done.stderr
    (entry,) = json.loads((tmp_path / "online.json").read_text())["tables"]
    assert entry["samples"] == {"train": 200, "held out": 40, "test": 100}
    method = entry["methods"]["BSD with recall"]
    assert method["learning_rate"] == float(max(method["validation"], key=method["validation"].get))
    assert len(method["validation"]) == len(method["results"]) == 2
    assert (tmp_path / "online.md").read_text().count("| BSD with recall |") == 1
