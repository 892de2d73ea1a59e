import ast
import json
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_bsd  # noqa: F401, for models to be loaded
from tests.recipes.running import run, start

SMALL = ["--units=24,16", "--filters=6,8", "--pool_sizes=2,2", "--blocks=1,1"]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_trains_draws_and_saves(tmp_path, digits):
    done = run("train_recognition", "--epochs=2", "--units=64,48", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    found = metrics(tmp_path)
    bsd, backprop, report, models, figures = done.stdout.splitlines()[-5:]
    assert bsd.startswith(f"BSD: {found['test_accuracy']['rate']:.2%} of 360 test samples")
    assert backprop.startswith(f"backpropagation through time: {found['test_accuracy']['backprop']:.2%}")
    for line, names in ((report, ["report.png"]), (models, ["rate.keras", "backprop.keras"])):
        for name in names:
            assert str(tmp_path / name) in line
            assert (tmp_path / name).stat().st_size > 100
    assert figures.endswith("metrics.json")
    assert found["flags"]["epochs"] == 2
    assert found["arguments"] == {"input_shape": [8, 8, 1], "classes": 10, "timesteps": 4, "units": [64, 48]}
    for rule in ("rate", "backprop"):
        model = keras.saving.load_model(tmp_path / f"{rule}.keras")
        accuracy = model.evaluate(*digits[1], verbose=0, return_dict=True)["accuracy"]
        assert accuracy == pytest.approx(found["test_accuracy"][rule])


@pytest.mark.parametrize("network", ["mlp", "conv", "resnet"])
def test_every_rule_and_augmentation(network, tmp_path):
    rules = ["ann", "paper", "backprop", "surrogate"] if network == "resnet" else ["ann", "rate"]
    flags = ["--flip", "--shift=0.1", "--rotate=0.02", "--erase=0.3", "--blur=0.2", "--contrast=0.3"]
    flags += ["--ema=0.9", "--samples=200"]
    flags += ["--validation=0", "--epochs=1", "--tensorboard", f"--rule={','.join(rules)}"]
    done = run("train_recognition", f"--network={network}", f"--output_dir={tmp_path}", *SMALL, *flags)
    assert done.returncode == 0, done.stderr
    assert list(metrics(tmp_path)["test_accuracy"]) == rules
    assert {path.name for path in (tmp_path / "tensorboard").iterdir()} == set(rules)
    ann = keras.saving.load_model(tmp_path / "ann.keras")
    assert metrics(tmp_path)["parameters"]["ann"] == ann.count_params()
    assert len(set(metrics(tmp_path)["parameters"].values())) == 1


def test_flags_say_how_to_augment(pytestconfig):
    flags = ["", "--flip", "--shift=0.1", "--rotate=0.02", "--blur=0.2", "--contrast=0.4", "--erase=0.3"]
    tell = f"""
import train_recognition as recipe
recipe.FLAGS({flags})
print([(type(layer).__name__, layer.get_config()) for layer in recipe.augmentation()])
"""
    done = subprocess.run(
        [sys.executable, "-c", tell], cwd=pytestconfig.rootpath / "applications", capture_output=True, text=True
    )
    layers = dict(ast.literal_eval(done.stdout))
    kinds = ["Flip", "Rotation", "Translation", "GaussianBlur", "Contrast", "Erasing"]
    assert list(layers) == [f"Random{kind}" for kind in kinds]
    assert layers["RandomGaussianBlur"]["factor"] == (0.2, 0.2)
    assert layers["RandomContrast"]["factor"] == (0.0, 0.4)
    assert layers["RandomFlip"]["mode"] == "horizontal"
    assert layers["RandomTranslation"]["height_factor"] == layers["RandomTranslation"]["width_factor"] == 0.1
    assert layers["RandomErasing"]["factor"] == (0.3, 0.3)


def test_stops_early_with_the_best_weights(tmp_path, digits):
    flags = ["--rule=rate", "--learning_rate=0.5", "--epochs=20", "--patience=1", "--units=8"]
    done = run("train_recognition", *flags, f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    history = json.loads((tmp_path / "rate.json").read_text())["history"]
    assert len(history["loss"]) < 20
    (x, y), _ = digits
    held_out = np.random.default_rng(0).permutation(len(x))[-143:]
    model = keras.saving.load_model(tmp_path / "rate.keras")
    accuracy = model.evaluate(x[held_out], y[held_out], verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx(max(history["val_accuracy"]))
    assert accuracy > history["val_accuracy"][-1]


def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path):
    flags = ["--rule=rate,backprop", "--units=32", "--epochs=12", "--shift=0.1"]
    interrupted, whole = tmp_path / "interrupted", tmp_path / "whole"
    for rule in ("rate", "backprop"):  # cut short in the first training, and then in the second
        process = start("train_recognition", *flags, f"--output_dir={interrupted}")
        log = interrupted / f"{rule}.csv"
        while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > 2):
            time.sleep(0.02)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    other = run("train_recognition", "--epochs=3", f"--output_dir={interrupted}")
    assert "A run with other flags was interrupted" in other.stderr
    for folder in (interrupted, whole):
        done = run("train_recognition", *flags, f"--output_dir={folder}")
        assert done.returncode == 0, done.stderr
    assert metrics(interrupted)["test_accuracy"] == metrics(whole)["test_accuracy"]
    for rule in ("rate", "backprop"):
        first, second = (json.loads((folder / f"{rule}.json").read_text()) for folder in (interrupted, whole))
        del first["history"]["seconds"], second["history"]["seconds"]
        assert len(first["history"]["loss"]) == 12
        assert first["history"] == second["history"]
    assert not (interrupted / "unfinished.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=dgits"], "Unknown data set; there are 'digits'"),
        (["--rule=rates"], "rate, surrogate, paper, backprop, ann"),
        (["--dataset=missing.npz"], "There is no such file"),
        (["--patience=2", "--validation=0"], "needs held-out samples"),
        (["--patience=2", "--ema=0.9"], "no --ema beside it"),
        (["--rule=rate,ann", "--weights=mnist_dense"], "rule ann cannot learn on"),
    ],
)
def test_bad_flags(flags, message, tmp_path):
    done = run("train_recognition", *flags, f"--output_dir={tmp_path}")
    assert done.returncode
    assert message in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


