import json
import shutil
import signal
import time

import h5py
import keras
import numpy as np
import pytest

import keras_bsd
from tests.recipes.conftest import DIGITS_FLAGS
from tests.recipes.running import loaded, run, start

TITLES = {
    "bsd": "BSD, the builder's defaults",
    "rate": "BSD",
    "readouts": "BSD, local readouts",
    "surrogate": "BSD, surrogate rule",
    "paper": "BSD, paper's configuration",
    "backprop": "backpropagation through time",
    "ann": "ANN",
}
SMALL = ["--units=24", "--filters=6", "--pool_sizes=2", "--blocks=1", "--timesteps=2"]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def scores(folder):
    return {method: result["scores"] for method, result in metrics(folder)["methods"].items()}


@pytest.mark.xdist_group("digits_run")
def test_trains_draws_and_saves(digits_run, digits):
    folder, output = digits_run
    record = metrics(folder)
    accuracies = {method: values["accuracy"] for method, values in scores(folder).items()}
    assert list(accuracies) == ["rate", "ann"]
    bsd, ann, report, models, results = output.splitlines()[-5:]
    assert bsd.startswith(f"BSD: {accuracies['rate']:.2%} of 360 test samples")
    assert ann.startswith(f"ANN: {accuracies['ann']:.2%}")
    for line, names in ((report, ["report.png"]), (models, ["rate.keras", "ann.keras"])):
        for name in names:
            assert str(folder / name) in line
            assert (folder / name).stat().st_size > 100
    assert results.endswith("metrics.json")
    assert record["flags"]["epochs"] == 4
    arguments = {"input_shape": [8, 8, 1], "classes": 10, "timesteps": 2, "units": [64, 48]}
    assert (record["task"], record["data"], record["application"]) == ("recognition", "digits", "SpikingMLP")
    assert record["arguments"] == arguments
    for method, accuracy in accuracies.items():
        model = keras.saving.load_model(folder / f"{method}.keras")
        measured = model.evaluate(*digits[1], verbose=0, return_dict=True)["accuracy"]
        assert measured == pytest.approx(accuracy)


def test_default_methods():
    with loaded("train_recognition") as recipe:
        assert recipe.FLAGS.method == ["rate", "backprop"]


