import io

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import keras_bsd
from keras_bsd.callbacks import StimulusGrid
from tests.models import pairs


def image_pair(**kwargs):
    return keras_bsd.applications.SpikingMLP((4, 3, 1), 3, 2, units=(8,), **kwargs)


def pixels(path):
    return np.asarray(Image.open(path).convert("L")) / 255


def test_recalls_every_class_into_files_and_tensorboard(tmp_path):
    model = image_pair()
    model.compile(run_eagerly=True)
    grid = StimulusGrid(tmp_path / "recalled", log_dir=tmp_path / "logs", every=2, columns=2)
    model.fit(*pairs.samples(model), epochs=3, callbacks=[grid], verbose=0)
    assert sorted(path.name for path in (tmp_path / "recalled").iterdir()) == [
        "epoch-0001.png",
        "epoch-0003.png",
    ]
    shown = pixels(tmp_path / "recalled" / "epoch-0003.png")
    assert shown.shape == (2 * 5, 2 * 4)
    recalled = np.clip(model.recall([0, 1, 2])[..., 0], 0, 1)
    for image, (top, left) in zip(recalled, [(1, 0), (1, 4), (6, 0)], strict=True):
        np.testing.assert_allclose(shown[top : top + 4, left : left + 3], image, atol=1 / 255)
    logged = EventAccumulator(str(tmp_path / "logs"), {"images": 0}).Reload().Images("stimuli")
    assert [event.step for event in logged] == [0, 2]
    assert (logged[1].height, logged[1].width) == shown.shape
    np.testing.assert_allclose(pixels(io.BytesIO(logged[1].encoded_image_string)), shown, atol=1.01 / 255)


def test_reconstructions_are_below_the_stimuli(tmp_path):
    model = image_pair()
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model, count=5)
    model.fit(x, y, callbacks=[StimulusGrid(tmp_path, x=x, columns=3)], verbose=0)
    shown = pixels(tmp_path / "epoch-0001.png")
    assert shown.shape == (4 * 5, 3 * 4)
    reconstructions = np.clip(model.recall(model.predict(x, verbose=0)), 0, 1)[..., 0]
    for i, (top, left) in enumerate([(1, 0), (1, 4), (1, 8), (11, 0), (11, 4)]):
        np.testing.assert_allclose(shown[top : top + 4, left : left + 3], x[i, ..., 0], atol=1 / 255)
        np.testing.assert_allclose(shown[top + 5 : top + 9, left : left + 3], reconstructions[i], atol=1 / 255)


def test_stimuli_that_are_not_images_raise_before_training(tmp_path):
    model = pairs.dense_pair()
    model.compile(run_eagerly=True)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"`images` must have shape .* Received: shape=\(1, 4\)"):
        model.fit(*pairs.samples(model), callbacks=[StimulusGrid(tmp_path)], verbose=0)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_without_classes_stimuli_are_required(tmp_path):
    encoder = keras.Sequential(
        [
            keras.Input((4, 3, 1)),
            keras_bsd.layers.SpikingDense(5, timesteps=2),
            keras_bsd.layers.Readout(keras.layers.Dense(2)),
        ]
    )
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), task="regression")
    callback = StimulusGrid(tmp_path)
    callback.set_model(model)
    with pytest.raises(ValueError, match=r"task='regression'. Pass stimuli as `x`"):
        callback.on_train_begin()
    with pytest.raises(ValueError, match="`every` must be an integer of at least 1"):
        StimulusGrid(tmp_path, every=0)