def test_learns_on_from_weights(tmp_path):
    flags = ["--network=conv", *SMALL, "--rule=rate", "--epochs=3", "--validation=0"]
    assert run("train_recognition", *flags, f"--output_dir={tmp_path / 'first'}").returncode == 0
    flags += [f"--weights={tmp_path / 'first' / 'rate.keras'}", "--seed=1", "--learning_rate=1e-9"]
    done = run("train_recognition", *flags, f"--output_dir={tmp_path / 'second'}")
    assert done.returncode == 0, done.stderr
    first, second = (keras.saving.load_model(tmp_path / part / "rate.keras") for part in ("first", "second"))
    for before, after in zip(first.trainable_weights, second.trainable_weights, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
    assert metrics(tmp_path / "second")["flags"]["weights"].endswith("rate.keras")
    assert metrics(tmp_path / "second")["learned_on_from"] == metrics(tmp_path / "first")
    assert "learned_on_from" not in metrics(tmp_path / "first")


def test_bad_flags_cost_no_earlier_result(tmp_path):
    flags = ["--rule=rate", "--epochs=1", "--units=16", "--samples=200", f"--output_dir={tmp_path}"]
    assert run("train_recognition", *flags).returncode == 0
    left = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for bad, message in (
        (f"--weights={tmp_path / 'rate.keras'}", "give another --output_dir than that of --weights"),
        ("--weights=mnist_dens", "mnist_dense"),
        ("--units=0", "Received: units=0"),
    ):
        done = run("train_recognition", *flags, bad)
        assert done.returncode
        assert message in done.stderr
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == left


def test_a_preset_of_what_was_trained(tmp_path):
    run_folder, presets = tmp_path / "run", tmp_path / "presets"
    flags = ["--rule=rate", "--units=16", "--epochs=2", "--learning_rate=0.01", f"--output_dir={run_folder}"]
    assert run("train_recognition", *flags).returncode == 0
    flags = [f"--run={run_folder}", "--name=tiny", f"--output_dir={presets}"]
    done = run("make_preset", *flags, "--labels=none,one")
    assert "Give --labels, one for each of 10 classes. Received: 2, none,one" in done.stderr
    assert not presets.exists()
    named = [f"the {digit}" for digit in range(10)]
    done = run("make_preset", *flags, f"--labels={','.join(named)}")
    assert done.returncode == 0, done.stderr
    record = json.loads((presets / "tiny.json").read_text())
    assert record["test_accuracy"] == pytest.approx(metrics(run_folder)["test_accuracy"]["rate"], abs=1e-2)
    assert record["arguments"]["units"] == [16]
    assert record["labels"] == named
    expected = {"--rule=rate", "--units=16", "--epochs=2", "--learning_rate=0.01"}
    assert set(record["command"].split()[2:]) == expected
    loads = f"""
import keras_bsd
keras_bsd.applications.presets.FOLDER = __import__("pathlib").Path({str(presets)!r})
model = keras_bsd.applications.SpikingMLP(weights="tiny")
model.compile(metrics=["accuracy"])
print(model.evaluate(*keras_bsd.datasets.load_images("digits")[1], batch_size=500, verbose=0)[1])
"""
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(record["test_accuracy"])