def test_rules_are_methods_and_start_from_the_weights_of_the_pair():
    with loaded("train_recognition", *SMALL) as recipe:
        assert set(keras_bsd.baselines.list_methods()) <= set(recipe.METHODS)
        task = recipe.load_task()
        pair, rule = recipe.build("bsd", task), recipe.build("dfa", task)
        assert recipe.METHODS["dfa"].title == "direct feedback alignment"
        assert recipe._flags.baseline_methods(0.5, exclude={"dfa"}).keys() & {"dfa", "fa"} == {"fa"}
        assert recipe._flags.baseline_methods(0.5, exclude=())["fa"] == ("feedback alignment", 0.5)
    assert type(pair) is keras_bsd.BSDModel
    assert type(rule) is keras_bsd.baselines.DirectFeedbackAlignment
    assert rule.stimulus_range == pair.stimulus_range == (0, 1)
    for first, second in zip(pair.encoder.weights, rule.encoder.weights, strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_trains_by_rules(tmp_path, digits):
    methods = ["bsd", "dfa", "ottt"]
    flags = [*SMALL, "--epochs=2", "--samples=200", f"--method={','.join(methods)}"]
    done = run("train_recognition", *flags, f"--output_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert list(scores(tmp_path)) == methods
    for method, values in scores(tmp_path).items():
        model = keras.saving.load_model(tmp_path / f"{method}.keras")
        measured = model.evaluate(*digits[1], verbose=0, return_dict=True)["accuracy"]
        assert measured == pytest.approx(values["accuracy"])
    parameters = {result["parameters"] for result in metrics(tmp_path)["methods"].values()}
    assert len(parameters) == 1  # those of the encoder
    assert "online training through time: " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("network", ["mlp", "conv", "resnet"])
def test_every_method_and_augmentation(network, tmp_path, digits):
    methods = {
        "mlp": ["ann", "paper", "backprop", "surrogate"],
        "conv": ["ann", "rate", "readouts"],
        "resnet": ["ann", "rate"],
    }[network]
    flags = ["--flip", "--shift=0.1", "--rotate=0.02", "--erase=0.3", "--blur=0.2", "--contrast=0.3"]
    flags += ["--ema=0.9", "--samples=200"]
    flags += ["--validation=0", "--epochs=1", "--tensorboard", f"--method={','.join(methods)}"]
    done = run("train_recognition", f"--network={network}", f"--output_dir={tmp_path}", *SMALL, *flags)
    assert done.returncode == 0, done.stderr
    assert list(scores(tmp_path)) == methods
    assert {path.name for path in (tmp_path / "tensorboard").iterdir()} == set(methods)
    ann = keras.saving.load_model(tmp_path / "ann.keras")
    parameters = {method: result["parameters"] for method, result in metrics(tmp_path)["methods"].items()}
    assert parameters["ann"] == ann.count_params()
    assert len(set(parameters.values())) == 1
    for method, values in scores(tmp_path).items():
        assert f"{TITLES[method]}: {values['accuracy']:.2%} of 360 test samples" in done.stdout
        model = keras.saving.load_model(tmp_path / f"{method}.keras")
        measured = model.evaluate(*digits[1], verbose=0, return_dict=True)["accuracy"]
        assert measured == pytest.approx(values["accuracy"])


def test_flags_of_augmentation():
    flags = ["--flip", "--shift=0.1", "--rotate=0.02", "--blur=0.2", "--contrast=0.4", "--erase=0.3"]
    with loaded("train_recognition", *flags) as recipe:
        layers = {type(layer).__name__: layer.get_config() for layer in recipe.augmentation()}
    kinds = ["Flip", "Rotation", "Translation", "GaussianBlur", "Contrast", "Erasing"]
    assert list(layers) == [f"Random{kind}" for kind in kinds]
    assert layers["RandomGaussianBlur"]["factor"] == (0.2, 0.2)
    assert layers["RandomContrast"]["factor"] == (0.0, 0.4)
    assert layers["RandomFlip"]["mode"] == "horizontal"
    assert layers["RandomTranslation"]["height_factor"] == layers["RandomTranslation"]["width_factor"] == 0.1
    assert layers["RandomErasing"]["factor"] == (0.3, 0.3)


@pytest.mark.slow
def test_stops_early_with_the_best_weights(tmp_path, digits):
    flags = ["--method=rate", "--learning_rate=1.0", "--epochs=20", "--patience=1", "--units=8"]
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


@pytest.mark.slow
def test_an_interrupted_run_ends_as_an_uninterrupted_one(tmp_path):
    flags = ["--method=rate,backprop", "--units=32", "--timesteps=2", "--epochs=12", "--shift=0.1"]
    interrupted, whole = tmp_path / "interrupted", tmp_path / "whole"
    for method in ("rate", "backprop"):  # cut short in the first training, and then in the second
        process = start("train_recognition", *flags, f"--output_dir={interrupted}")
        log = interrupted / f"{method}.csv"
        while process.poll() is None and not (log.exists() and len(log.read_text().splitlines()) > 2):
            time.sleep(0.02)
        process.kill()
        assert process.communicate()[1] == ""  # quiet: nothing but what was asked for
        assert process.returncode == -signal.SIGKILL
    other = run("train_recognition", "--epochs=3", f"--output_dir={interrupted}")
    assert "holds an unfinished run with different flags. Rerun with those (see unfinished.json)" in (
        other.stderr
    )
    for folder in (interrupted, whole):
        done = run("train_recognition", *flags, f"--output_dir={folder}")
        assert done.returncode == 0, done.stderr
    assert scores(interrupted) == scores(whole)
    for method in ("rate", "backprop"):
        first, second = (json.loads((folder / f"{method}.json").read_text()) for folder in (interrupted, whole))
        del first["history"]["seconds"], second["history"]["seconds"]
        assert len(first["history"]["loss"]) == 12
        assert first["history"] == second["history"]
    assert not (interrupted / "unfinished.json").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=dgits"], "Unknown data set: choose 'digits'"),
        (["--method=rates"], "rate, readouts, surrogate, paper, backprop, ann"),
        (["--dataset=missing.npz"], "must be the path of a file that exists. Received: missing.npz"),
        (["--patience=2", "--validation=0"], "needs held-out samples"),
        (["--patience=2", "--ema=0.9"], "excludes --ema"),
        (["--skips=dense"], "--skips needs --network=conv"),
        (["--on_device", "--tensorboard"], "excludes --patience, --tensorboard and --nojit_compile"),
        (["--on_device", "--nojit_compile"], "excludes --patience, --tensorboard and --nojit_compile"),
        (["--method=rate,paper", "--layer_loss=reco"], "--layer_loss excludes method paper"),
        (["--local_readout_depth=2"], "--local_readout_depth needs method readouts"),
        (["--method=rate,ann", "--weights=mnist_dense"], "method ann cannot start from them"),
    ],
)
def test_bad_flags(flags, message, tmp_path):
    done = run("train_recognition", *flags, f"--output_dir={tmp_path}")
    assert done.returncode
    assert message in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_fine_tunes_from_weights(tmp_path):
    flags = ["--network=conv", "--filters=6", "--pool_sizes=2", "--timesteps=2"]
    flags += ["--method=rate", "--epochs=3", "--validation=0"]
    assert run("train_recognition", *flags, f"--output_dir={tmp_path / 'first'}").returncode == 0
    flags += [f"--weights={tmp_path / 'first' / 'rate.keras'}", "--seed=1", "--learning_rate=1e-9"]
    done = run("train_recognition", *flags, f"--output_dir={tmp_path / 'second'}")
    assert done.returncode == 0, done.stderr
    first, second = (keras.saving.load_model(tmp_path / name / "rate.keras") for name in ("first", "second"))
    for before, after in zip(first.trainable_weights, second.trainable_weights, strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
    assert metrics(tmp_path / "second")["flags"]["weights"].endswith("rate.keras")
    assert metrics(tmp_path / "second")["fine_tuned_from"] == metrics(tmp_path / "first")
    assert "fine_tuned_from" not in metrics(tmp_path / "first")


@pytest.mark.xdist_group("digits_run")
@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--weights={folder}/rate.keras", "give another --output_dir than that of --weights"),
        ("--weights=mnist_dens", "mnist_dense"),
        ("--units=0", "Received: units=0"),
        # the second of two methods
        ("--network=rnn --dataset=events:sweeps --samples=8 --method=rate,fa", "Rule 'fa' cannot train this"),
    ],
)
def test_bad_flags_cost_no_earlier_result(flag, message, digits_run, tmp_path):
    folder = shutil.copytree(digits_run.folder, tmp_path / "run")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    flags = flag.format(folder=folder).split(" ")
    flags = ["--method=rate", *DIGITS_FLAGS[1:], *flags, f"--output_dir={folder}"]
    done = run("train_recognition", *flags)
    assert done.returncode
    assert message in done.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.xdist_group("digits_run")
