import numpy as np
import pytest

from keras_bsd import plots


def test_learning_curves():
    histories = {"one": {"loss": [3, 2, 1], "val_loss": [3, 3, 2]}, "other": {"loss": [2, 1]}}
    (axis,) = plots.learning_curves(histories, "loss").axes
    lines = {line.get_label(): line for line in axis.lines}
    assert set(lines) == {"one, training", "one, validation", "other, training"}
    np.testing.assert_array_equal(lines["one, validation"].get_xydata(), [[1, 3], [2, 3], [3, 2]])


def test_accuracies():
    (axis,) = plots.accuracies({"one": {0: 1.0, 0.5: 0.75}, "other": {0: 0.9}}, "part lost").axes
    assert [line.get_label() for line in axis.lines] == ["one", "other"]
    np.testing.assert_array_equal(axis.lines[0].get_xydata(), [[0, 1], [0.5, 0.75]])
    assert axis.get_xlabel() == "part lost"


def test_calibration():
    rows = [{"confidence": 0.5, "accuracy": 0.25, "samples": 4}, {"confidence": 1, "accuracy": 0.75}]
    (axis,) = plots.calibration({"one": rows}).axes
    assert [line.get_label() for line in axis.lines] == ["one", "calibrated"]
    np.testing.assert_array_equal(axis.lines[0].get_xydata(), [[0.5, 0.25], [1, 0.75]])


def test_alignment():
    history = {"loss": [1, 1], "a_alignment": [0.1, 0.2], "a_firing_rate": [0, 0], "b_alignment": [0.3, 0.4]}
    (axis,) = plots.alignment(history).axes
    assert [line.get_label() for line in axis.lines] == ["a", "b"]
    np.testing.assert_array_equal(axis.lines[1].get_ydata(), [0.3, 0.4])


def test_raster_has_a_mark_for_every_spike():
    generator = np.random.default_rng(0)
    spikes = {"low": generator.random((5, 4, 3)) < 0.4, "high": generator.random((5, 100)) < 0.1}
    (axis,) = plots.spike_raster(spikes, neurons=100).axes
    for marks, train in zip(axis.collections, spikes.values(), strict=True):
        times = marks.get_offsets()[:, 0]
        np.testing.assert_array_equal(
            np.bincount(times.astype(int), minlength=6)[1:], train.reshape(5, -1).sum(1)
        )
    assert [label.get_text() for label in axis.get_yticklabels()] == ["low", "high"]
    few = plots.spike_raster(spikes, neurons=10).axes[0]
    assert len(few.collections[1].get_offsets()) < spikes["high"].sum()


@pytest.mark.parametrize("channels", [1, 3])
def test_stimuli_stand_where_their_labels_are(channels):
    images = np.random.default_rng(0).random((5, 6, 4, channels))
    (axis,) = plots.stimuli(images, list("abcde"), columns=3).axes
    shown = axis.images[0].get_array().reshape(*axis.images[0].get_array().shape[:2], -1)
    for text, image in zip(axis.texts, images, strict=True):
        left, top = text.get_position()
        top, left = int(top + 1), int(left - 2)
        np.testing.assert_allclose(shown[top : top + 6, left : left + 4], image)
    assert "".join(text.get_text() for text in axis.texts) == "abcde"


def test_an_axis_of_ones_own():
    from matplotlib.figure import Figure

    figure = Figure()
    left, _right = figure.subplots(1, 2)
    assert plots.stimuli(np.zeros((2, 3, 3, 1)), axis=left) is figure
    assert len(left.images) == 1


def test_stimuli_of_another_shape():
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 3, 3\)"):
        plots.stimuli(np.zeros((2, 3, 3)))
