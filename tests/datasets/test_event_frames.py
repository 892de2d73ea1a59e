import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_bsd import datasets
from keras_bsd.datasets import _event_frames
from tests.datasets.events import events_of, random_events


def slow_frames(events, sensor_size, bin_of, bins):
    """Count events one by one."""
    frames = np.zeros((bins, *reversed(sensor_size), 2))
    for i, event in enumerate(events):
        frames[bin_of(i, int(event["t"])), event["y"], event["x"], int(event["p"])] += 1
    return frames


# Bins


def test_bins_by_hand():
    events = events_of(t=[10, 11, 14, 20], x=[0, 1, 2, 2], y=[1, 0, 0, 1], p=[0, 1, 1, 1])
    frames = datasets.events_to_frames(events, (3, 2), 2)  # from 10 to 15 and from 15 to 20
    assert frames.shape == (2, 2, 3, 2)
    assert frames.dtype == "float32"
    expected = np.zeros((2, 2, 3, 2))
    expected[0, 1, 0, 0] = expected[0, 0, 1, 1] = expected[0, 0, 2, 1] = expected[1, 1, 2, 1] = 1
    np.testing.assert_array_equal(frames, expected)


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(0, 60), min_size=1, max_size=40).map(sorted),
    first=st.sampled_from([0, 7, 10**12, 2**60]),
    bins=st.integers(1, 70),
)
def test_bins_of_equal_duration_are_exact(times, first, bins):
    events = random_events(len(times))
    events["t"] = first + np.array(times)
    start, duration = first + times[0], times[-1] - times[0]

    def bin_of(_, t):
        return min(int(Fraction(t - start, duration) * bins), bins - 1) if duration else bins - 1

    frames = datasets.events_to_frames(events, (6, 5), bins)
    np.testing.assert_array_equal(frames, slow_frames(events, (6, 5), bin_of, bins))
    assert frames[-1].sum() > 0  # the last event is in the last bin