def test_makes_a_preset(digits_run, tmp_path, digits):
    presets, accuracy = tmp_path / "presets", scores(digits_run.folder)["rate"]["accuracy"]
    flags = [f"--run={digits_run.folder}", "--name=tiny", f"--output_dir={presets}"]
    done = run("make_preset", *flags, "--labels=none,one")
    assert "Give --labels, one for each of 10 classes. Received: 2, none,one" in done.stderr
    assert not presets.exists()
    labels = [f"the {digit}" for digit in range(10)]
    audit = {
        "plausibility": {
            "samples": 8,
            "criteria": {"C1": {"title": "weights", "verdict": "holds", "faults": []}},
        },
        "energy": {
            "samples": 8,
            "energy": 5.0,
            "ann_energy": 7.0,
            "costs": {"name": "45nm", "mac": 1},
            "layers": [],
        },
    }
    (digits_run.folder / "audit.json").write_text(json.dumps(audit))
    notes = ["--note=Small images, one by one.", "--note=Digits only."]
    done = run("make_preset", *flags, f"--labels={','.join(labels)}", *notes)
    (digits_run.folder / "audit.json").unlink()
    assert done.returncode == 0, done.stderr
    record = json.loads((presets / "tiny.json").read_text())
    assert record["test_accuracy"] == pytest.approx(accuracy, abs=1e-2)
    assert record["arguments"]["units"] == [64, 48]
    assert record["labels"] == labels
    assert record["notes"] == ["Small images, one by one.", "Digits only."]
    assert record["audit"] == {
        "plausibility": {"samples": 8, "criteria": {"C1": {"title": "weights", "verdict": "holds"}}},
        "energy": {"samples": 8, "energy": 5.0, "ann_energy": 7.0, "costs": {"name": "45nm"}},
    }
    assert set(record["command"].split()[2:]) == set(DIGITS_FLAGS)
    assert record["training"]["scores"] == {"accuracy": accuracy}
    assert list(record["training"]["compared_with"]) == ["ann"]
    assert "history" not in json.dumps(record)
    model = keras_bsd.applications.load_preset(presets / "tiny.json")
    model.compile(metrics=["accuracy"])
    measured = model.evaluate(*digits[1], batch_size=500, verbose=0, return_dict=True)["accuracy"]
    assert measured == pytest.approx(record["test_accuracy"])


def test_presets_are_stored_with_seven_bits_of_mantissa(tmp_path):
    values = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
    with h5py.File(tmp_path / "whole.h5", "w") as file:
        file["layer/vars/0"], file["layer/vars/1"] = values, np.int32(3)
        file["layer"].attrs["name"] = "dense"
    with loaded("make_preset", "--run=run", "--name=name") as recipe:
        recipe.shorten(tmp_path / "whole.h5", tmp_path / "short.h5")
    with h5py.File(tmp_path / "short.h5") as file:
        stored = file["layer/vars/0"][()]
        assert (stored.dtype, stored.shape) == ("float16", (64, 64))
        np.testing.assert_allclose(stored, values, rtol=2**-8 + 2**-11, atol=1e-6)
        assert not (stored.view("uint16") & 0b111).any()
        assert (file["layer/vars/1"][()], file["layer"].attrs["name"]) == (3, "dense")
        assert file["layer/vars/0"].id.get_storage_size() < 0.8 * stored.nbytes
