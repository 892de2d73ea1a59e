import csv

import keras
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_bsd.audit import plausibility
from keras_bsd.audit._twins import compare
from keras_bsd.callbacks import FiringRateCheck, LayerAlignment, StimulusGrid
from tests.models import pairs


def test_logs_reach_the_history_files_and_tensorboard(tmp_path):
    model = pairs.dense_pair()
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model)
    callbacks = [
        LayerAlignment(x, y, every=2),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(tmp_path / "tensorboard"),
    ]
    history = model.fit(x, y, epochs=3, callbacks=callbacks, verbose=0).history

    recalled = keras.Model(model.decoder.inputs, [stage.output for stage in model.decoder_stages])
    spikes = model.spikes(x)
    for stage, mirrored in zip(model.encoder_stages, recalled.predict(np.eye(3), verbose=0), strict=True):
        forward, backward = spikes[stage.name], mirrored[y]
        agreement = np.mean([np.mean(a == b) for a, b in zip(forward, backward, strict=True)])
        assert history[f"{stage.name}_spike_hamming"][-1] == pytest.approx(agreement)
        cosines = [
            np.sum(a * b) / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9)
            for a, b in zip(forward, backward, strict=True)
        ]
        assert history[f"{stage.name}_spike_cosine"][-1] == pytest.approx(np.mean(cosines), abs=1e-6)
    for pair in compare(model):
        assert history[f"{pair.forward}_weight_cosine"][-1] == pytest.approx(pair.cosine)

    repeated = history["second_spike_hamming"]
    assert repeated[0] == repeated[1] != repeated[2]
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [float(row["second_spike_hamming"]) for row in rows] == pytest.approx(repeated)
    logged = EventAccumulator(str(tmp_path / "tensorboard" / "train")).Reload()
    assert "epoch_second_spike_hamming" in logged.Tags()["tensors"] + logged.Tags()["scalars"]

    report = plausibility(model, x, y)
    course = report.criteria["C1"].measured["cosines_over_training"]
    assert course["second"] == pytest.approx(history["second_weight_cosine"])
    assert "first epoch" in str(report)


@pytest.mark.parametrize("make", [pairs.residual_pair, pairs.own_layers_pair, pairs.regression_pair])
def test_other_pairs(make):
    model = make()
    model.compile()
    x, y = pairs.samples(model)
    callback = LayerAlignment(x[:5], y[:5])
    callback.set_model(model)
    callback.on_train_begin()
    logs = {}
    callback.on_epoch_end(0, logs)
    assert sum(name.endswith("_spike_hamming") for name in logs) == len(model.encoder_stages)
    assert all(-1 <= value <= 1 for value in logs.values())


def test_bad_input():
    x, y = pairs.samples(pairs.dense_pair())
    with pytest.raises(ValueError, match="Received: 12 stimuli, 11 targets"):
        LayerAlignment(x, y[:11])
    with pytest.raises(ValueError, match="Received: 0 stimuli, 0 targets"):
        LayerAlignment(x[:0], y[:0])
    with pytest.raises(ValueError, match="`every` must be an integer of at least 1"):
        LayerAlignment(x, y, every=0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.full((3, 4), np.nan), [0, 1, 2], "`x` must be finite"),
        (np.zeros((3, 5)), [0, 1, 2], r"Stimuli must have shape \(batch, 4\). Received: shape=\(3, 5\)"),
        (np.zeros((3, 4)), [0, 1, 3], r"Classes must lie in \[0, 2\]. Received: values from 0 to 3"),
    ],
)
def test_samples_are_checked_before_training(x, y, message):
    model = pairs.small_pair()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=message):
        model.fit(*pairs.samples(model), callbacks=[LayerAlignment(x, y)], verbose=0)


def test_data_of_other_types():
    model = pairs.small_pair()
    for x, y, message in (
        (model, np.zeros(3), "`x` must be an array with a batch axis. Received: x=<BSDModel"),
        (None, np.zeros(3), "Received: x=None"),
        (np.zeros((3, 4)), None, "`y` must be an array with a batch axis. Received: y=None"),
        (np.zeros((3, 4)), [[1], [1, 2]], "`y` must be an array of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            LayerAlignment(x, y)


@pytest.mark.parametrize(
    "callback", [LayerAlignment(np.eye(4), np.zeros(4)), StimulusGrid("g"), FiringRateCheck()]
)
def test_callbacks_of_pairs_alone(callback):
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    network.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(ValueError, match=r"is for the `fit` of a keras_bsd.BSDModel.* Received: (model|logs)"):
        network.fit(np.eye(4), np.zeros((4, 3)), callbacks=[callback], verbose=0)
