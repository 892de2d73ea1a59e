import numpy as np
import pytest

from keras_bsd import datasets
from keras_bsd.datasets import _sweeps


def frames_of(recordings, channels, bins=500):
    return np.array([datasets.events_to_frames(r, (channels,), bins, start=0, end=500_000) for r in recordings])


def test_first_and_second_class_sweep_up_and_down():
    recordings, classes = datasets.simulate_sweeps(6, classes=2, channels=20)
    assert classes.tolist() == [0, 1] * 3
    for events, label in zip(recordings, classes, strict=True):
        times = [events["t"][events["x"] == channel].mean() for channel in range(20)]
        steps = np.diff(times)
        assert (steps > 0).all() if label == 0 else (steps < 0).all()


def test_classes_have_the_same_numbers_of_spikes_in_each_channel(monkeypatch):
    """Sounds that differ in their class alone."""
    classes, channels = 10, 30

    def same_sound(slots, *args):
        return np.concatenate(
            [energy(slots[i : i + 1], *args[:-1], np.random.default_rng(3)) for i in range(len(slots))]
        )

    energy = _sweeps._energy
    monkeypatch.setattr(_sweeps, "_energy", same_sound)
    recordings, _ = datasets.simulate_sweeps(classes, classes, channels)
    frames = frames_of(recordings, channels)
    counts = frames.sum(axis=1)
    assert counts.min() >= 3
    np.testing.assert_array_equal(counts, counts[:1].repeat(classes, axis=0))
    assert len({each.tobytes() for each in frames}) == classes


def test_classes_have_the_same_rates_on_average():
    recordings, classes = datasets.simulate_sweeps(400, 4, 16, noise=0.02)
    counts = frames_of(recordings, 16, bins=1)[:, 0]
    means = np.array([counts[classes == label].mean(axis=0) for label in range(4)])
    error = counts.std(axis=0) / 10
    assert (np.abs(means - means.mean(axis=0)) < 4 * error).all()


def nearest_mean(x, classes):
    """Return the accuracy on the second half of the samples, of means of the first half."""
    x, half = x.reshape(len(x), -1), len(x) // 2
    means = np.array([x[:half][classes[:half] == label].mean(axis=0) for label in np.unique(classes)])
    distances = ((x[half:, None] - means) ** 2).sum(axis=-1)
    return (distances.argmin(axis=1) == classes[half:]).mean()


def test_the_class_is_in_the_times_alone():
    recordings, classes = datasets.simulate_sweeps(800, 4, 16, noise=0.01)
    frames = frames_of(recordings, 16, bins=10)
    assert nearest_mean(frames, classes) > 0.9
    assert nearest_mean(frames.sum(axis=1), classes) < 0.33  # 0.25 by chance, with a deviation of 0.02


def test_spikes_mark_rising_energy():
    """A Gaussian with a deviation of 3 to 5 steps rises by 0.05 a step for 5 to 9 steps, up to its centre."""
    (events,), _ = datasets.simulate_sweeps(1, 2, 10)
    for channel in range(1, 9):
        times = events["t"][events["x"] == channel]
        assert 5 <= len(times) <= 9
        assert np.diff(times).tolist() == [1000] * (len(times) - 1)


def test_sounds_follow_from_the_seed(monkeypatch):
    one, labels = datasets.simulate_sweeps(12, 4, 16, noise=0.1, seed=5)
    two, _ = datasets.simulate_sweeps(12, 4, 16, noise=0.1, seed=5)
    other, _ = datasets.simulate_sweeps(12, 4, 16, noise=0.1, seed=6)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert len({events.tobytes() for events in one}) == 12
    assert one[0].dtype == [("t", "i8"), ("x", "i2")]
    assert labels.dtype == "int32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"samples": 0}, r"`samples` must be an integer of at least 1"),
        ({"classes": 1}, r"`classes` must be an integer of at least 2"),
        ({"channels": 2, "classes": 8}, r"`channels` must be an integer of at least 3"),
        (
            {"duration": 500_500},
            r"`duration` must be a multiple of 1000 microseconds. Received: duration=500500",
        ),
        ({"duration": 1000}, r"`duration` must be an integer of at least 50000"),
        ({"noise": -0.1}, r"`noise` must be a finite number in \[0.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.simulate_sweeps(**{"samples": 4, **arguments})