@pytest.mark.parametrize("width", [1, 7, 33, 500, 2000])
def test_bins_of_a_given_duration_keep_the_last_one(width):
    events = random_events(300)
    first, last = (int(events["t"][i]) for i in (0, -1))
    bins = (last - first) // width + 1
    frames = datasets.events_to_frames(events, (6, 5), bin_duration=width)
    np.testing.assert_array_equal(frames, slow_frames(events, (6, 5), lambda _, t: (t - first) // width, bins))
    frames = datasets.events_to_frames(events, (6, 5), bin_duration=width, start=0, end=1000)
    expected = slow_frames(events, (6, 5), lambda _, t: t // width, -(-1000 // width))
    np.testing.assert_array_equal(frames, expected)


def test_bins_of_equal_numbers_of_events(monkeypatch):
    monkeypatch.setattr(_event_frames, "PIECE", 16)
    events = random_events(103)
    frames = datasets.events_to_frames(events, (6, 5), events_per_bin=10)
    np.testing.assert_array_equal(frames, slow_frames(events, (6, 5), lambda i, _: i // 10, 11))
    assert frames.sum(axis=(1, 2, 3)).tolist() == [10] * 10 + [3]


def test_start_and_end_give_recordings_the_same_bins():
    events = events_of(t=[30, 59, 60, 99], x=[0, 0, 0, 0], y=[0] * 4, p=[0, 0, 1, 1])
    frames = datasets.events_to_frames(events, (1, 1), 5, start=0, end=100)
    assert frames[:, 0, 0].tolist() == [[0, 0], [1, 0], [1, 0], [0, 1], [0, 1]]
    empty = datasets.events_to_frames(events[:0], (1, 1), 5, start=0, end=100)
    assert empty.shape == (5, 1, 1, 2)
    assert not empty.any()


def test_events_of_one_time_are_in_the_last_bin():
    events = events_of(t=[5, 5], x=[0, 0], y=[0, 0], p=[0, 0])
    assert datasets.events_to_frames(events, (1, 1), 3)[:, 0, 0, 0].tolist() == [0, 0, 2]
    assert datasets.events_to_frames(events, (1, 1), bin_duration=3)[:, 0, 0, 0].tolist() == [2]


def test_times_in_seconds():
    events = events_of(t=[0.0, 0.25, 0.5, 0.999], x=[0, 1, 2, 3], dtype=[("t", "f2"), ("x", "u2"), ("p", "i8")])
    assert datasets.events_to_frames(events, (4,), 4, start=0, end=1).argmax(axis=1)[:, 0].tolist() == [
        0,
        1,
        2,
        3,
    ]
    frames = datasets.events_to_frames(events, (4,), bin_duration=0.25)
    assert frames[..., 0].tolist() == np.eye(4).tolist()


# Values


@pytest.mark.parametrize("polarity", ["?", "u1", "i1", "i8"])
@pytest.mark.parametrize("order", ["xytp", "txyp", "ptyx"])
def test_fields_in_any_order_and_width(order, polarity):
    plain = random_events(50)
    types = {"x": "u1", "y": "u2", "t": "u4", "p": polarity}
    events = events_of(
        *(plain[name] for name in "txyp"), dtype=[(name, types[name]) for name in order] + [("id", "i4")]
    )
    expected = datasets.events_to_frames(plain, (6, 5), 4)
    np.testing.assert_array_equal(datasets.events_to_frames(events, (6, 5), 4), expected)


def test_merged_polarities_and_events_without_any():
    events = random_events(80)
    frames = datasets.events_to_frames(events, (6, 5), 3)
    merged = datasets.events_to_frames(events, (6, 5), 3, polarity="merge")
    np.testing.assert_array_equal(merged, frames.sum(axis=-1, keepdims=True))
    unsigned = datasets.events_to_frames(events[["t", "x", "y"]], (6, 5), 3)
    np.testing.assert_array_equal(unsigned, merged)


def test_lines_of_units():
    events = events_of(t=[0, 1, 2], x=[0, 699, 699])
    frames = datasets.events_to_frames(events, (700,), 2)
    assert frames.shape == (2, 700)
    assert frames[:, [0, 699]].tolist() == [[1, 0], [0, 2]]
    assert datasets.events_to_frames(events, (700,), 2, downsampling=10)[1, 69] == 2
    signed = events_of(t=[0, 1], x=[0, 2], p=[1, 0])
    assert datasets.events_to_frames(signed, (3,), 1)[0].tolist() == [[0, 1], [0, 0], [1, 0]]
    assert datasets.events_to_frames(signed, (3,), 1, polarity="merge").tolist() == [[1, 0, 1]]


def test_downsampling_merges_squares_of_pixels():
    events = random_events(200)
    frames = datasets.events_to_frames(events, (6, 5), 2)
    small = datasets.events_to_frames(events, (6, 5), 2, downsampling=2)
    padded = np.pad(frames, [(0, 0), (0, 1), (0, 0), (0, 0)])
    np.testing.assert_array_equal(small, padded.reshape(2, 3, 2, 3, 2, 2).sum(axis=(2, 4)))


def test_binary_frames():
    events = random_events(200)
    frames = datasets.events_to_frames(events, (6, 5), 2)
    assert frames.max() > 1
    for binary in (
        datasets.events_to_frames(events, (6, 5), 2, binary=True),
        datasets.events_to_frames(events, (6, 5), 2, dtype="bool"),
    ):
        np.testing.assert_array_equal(binary, frames > 0)
    assert binary.dtype == bool


def test_counts_that_exceed_the_type(monkeypatch):
    events = events_of(t=np.arange(300), x=np.zeros(300), y=np.zeros(300), p=np.ones(300))
    with pytest.raises(
        ValueError, match=r"`dtype` must hold the counts. Received: a count of 300, dtype=uint8"
    ):
        datasets.events_to_frames(events, (1, 1), 1, dtype="uint8")
    assert datasets.events_to_frames(events, (1, 1), 1, dtype="uint16").max() == 300
    assert datasets.events_to_frames(events, (1, 1), 1, dtype="float16").max() == 300
    monkeypatch.setattr(_event_frames, "PIECE", 100)  # none exceeds the type by itself
    with pytest.raises(ValueError, match=r"Received: a count of 300, dtype=uint8"):
        datasets.events_to_frames(events, (1, 1), 1, dtype="uint8")


def test_float32_counts_beyond_its_whole_numbers(monkeypatch):
    """Where 1 is added to 2**24 in float32, nothing changes."""
    monkeypatch.setattr(_event_frames, "PIECE", 2**20)
    events = np.zeros(2**24 + 2**20, [("t", "u1"), ("x", "u1")])
    assert datasets.events_to_frames(events, (1,), 1)[0, 0] == 2**24 + 2**20


@pytest.mark.parametrize(("piece", "exact"), [(1, 2**24), (7, 3), (64, 0)])
def test_pieces_change_nothing(monkeypatch, piece, exact):
    events = random_events(150)
    expected = [
        datasets.events_to_frames(events, (6, 5), 9, dtype=dtype, binary=binary)
        for dtype in ("float32", "uint8")
        for binary in (False, True)
    ]
    monkeypatch.setattr(_event_frames, "PIECE", piece)
    monkeypatch.setattr(_event_frames, "_exact_below", lambda dtype: exact)
    results = [
        datasets.events_to_frames(events, (6, 5), 9, dtype=dtype, binary=binary)
        for dtype in ("float32", "uint8")
        for binary in (False, True)
    ]
    for result, each in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, each)


# Recordings larger than memory


def test_parts_of_a_recording():
    events = random_events(200)
    expected = datasets.events_to_frames(events, (6, 5), 4, start=0, end=1000)
    parts = (part for part in (events[:70], events[70:70], events[70:130], events[130:]))
    np.testing.assert_array_equal(datasets.events_to_frames(parts, (6, 5), 4, start=0, end=1000), expected)
    with pytest.raises(
        ValueError, match=r"An iterable of parts needs `start` and `end`.*Received: start=0, end=None"
    ):
        datasets.events_to_frames(iter([events]), (6, 5), 4, start=0)
    with pytest.raises(ValueError, match=r"`events_per_bin` needs all events in one array"):
        datasets.events_to_frames(iter([events]), (6, 5), events_per_bin=4)
    with pytest.raises(ValueError, match="Times must not decrease"):
        datasets.events_to_frames([events[70:], events[:70]], (6, 5), 4, start=0, end=1000)


def peak_memory(path):
    mapped = np.load(path, mmap_mode="r")
    tracemalloc.start()
    frames = datasets.events_to_frames(mapped, (6, 5), 10)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frames.sum() == len(mapped)
    return peak


def test_memory_does_not_grow_with_the_recording(tmp_path):
    events = random_events(2_000_000, duration=10**6)
    np.save(tmp_path / "long.npy", events)
    np.save(tmp_path / "short.npy", events[:600_000])
    peak = peak_memory(tmp_path / "long.npy")
    assert peak < 1.1 * peak_memory(tmp_path / "short.npy")
    assert peak < events.nbytes


# Bad data


def changed(**fields):
    events = random_events(20)
    types = {name: "f8" if isinstance(fields.get(name), float) else "i8" for name in "txyp"}
    events = events_of(*(events[name] for name in "txyp"), dtype=list(types.items()))
    for name, value in fields.items():
        events[name][7] = value
    return events


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (changed(x=6), r"`x` of every event must be in \[0, 5\], on the sensor. Received: x=6"),
        (changed(x=-1), r"`x` of every event must be in \[0, 5\], on the sensor. Received: x=-1"),
        (changed(y=5), r"`y` of every event must be in \[0, 4\], on the sensor. Received: y=5"),
        (changed(p=-1), r"Polarities must be False and True, or 0 and 1. Received: p=-1.*events\['p'\] > 0"),
        (changed(p=2), r"Polarities must be .* Received: p=2"),
        (changed(p=1.0), r"Polarities must be .* Received: dtype of p=float64"),
        (changed(x=1.5), r"Coordinates must be integers. Received: dtype of x=float64"),
        (changed(t=0), r"Times must not decrease. Received: t=0 after \d+. Sort them"),
        (changed(t=float("nan")), r"Times must be finite. Received: t=nan"),
        (changed(t=float("inf")), r"Times must be finite. Received: t=inf"),
        (
            random_events(0),
            r"A recording without events needs `start` and `end`.*Received: start=None, end=None",
        ),
        (
            random_events(9)[["t", "x", "p"]],
            r"must have the fields t, x, y. Received: fields t, x, p, without y",
        ),
        (random_events(9)[["x", "y"]], r"must have the fields t, x, y. Received: fields x, y, without t"),
        (
            np.zeros((9, 4)),
            r"`events` must be a NumPy structured array.*an array of shape \(9, 4\), dtype float64",
        ),
        (random_events(8).reshape(2, 4), r"structured array \(events,\).*Received: an array of shape \(2, 4\)"),
    ],
)
def test_bad_events(events, message):
    with pytest.raises(ValueError, match=message):
        datasets.events_to_frames(events, (6, 5), 4)


def test_negative_times():
    events = random_events(9)
    events["t"] -= 500
    with pytest.raises(ValueError, match=r"Times must be at least 0. Received: t=-\d+. Subtract"):
        datasets.events_to_frames(events, (6, 5), 4)
    huge = events_of([2**63 + 5] * 2, [0, 0], dtype=[("t", "u8"), ("x", "i2")])
    with pytest.raises(ValueError, match="Times must be at least 0"):
        datasets.events_to_frames(huge, (1,), 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"One of `bins`, `bin_duration` and `events_per_bin` must be given"),
        ({"bins": 2, "bin_duration": 3}, r"One of `bins`.*Received: bins=2, bin_duration=3"),
        ({"bins": 2, "events_per_bin": 3}, r"`events_per_bin` must be without `bins`.*Received: bins=2"),
        ({"events_per_bin": 3, "end": 9}, r"`events_per_bin` must be without .*end=9"),
        ({"bins": 0}, r"`bins` must be an integer of at least 1. Received: bins=0"),
        (
            {"bin_duration": 0},
            r"`bin_duration` must be a finite number in \(0.0, inf\]. Received: bin_duration=0",
        ),
        ({"events_per_bin": 0}, r"`events_per_bin` must be an integer of at least 1"),
        ({"bins": 2, "start": 500}, r"Times must be in \[start, end\). Received: t=\d+, start=500, end=None"),
        (
            {"bins": 2, "end": 500},
            r"Times must be in \[start, end\).*crop_events\(events, start=None, end=500\)",
        ),
        ({"bins": 2, "start": 0, "end": 0}, r"`end` must be a finite number in \(0, inf\]. Received: end=0"),
        ({"bins": 2, "start": -1}, r"`start` must be a finite number in \[0.0, inf\]. Received: start=-1"),
        ({"bins": 2, "polarity": "both"}, r"Unknown `polarity`: choose one of 'separate', 'merge'"),
        ({"bins": 2, "downsampling": 0}, r"`downsampling` must be an integer of at least 1"),
        ({"bins": 2, "dtype": "U4"}, r"`dtype` must be a type of numbers or bool. Received: dtype='U4'"),
        (
            {"bins": 2, "sensor_size": (6, 5, 2)},
            r"without polarity. Received: sensor_size=\(6, 5, 2\)",
        ),
        ({"bins": 2, "sensor_size": 6}, r"`sensor_size` must be \(width, height\), or \(units,\)"),
        ({"bins": 2, "sensor_size": (6, 0)}, r"`sensor_size` must be an integer of at least 1"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.events_to_frames(random_events(50), **{"sensor_size": (6, 5), **options})


def test_equal_numbers_of_no_events():
    with pytest.raises(ValueError, match="A recording without events has no bins of `events_per_bin`"):
        datasets.events_to_frames(random_events(0), (6, 5), events_per_bin=3)
