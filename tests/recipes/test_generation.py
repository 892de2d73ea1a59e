import json
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

import keras_bsd
from tests.recipes.running import run

pytestmark = pytest.mark.xdist_group("generation")  # of tests that share what takes long to make


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    flags = ["--rule=readouts,backprop,random", "--units=24", "--latent_units=9", "--epochs=2", "--hide=0.5"]
    done = run("train_generation", *flags, f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def test_trains_draws_and_saves(trained, digits):
    (x, y), (x_test, _) = digits
    metrics = json.loads((trained / "metrics.json").read_text())
    assert list(metrics["test_mse"]) == ["readouts", "backprop", "random"]
    assert metrics["arguments"]["units"] == [24]
    assert (trained / "report.png").stat().st_size > 10_000
    for rule, measured in metrics["test_mse"].items():
        model = keras.saving.load_model(trained / f"{rule}.keras")
        made = model.reconstruct(x_test)
        assert measured == pytest.approx(np.square(made - x_test).mean(), rel=1e-4)
        means = np.stack([model.latent_rates(x[y == concept]).mean(axis=0) for concept in range(10)])
        np.testing.assert_allclose(keras.ops.convert_to_numpy(model.prior_mean)[:, 0], means, atol=1e-5)
        keras.utils.set_random_seed(0)
        fresh = keras_bsd.applications.SpikingAutoencoder(**metrics["arguments"])
        kernels = [each.encoder_stages[1].synapse.get_weights()[0] for each in (model, fresh)]
        assert np.array_equal(*kernels) == (rule == "random")


def test_measures_and_draws(trained, tmp_path, digits):
    classifier = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16,))
    classifier.save(tmp_path / "classifier.keras")
    flags = [
        f"--model={trained / 'readouts.keras'}",
        f"--baseline={trained / 'backprop.keras'}",
        "--samples=80",
    ]
    flags += [f"--classifier={tmp_path / 'classifier.keras'}", f"--output_dir={tmp_path}"]
    done = run("evaluate_generation", *flags)
    assert done.returncode == 0, done.stderr
    models = json.loads((tmp_path / "evaluation.json").read_text())["models"]
    x, y = (part[:80] for part in digits[1])
    for name, found in models.items():
        model = keras.saving.load_model(name)
        made = np.clip(model.reconstruct(x), 0, 1)
        assert found["mean squared error"] == pytest.approx(np.square(made - x).mean(), rel=1e-4)
        generated = np.clip(model.generate(80, y, seed=0), 0, 1)
        shown = classifier.predict(generated, verbose=0).argmax(axis=1)
        assert found["generated, recognised as their concept"] == pytest.approx((shown == y).mean())
        assert found["Fréchet distance in features of the last stage of classifier"] > 0
        assert {"recognised from upper half: completed", "SSIM", "PSNR, dB", "precision"} < set(found)
    for name in ("readouts.png", "backprop.png"):
        assert (tmp_path / name).stat().st_size > 10_000
    assert "mean squared error" in (tmp_path / "evaluation.md").read_text()


def test_a_preset_of_what_was_trained(trained, tmp_path, digits):
    done = run("make_preset", f"--run={trained}", "--name=tiny", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "tiny.json").read_text())
    measured = json.loads((trained / "metrics.json").read_text())["test_mse"]["readouts"]
    assert record["test_mse"] == pytest.approx(measured, rel=1e-2)
    with h5py.File(tmp_path / "tiny.weights.h5") as weights:
        assert set(weights) >= {"encoder", "decoder"}
        assert "local_readout_weight" not in weights
    assert record["labels"] == [str(digit) for digit in range(10)]
    loads = f"""
import keras_bsd
keras_bsd.applications.presets.FOLDER = __import__("pathlib").Path({str(tmp_path)!r})
keras_bsd.applications.list_presets()
print(keras_bsd.applications.SpikingAutoencoder(weights="tiny").generate(3, seed=0).shape)
"""
    done = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True)
    _, row, shape = done.stdout.splitlines()
    assert f"MSE {record['test_mse']:.4f}" in row
    assert shape == "(3, 8, 8, 1)"


def test_learns_on_from_weights(trained, tmp_path):
    flags = ["--units=24", "--latent_units=9", "--epochs=1", "--learning_rate=1e-9"]
    done = run(
        "train_generation",
        *flags,
        "--rule=readouts",
        f"--weights={trained / 'readouts.keras'}",
        f"--output_dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    first, second = (keras.saving.load_model(folder / "readouts.keras") for folder in (trained, tmp_path))
    for before, after in zip(first.trainable_weights, second.trainable_weights, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
    earlier, later = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, tmp_path))
    assert later["learned_on_from"] == earlier


def test_flags_say_how_to_augment(pytestconfig):
    tell = """
import train_generation as recipe
recipe.FLAGS(["", "--noise=0.3", "--hide=0.5"])
noise, hiding = recipe.augmentation()
print(type(noise).__name__, noise.most, type(hiding).__name__, *hiding.factor)
"""
    done = subprocess.run(
        [sys.executable, "-c", tell], cwd=pytestconfig.rootpath / "applications", capture_output=True, text=True
    )
    assert done.stdout.split() == ["RandomNoise", "0.3", "RandomErasing", "0.5", "0.5"]


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--rule=readouts --local_readout_weight=0", "rule rate is the same without local readouts"),
        ("--latent_units=0", "not a positive integer"),
        ("--filters=0", "Received filters=0"),
        ("--weights=mnist_dense", "Received: "),
        ("--weights=mnist_autoencoder --rule=random", "rule random cannot learn on"),
    ],
)
def test_bad_flags_cost_no_earlier_result(flag, message, tmp_path):
    (tmp_path / "rate.keras").write_text("of an earlier run")
    done = run("train_generation", *flag.split(), f"--output_dir={tmp_path}")
    assert done.returncode
    assert message in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rate.keras"]
