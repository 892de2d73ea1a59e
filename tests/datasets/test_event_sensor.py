import math

import numpy as np
import pytest

from keras_bsd import datasets
from keras_bsd.datasets import _event_sensor

LOG = math.log(1.05 / 0.05)  # from black to white


def edge(height=3, width=8, column=4):
    image = np.zeros((1, height, width))
    image[:, :, column:] = 1
    return image


def test_an_edge_that_moves_by_a_pixel():
    """The shift along x is -1, 0, 1 and -1 at the corners: pixels 3 and 4 of the image become bright once."""
    (events,) = datasets.simulate_events(edge(), threshold=0.5, amplitude=1)
    crossings = math.floor(LOG / 0.5)
    assert crossings == 6
    assert set(events["x"]) == {4, 5}  # with a margin of 1
    assert set(events["y"]) == set(range(5))
    for x, begin in ((5, 0), (4, 100_000)):  # dark until the first corner, and until the second
        pixel = events[(events["x"] == x) & (events["y"] == 2)]
        assert pixel["p"].tolist() == [True] * crossings + [False] * crossings
        intensity = 0.05 * (
            np.exp(0.5 * np.arange(1, crossings + 1)) - 1
        )  # at which the log has risen by n / 2
        np.testing.assert_allclose(pixel["t"][:crossings], begin + 100_000 * intensity, atol=1_500)
        assert (pixel["t"][crossings:] > 200_000).all()


@pytest.mark.parametrize("threshold", [0.1, 0.3, LOG / 7, LOG, 3.2, (0.2, 0.7)])
def test_numbers_of_events_are_those_of_thresholds(threshold):
    (events,) = datasets.simulate_events(edge(), threshold, amplitude=1)
    up, down = threshold if isinstance(threshold, tuple) else (threshold, threshold)
    brighter = math.floor(LOG / up + 1e-9)
    darker = math.floor(brighter * up / down + 1e-9)
    pixel = events[(events["x"] == 5) & (events["y"] == 1)]
    assert [int(pixel["p"].sum()), int((~pixel["p"]).sum())] == [brighter, darker]


def test_flat_images_have_no_events():
    for value in (0, 0.3, 1):
        (events,) = datasets.simulate_events(np.full((1, 5, 5), value))
        assert len(events) == 0


def test_events_are_in_order_and_on_the_sensor(digits):
    images = digits[0][0][:20]
    recordings = datasets.simulate_events(images, noise_rate=5.0)
    assert len(recordings) == 20
    for events in recordings:
        assert events.dtype == [("t", "i8"), ("x", "i2"), ("y", "i2"), ("p", "?")]
        assert (np.diff(events["t"]) >= 0).all()
        assert datasets.events_to_frames(events, (14, 14), 5, start=0, end=300_000).sum() == len(events)


@pytest.mark.parametrize(
    ("bins", "options"),
    [
        (1, {}),
        (7, {}),
        (10, {"noise_rate": 20.0}),
        (90, {"threshold": (0.4, 0.6), "amplitude": 1.3}),
        (9, {"duration": 1001}),
    ],
)
def test_frames_are_those_of_the_events(digits, bins, options, monkeypatch):
    images, duration, steps = digits[0][0][:9], options.get("duration", 300_000), bins * -(-90 // bins)
    monkeypatch.setattr(_event_sensor, "VALUES", 14 * 14 * 4)  # four images at once
    frames = datasets.simulate_event_frames(images, bins, **options)
    recordings = datasets.simulate_events(images, steps=steps, **options)
    size = frames.shape[3:1:-1]
    expected = [datasets.events_to_frames(e, size, bins, start=0, end=duration) for e in recordings]
    np.testing.assert_array_equal(frames, expected)
    assert frames.sum(axis=(1, 2, 3, 4)).min() > 50


def test_images_are_independent_of_their_batch(digits, monkeypatch):
    images = digits[0][0][:6, ..., 0]
    together = datasets.simulate_events(images)
    monkeypatch.setattr(_event_sensor, "VALUES", 1)
    for one, other in zip(together, datasets.simulate_events(images), strict=True):
        np.testing.assert_array_equal(one, other)


def test_refractory_pixels_have_no_event():
    (events,) = datasets.simulate_events(edge(), 0.1, amplitude=1)
    (fewer,) = datasets.simulate_events(edge(), 0.1, amplitude=1, refractory=5_000)
    for x in (4, 5):
        times, kept = (each["t"][(each["x"] == x) & (each["y"] == 2)] for each in (events, fewer))
        expected, last = [], -math.inf
        for t in times:
            if t - last >= 5_000:
                expected.append(t)
                last = t
        assert kept.tolist() == expected
        assert len(kept) < len(times)


def test_noise_has_its_rate_and_follows_from_the_seed():
    images = np.zeros((4, 20, 20))
    noise = datasets.simulate_events(images, noise_rate=10, seed=1)
    expected = 10 * 0.3 * 26 * 26
    assert all(abs(len(events) - expected) < 6 * math.sqrt(expected) for events in noise)
    assert 0.45 < noise[0]["p"].mean() < 0.55
    again = datasets.simulate_events(images, noise_rate=10, seed=1)
    other = datasets.simulate_events(images, noise_rate=10, seed=2)
    assert all(np.array_equal(one, two) for one, two in zip(noise, again, strict=True))
    assert not np.array_equal(noise[0], other[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": np.zeros((8, 8))}, r"`images` must have shape \(batch, height, width\).*shape=\(8, 8\)"),
        ({"images": np.zeros((2, 8, 8, 3))}, r"`images` must have shape .*Convert images of several channels"),
        (
            {"images": np.full((1, 8, 8), 255, "uint8")},
            r"`images` must be numbers in \[0, 1\].*from 255 to 255",
        ),
        ({"images": np.full((1, 8, 8), np.nan)}, r"`images` must be numbers in \[0, 1\].*nan"),
        ({"threshold": 0}, r"`threshold` must be a finite number in \(0.0"),
        ({"threshold": (1, 2, 3)}, r"`threshold` must be a number or a pair of numbers"),
        ({"amplitude": 0}, r"`amplitude` must be a finite number in \(0.0"),
        ({"duration": 0}, r"`duration` must be an integer of at least 1"),
        ({"noise_rate": -1}, r"`noise_rate` must be a finite number in \[0.0"),
        ({"seed": -1}, r"`seed` must be an integer of at least 0"),
    ],
)
def test_bad_arguments(arguments, message):
    arguments = {"images": edge(), **arguments}
    with pytest.raises(ValueError, match=message):
        datasets.simulate_events(**arguments)
    with pytest.raises(ValueError, match=message):
        datasets.simulate_event_frames(bins=3, **arguments)


def test_bad_steps():
    with pytest.raises(ValueError, match=r"`steps` must be a multiple of `bins`. Received: steps=10, bins=3"):
        datasets.simulate_event_frames(edge(), 3, steps=10)
    for simulate in (datasets.simulate_events, lambda *a, **k: datasets.simulate_event_frames(*a, 3, **k)):
        with pytest.raises(ValueError, match=r"`steps` must be an integer of at least 1"):
            simulate(edge(), steps=0)
    with pytest.raises(ValueError, match=r"`refractory` must be an integer of at least 0"):
        datasets.simulate_events(edge(), refractory=-1)
