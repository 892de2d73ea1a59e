import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bsd import datasets
from tests.datasets.events import events_of, random_events

EVENTS = events_of(t=[0, 10, 10, 25, 30], x=[0, 3, 5, 2, 4], y=[1, 0, 4, 2, 3], p=[0, 1, 1, 0, 1])


def rows(events):
    return [tuple(int(value) for value in event) for event in events.tolist()]


def test_crop():
    cropped = datasets.crop_events(EVENTS, x=(2, 5), y=(0, 3))
    assert rows(cropped) == [(10, 1, 0, 1), (25, 0, 2, 0)]
    assert cropped.dtype == EVENTS.dtype
    assert rows(datasets.crop_events(EVENTS, start=10, end=30)) == rows(EVENTS[1:4])
    assert len(datasets.crop_events(EVENTS, end=0)) == 0
    assert rows(EVENTS[:1]) == [(0, 0, 1, 0)]  # unchanged


def test_crop_removes_what_frames_refuse():
    events = random_events(100, width=9, duration=2000)
    frames = datasets.events_to_frames(
        datasets.crop_events(events, x=(0, 6), start=500, end=1500), (6, 5), 4, start=500, end=1500
    )
    inside = (events["x"] < 6) & (events["t"] >= 500) & (events["t"] < 1500)
    assert frames.sum() == inside.sum() > 0


@pytest.mark.parametrize("axis", ["x", "y", "p"])
def test_flips_of_frames(axis):
    events = random_events(60)
    axes = {"x": 2, "y": 1, "p": 3}
    frames = datasets.events_to_frames(events, (6, 5), 3)
    flipped = datasets.events_to_frames(datasets.flip_events(events, (6, 5), axis), (6, 5), 3)
    np.testing.assert_array_equal(flipped, np.flip(frames, axes[axis]))


def test_reversal_of_time():
    reversed_events = datasets.flip_events(EVENTS, (6, 5), "t")
    assert reversed_events["t"].tolist() == [0, 5, 20, 20, 30]
    assert rows(datasets.flip_events(reversed_events, (6, 5), "t")) == rows(EVENTS)
    assert len(datasets.flip_events(EVENTS[:0], (6, 5), "t")) == 0


def test_dropped_events_follow_from_the_seed():
    events = random_events(4000)
    events["t"] = np.arange(4000)
    fewer = datasets.drop_events(events, 0.25, seed=3)
    assert 2850 < len(fewer) < 3150
    assert (np.diff(fewer["t"]) > 0).all()
    np.testing.assert_array_equal(fewer, datasets.drop_events(events, 0.25, seed=3))
    np.testing.assert_array_equal(fewer, datasets.drop_events(events, 0.25, np.random.default_rng(3)))
    assert not np.array_equal(fewer, datasets.drop_events(events, 0.25, seed=4))
    assert len(datasets.drop_events(events, 0)) == 4000
    assert len(datasets.drop_events(events, 1)) == 0


def test_jitter():
    events = random_events(4000, duration=10**6)
    events["x"] = np.arange(4000)
    jittered = datasets.jitter_events(events, 1000, seed=3)
    assert (np.diff(jittered["t"]) >= 0).all()
    assert jittered["t"].min() >= 0
    moved = jittered["t"][np.argsort(jittered["x"])] - events["t"]
    inner = events["t"] > 5000
    assert 950 < moved[inner].std() < 1050
    assert abs(moved[inner].mean()) < 60
    np.testing.assert_array_equal(jittered, datasets.jitter_events(events, 1000, seed=3))
    np.testing.assert_array_equal(datasets.jitter_events(events, 0), events)
    unsigned = events_of([2**32 - 1] * 99, [0] * 99, dtype=[("t", "u4"), ("x", "u2")])
    assert datasets.jitter_events(unsigned, 1000)["t"].min() > 2**31


def test_downsampled_events_have_the_frames_of_a_smaller_sensor():
    events = random_events(100)
    np.testing.assert_array_equal(
        datasets.events_to_frames(datasets.downsample_events(events, 2), (3, 3), 4),
        datasets.events_to_frames(events, (6, 5), 4, downsampling=2),
    )


# Denoising


def slow_denoise(events, duration):
    def near(i, j):
        steps = abs(int(events["x"][i]) - int(events["x"][j])), abs(int(events["y"][i]) - int(events["y"][j]))
        return max(steps) == 1 and 0 <= int(events["t"][i]) - int(events["t"][j]) <= duration

    return [i for i in range(len(events)) if any(near(i, j) for j in range(len(events)))]


def test_denoise_by_hand():
    events = events_of(t=[0, 3, 9, 9, 20], x=[4, 5, 5, 4, 4], y=[2] * 5, p=[1, 0, 1, 1, 0])
    # The second follows the first, the third and fourth are at one time, the last is too late.
    assert rows(datasets.denoise_events(events, 5)) == rows(events[1:4])
    assert rows(datasets.denoise_events(events, 2)) == rows(events[2:4])
    assert rows(datasets.denoise_events(events, 11)) == rows(events[1:])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.integers(0, 10**6), st.sampled_from([0, 3, 50, 1000]))
def test_denoise_is_exact(count, seed, duration):
    events = random_events(count, duration=300, seed=seed)
    expected = events[slow_denoise(events, duration)]
    np.testing.assert_array_equal(datasets.denoise_events(events, duration), expected)


def test_denoise_of_a_line_of_units():
    events = events_of(t=[0.0, 0.5, 0.5, 2.0], x=[3, 4, 9, 4], dtype=[("t", "f8"), ("x", "i2")])
    assert datasets.denoise_events(events, 0.5)["t"].tolist() == [0.5]


# Bad arguments


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: datasets.crop_events(EVENTS, x=(3, 3)),
            r"`x` must be an integer of at least 4. Received: x=3",
        ),
        (lambda: datasets.crop_events(EVENTS, y=5), r"`y` must be the first coordinate of a window.*y=5"),
        (lambda: datasets.crop_events(EVENTS, start=5, end=5), r"`end` must be a finite number in \(5"),
        (lambda: datasets.crop_events(EVENTS[["t", "x"]], y=(0, 2)), r"must have the fields t, x, y"),
        (
            lambda: datasets.flip_events(EVENTS, (6, 5), "z"),
            r"Unknown `axis`: choose one of 'x', 'y', 't', 'p'",
        ),
        (lambda: datasets.flip_events(EVENTS, (3, 5)), r"`x` of every event must be in \[0, 2\]"),
        (lambda: datasets.flip_events(EVENTS, (6,), "y"), r"A line of units has no `y`"),
        (lambda: datasets.drop_events(EVENTS, 1.5), r"`probability` must be a finite number in \[0.0, 1.0\]"),
        (lambda: datasets.drop_events(EVENTS, 0.5, seed=None), r"`seed` must be an integer.*seed=None"),
        (lambda: datasets.jitter_events(EVENTS, -1), r"`deviation` must be a finite number in \[0.0"),
        (lambda: datasets.jitter_events(EVENTS[::-1], 1), r"Times must not decrease"),
        (lambda: datasets.denoise_events(EVENTS, -1), r"`duration` must be a finite number in \[0.0"),
        (lambda: datasets.denoise_events(EVENTS[::-1], 1), r"Times must not decrease"),
        (lambda: datasets.downsample_events(EVENTS, 0), r"`factor` must be an integer of at least 1"),
        (lambda: datasets.drop_events(np.zeros(4), 0.5), r"must be a NumPy structured array"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
