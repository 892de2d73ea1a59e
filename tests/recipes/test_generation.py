import json

import h5py
import keras
import numpy as np
import pytest

import keras_bsd
from tests.recipes.running import loaded, run

pytestmark = pytest.mark.xdist_group("generation")  # tests that share what takes long to make


SMALL = ["--units=24", "--latent_units=9", "--timesteps=2", "--epochs=2", "--hide=0.5"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train("readouts", tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    return train("backprop,frozen", tmp_path_factory.mktemp("compared"))


def train(methods, folder):
    done = run("train_generation", f"--method={methods}", *SMALL, f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def scores(folder):
    methods = json.loads((folder / "metrics.json").read_text())["methods"]
    return {method: result["scores"] for method, result in methods.items()}


@pytest.mark.parametrize(
    ("run_folder", "methods"),
    [("trained", ["readouts"]), pytest.param("compared", ["backprop", "frozen"], marks=pytest.mark.slow)],
)
def test_trains_draws_and_saves(run_folder, methods, request, digits):
    folder, ((x, y), (x_test, _)) = request.getfixturevalue(run_folder), digits
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics["methods"]) == methods
    assert metrics["arguments"]["units"] == [24]
    assert (folder / "report.png").stat().st_size > 10_000
    for method, values in scores(folder).items():
        model = keras.saving.load_model(folder / f"{method}.keras")
        reconstructed = model.reconstruct(x_test)
        assert values["mse"] == pytest.approx(np.square(reconstructed - x_test).mean(), rel=1e-4)
        means = np.stack([model.latent_rates(x[y == concept]).mean(axis=0) for concept in range(10)])
        np.testing.assert_allclose(keras.ops.convert_to_numpy(model.prior_mean)[:, 0], means, atol=1e-5)
        keras.utils.set_random_seed(0)
        fresh = keras_bsd.applications.SpikingAutoencoder(**metrics["arguments"])
        kernels = [each.encoder_stages[1].synapse.get_weights()[0] for each in (model, fresh)]
        assert np.array_equal(*kernels) == (method == "frozen")


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [None, "backprop"])
def test_measures_and_draws(baseline, trained, request, tmp_path, digits):
    paths = {"readouts": trained / "readouts.keras"}
    if baseline:
        paths[baseline] = request.getfixturevalue("compared") / f"{baseline}.keras"
    classifier = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16,))
    classifier.save(tmp_path / "classifier.keras")
    flags = [f"--model={paths['readouts']}", "--samples=80"]
    flags += [f"--baseline={paths[baseline]}"] if baseline else []
    flags += [f"--classifier={tmp_path / 'classifier.keras'}", f"--output_dir={tmp_path}"]
    done = run("evaluate_generation", *flags)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert record["features"] == "last stage of classifier"
    x, y = (values[:80] for values in digits[1])
    assert list(record["models"]) == list(paths)
    for name, values in record["models"].items():
        model = keras.saving.load_model(paths[name])
        reconstructed = np.clip(model.reconstruct(x), 0, 1)
        assert values["mse"] == pytest.approx(np.square(reconstructed - x).mean(), rel=1e-4)
        generated = np.clip(model.generate(80, y, seed=0), 0, 1)
        classes = classifier.predict(generated, verbose=0).argmax(axis=1)
        assert values["recognised_generated"] == pytest.approx((classes == y).mean())
        assert values["frechet_distance"] > 0
        assert {"recognised_from_upper_half_completed", "ssim", "psnr", "precision"} < set(values)
    for name in paths:
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert "mean squared error" in (tmp_path / "evaluation.md").read_text()


def test_makes_a_preset(trained, tmp_path):
    done = run("make_preset", f"--run={trained}", "--name=tiny", f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "tiny.json").read_text())
    assert record["test_mse"] == pytest.approx(scores(trained)["readouts"]["mse"], rel=1e-2)
    with h5py.File(tmp_path / "tiny.weights.h5") as weights:
        assert set(weights) >= {"encoder", "decoder"}
        assert "stage_readouts" not in weights
    assert record["task"] == "generation"
    assert (record["notes"], record["audit"]) == ([], {})
    assert record["labels"] == [str(digit) for digit in range(10)]
    model = keras_bsd.applications.load_preset(tmp_path / "tiny.json")
    assert model.generate(3, seed=0).shape == (3, 8, 8, 1)


@pytest.mark.slow
def test_fine_tunes_from_weights(trained, tmp_path):
    flags = [f"--weights={trained / 'readouts.keras'}", "--learning_rate=1e-9", "--method=readouts"]
    done = run("train_generation", *SMALL, *flags, f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    first, second = (keras.saving.load_model(folder / "readouts.keras") for folder in (trained, tmp_path))
    for before, after in zip(first.trainable_weights, second.trainable_weights, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
    earlier, later = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, tmp_path))
    assert later["fine_tuned_from"] == earlier


def test_flags_of_augmentation():
    with loaded("train_generation", "--noise=0.3", "--hide=0.5") as recipe:
        noise, hiding = recipe.augmentation()
    assert (type(noise).__name__, noise.max_stddev) == ("RandomNoise", 0.3)
    assert (type(hiding).__name__, *hiding.factor) == ("RandomErasing", 0.5, 0.5)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--method=readouts --local_readout_weight=0", "method rate is the same without local readouts"),
        ("--latent_units=0", "not a positive integer"),
        ("--filters=0", "Received: filters=0"),
        ("--weights=mnist_dense", "Received: "),
        ("--weights=mnist_autoencoder --method=frozen", "method frozen cannot start from them"),
    ],
)
def test_bad_flags_cost_no_earlier_result(flag, message, tmp_path):
    (tmp_path / "rate.keras").write_text("of an earlier run")
    done = run("train_generation", *flag.split(), f"--output_dir={tmp_path}")
    assert done.returncode
    assert message in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["rate.keras"]
