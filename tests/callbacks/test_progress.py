import csv
import time

import keras
import numpy as np
import pytest

from keras_bsd.callbacks import EpochSeconds, StageProgress, stage_logs
from tests.models import pairs


def test_stage_logs():
    logs = {"loss": 1.0, "a_alignment": 0.5, "b_alignment": 0.25, "a_firing_rate": 0.1}
    assert stage_logs(logs, "alignment") == {"a": 0.5, "b": 0.25}
    assert stage_logs(logs, "firing_rate") == {"a": 0.1}


def test_progress_shows_means_and_the_history_has_every_stage(capsys):
    model = pairs.dense_pair()
    model.compile(metrics=["accuracy"], run_eagerly=True)
    history = model.fit(*pairs.samples(model), callbacks=[StageProgress()], verbose=2).history
    shown = capsys.readouterr().out.splitlines()[-1]
    assert "first" not in shown
    for metric in ("alignment", "firing_rate"):
        mean = np.mean([history[f"{stage}_{metric}"][-1] for stage in ("first", "second", "third")])
        assert float(shown.split(f"{metric}: ")[1].split(" ")[0]) == pytest.approx(mean, abs=1e-4)
    assert shown.count("accuracy") == 1


def test_progress_of_a_model_without_stages(capsys):
    encoder = pairs.dense_encoder()
    encoder.compile(loss="sparse_categorical_crossentropy", run_eagerly=True)
    model = pairs.dense_pair()
    encoder.fit(*pairs.samples(model), callbacks=[StageProgress()], verbose=1)
    shown = capsys.readouterr().out
    assert "loss" in shown
    assert "alignment" not in shown


def test_seconds_of_each_epoch(tmp_path):
    model = pairs.dense_pair()
    model.compile(run_eagerly=True)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    start = time.perf_counter()
    model.fit(*pairs.samples(model), epochs=3, callbacks=[EpochSeconds(), log], verbose=0)
    duration = time.perf_counter() - start
    seconds = [float(row["seconds"]) for row in csv.DictReader((tmp_path / "log.csv").open())]
    assert len(seconds) == 3
    assert min(seconds) > 0
    assert sum(seconds) < duration


def test_logs_and_metrics_that_are_none():
    with pytest.raises(ValueError, match=r"`logs` must be a dict, .* Received: logs=None"):
        stage_logs(None, "alignment")
    with pytest.raises(ValueError, match=r"Unknown `metric`: choose one of 'alignment', .* metric='loss'"):
        stage_logs({}, "loss")
