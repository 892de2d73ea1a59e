import numpy as np
import pytest

from keras_bsd import plots
from keras_bsd.audit import energy
from tests.models import pairs


def test_learning_curves():
    histories = {"one": {"loss": [3, 2, 1], "val_loss": [3, 3, 2]}, "other": {"loss": [2, 1]}}
    (axis,) = plots.learning_curves(histories, "loss").axes
    lines = {line.get_label(): line for line in axis.lines}
    assert set(lines) == {"one, training", "one, validation", "other, training"}
    np.testing.assert_array_equal(lines["one, validation"].get_xydata(), [[1, 3], [2, 3], [3, 2]])


def test_accuracies():
    (axis,) = plots.accuracies({"one": {0: 1.0, 0.5: 0.75}, "other": {0: 0.9}}, "fraction removed").axes
    assert [line.get_label() for line in axis.lines] == ["one", "other"]
    np.testing.assert_array_equal(axis.lines[0].get_xydata(), [[0, 1], [0.5, 0.75]])
    assert axis.get_xlabel() == "fraction removed"


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
def test_labels_are_above_their_stimuli(channels):
    images = np.random.default_rng(0).random((5, 6, 4, channels))
    (axis,) = plots.stimuli(images, list("abcde"), columns=3).axes
    shown = axis.images[0].get_array().reshape(*axis.images[0].get_array().shape[:2], -1)
    for text, image in zip(axis.texts, images, strict=True):
        left, top = text.get_position()
        top, left = int(top + 1), int(left - 2)
        np.testing.assert_allclose(shown[top : top + 6, left : left + 4], image)
    assert "".join(text.get_text() for text in axis.texts) == "abcde"


def test_a_given_axis():
    from matplotlib.figure import Figure

    figure = Figure()
    left, _right = figure.subplots(1, 2)
    assert plots.stimuli(np.zeros((2, 3, 3, 1)), axis=left) is figure
    assert len(left.images) == 1


def test_stimuli_of_another_shape():
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 3, 3\)"):
        plots.stimuli(np.zeros((2, 3, 3)))


def test_membranes():
    traces = np.array([[0.2, 1.5, 0.0], [1.0, 0.1, 0.5]])
    figure = plots.membranes(traces, traces >= 1, threshold=1.0, neurons=(1, 2))
    (axis,) = figure.axes
    first, threshold, second, _ = axis.lines
    np.testing.assert_allclose(first.get_xydata(), [[1, 1.5], [2, 0.1]])
    assert threshold.get_ydata()[0] == 1
    np.testing.assert_allclose(np.diff(second.get_ydata()), [0.5])
    assert [len(marks.get_offsets()) for marks in axis.collections] == [1, 0]
    np.testing.assert_allclose(axis.collections[0].get_offsets(), [[1, 1.5]])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["neuron 1", "neuron 2"]
    with pytest.raises(ValueError, match=r"Received: shapes \(2, 3\) and \(2, 2\)"):
        plots.membranes(traces, traces[:, :2], threshold=1.0)


def test_affinity():
    matrix = np.array([[1.0, -0.5], [0.25, 0.0], [-1.0, 0.5]])
    axis, colours = plots.affinity(matrix, rows="abc", columns=[7, 8]).axes
    np.testing.assert_array_equal(axis.images[0].get_array(), matrix)
    assert axis.images[0].get_clim() == (-1, 1)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b", "c"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["7", "8"]
    assert colours.get_ylabel() == "affinity (cosine)"


def test_energy_bars_are_sums_by_stage():
    model = pairs.dense_pair()
    x, _ = pairs.samples(model)
    report = energy(model, x)
    (axis,) = plots.energy({"net": report}).axes
    bars = {container.get_label(): [bar.get_height() for bar in container] for container in axis.containers}
    assert list(bars) == ["net", "net, ANN"]
    for heights, energy_of in zip(bars.values(), (report.energy, report.ann_energy), strict=True):
        by_stage = [
            sum(energy_of(layer) for layer in report.layers if layer.stage == stage)
            for stage in ("first", "second", "third")
        ]
        np.testing.assert_allclose(heights[:3], np.array(by_stage) / 1e3)
        np.testing.assert_allclose(sum(heights), energy_of() / 1e3)
    assert "costs '45nm'" in axis.get_ylabel()
    loihi = energy(model, x, costs="loihi")
    assert len(plots.energy({"net": loihi}).axes[0].containers) == 1  # hardware without ANNs
    with pytest.raises(ValueError, match=r"must have the same costs. Received: costs \['45nm', 'loihi'\]"):
        plots.energy({"net": report, "other": loihi})
