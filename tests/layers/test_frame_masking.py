import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.layers import FrameMasking, Readout, SpikingConv2D, SpikingDense

FRAMES = np.random.default_rng(0).poisson(0.4, (3, 6, 4, 4, 2)).astype("float32")
FRAMES[:, 2] = 0  # a silent frame that is not at the end
FRAMES[:, 5, 0, 0, 0] = 1
PADDED = np.pad(FRAMES, [(0, 0), (0, 3), (0, 0), (0, 0), (0, 0)])


def test_mask_ends_with_the_last_event():
    mask = ops.convert_to_numpy(FrameMasking().compute_mask(PADDED))
    assert mask.tolist() == [[True] * 6 + [False] * 3] * 3
    assert not ops.convert_to_numpy(FrameMasking().compute_mask(np.zeros((1, 4, 2)))).any()
    earlier = np.array([[True] * 2 + [False] * 7] * 3)
    assert ops.convert_to_numpy(FrameMasking().compute_mask(PADDED, earlier)).sum(axis=1).tolist() == [2] * 3


def test_the_input_gets_no_mask():
    frames = ops.convert_to_tensor(PADDED)
    output = FrameMasking()(frames)
    assert getattr(frames, "_keras_mask", None) is None
    np.testing.assert_array_equal(ops.convert_to_numpy(output), PADDED)


@pytest.mark.parametrize("dense", [True, False])
def test_padding_changes_no_score(dense):
    keras.utils.set_random_seed(0)
    if dense:
        x, padded = (frames.reshape(*frames.shape[:2], -1) for frames in (FRAMES, PADDED))
        stages = [SpikingDense(8, neuron=keras_bsd.layers.SpikingLIF(0.8, threshold=0.1))]
    else:
        x, padded = FRAMES, PADDED
        stages = [SpikingConv2D(4, 3, neuron=keras_bsd.layers.SpikingLIF(0.8, threshold=0.1))]
    inputs = keras.Input((None, *x.shape[2:]))
    stages.append(Readout([keras.layers.Flatten(), keras.layers.Dense(3)]))
    model = keras.Sequential([inputs, FrameMasking(), *stages])
    scores = model.predict(x, verbose=0)
    np.testing.assert_allclose(model.predict(padded, verbose=0), scores, atol=1e-6)
    unmasked = keras.Sequential([inputs, *stages]).predict(padded, verbose=0)
    assert np.abs(unmasked - scores).max() > 1e-3


def test_saves(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, 4)), FrameMasking(), SpikingDense(3), Readout(keras.layers.Dense(2))]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.eye(4, dtype="float32")[None]
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("shape", [(3,), (3, 4)])
def test_frames_need_an_axis_after_time(shape):
    with pytest.raises(
        ValueError, match=r"FrameMasking expects .* of shape \(batch, time, ...\).*Received: shape="
    ):
        FrameMasking()(np.zeros(shape))
