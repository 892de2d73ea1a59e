import io
import re
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given, settings

from keras_bsd import datasets
from tests.datasets.events import events_of, random_events
from tests.test_damaged_files import DAMAGE, FAST, check, damaged

CAMERA = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?")])
EVENTS = [(100, 1, 2, 1), (4000, 3, 4, 0), (4200, 5, 6, 1), (8300, 7, 8, 0), (20000, 639, 479, 1)]


def header(encoding):
    version = f"% evt {encoding[-1]}.0\n% format {encoding};height=480;width=640\n"
    return f"{version}% geometry 640x480\n% end\n".encode()


def evt2(events):
    """Words of 32 bits: type, time, x, y; and the higher bits of the time where they change."""
    words, high = [], None
    for t, x, y, p in events:
        if t >> 6 != high:
            high = t >> 6
            words.append(8 << 28 | high)
        words.append(p << 28 | (t & 63) << 22 | x << 11 | y)
    return header("EVT2") + np.array(words, "<u4").tobytes()


def evt3(events):
    """Words of 16 bits: the type, and the higher or lower bits of the time, y, or polarity and x."""
    words, high = [], None
    for t, x, y, p in events:
        if t >> 12 != high:
            high = t >> 12
            words.append(8 << 12 | high & 0xFFF)
        words += [6 << 12 | t & 0xFFF, y, 2 << 12 | p << 11 | x]
    return header("EVT3") + np.array(words, "<u2").tobytes()


def dat(events):
    words = [(t, x | y << 14 | p << 28) for t, x, y, p in events]
    head = b"% Data file containing CD events.\n% Version 2\n% Height 480\n% Width 640\n"
    return head + bytes([12, 8]) + np.array(words, "<u4").tobytes()


def nmnist(events):
    rows = [[x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255] for t, x, y, p in events]
    return np.array(rows, "uint8").tobytes()


def load(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return datasets.load_events(path)


# What is read


@pytest.mark.parametrize(("name", "encode"), [("a.raw", evt2), ("a.RAW", evt3), ("a.dat", dat)])
def test_files_of_cameras(tmp_path, name, encode):
    events = load(tmp_path, name, encode(EVENTS))
    assert events.dtype == CAMERA
    assert events.tolist() == [(*event[:3], bool(event[3])) for event in EVENTS]


def test_evt3_has_the_right_times_through_falls_of_the_lower_bits_and_wraps(tmp_path):
    times = np.arange(10, 2**24 + 2**20, 997).tolist()  # 24 bits of time
    events = load(tmp_path, "a.raw", evt3([(t, 1, 2, 1) for t in times]))
    assert events["t"].tolist() == times


def test_clock_of_a_dat_file_wraps(tmp_path):
    events = load(tmp_path, "a.dat", dat([(2**32 - 1, 1, 2, 1), (5, 1, 2, 1)]))
    assert events["t"].tolist() == [2**32 - 1, 2**32 + 5]


def test_aedat4(tmp_path):
    faery = pytest.importorskip("faery")
    expected = np.array([(100, 1, 2, True), (4000, 345, 259, False)], faery.EVENTS_DTYPE)
    faery.events_stream_from_array(expected, (346, 260)).to_file(tmp_path / "a.aedat4")
    events = datasets.load_events(tmp_path / "a.aedat4")
    assert events.dtype == CAMERA
    assert events.tolist() == [(100, 1, 2, True), (4000, 345, 259, False)]


def test_nmnist(tmp_path):
    expected = [(5, 33, 0, 1), (300, 0, 33, 0), (2**23 - 1, 2, 3, 1)]
    events = load(tmp_path, "00001.bin", nmnist(expected))
    assert events.dtype == CAMERA
    assert events.tolist() == [(*event[:3], bool(event[3])) for event in expected]


def test_markers_of_overflow_add_to_later_times(tmp_path):
    events = load(
        tmp_path, "a.bin", nmnist([(8000, 1, 2, 1), (0, 0, 240, 0), (5, 3, 4, 0), (0, 0, 240, 0), (9, 5, 6, 1)])
    )
    assert events["t"].tolist() == [8000, 8197, 16393]
    assert events["y"].tolist() == [2, 4, 6]


def test_arrays(tmp_path):
    plain = random_events(40)
    for dtype in (
        [("x", "u1"), ("y", "u1"), ("t", "u4"), ("p", "i1")],
        [("p", "?"), ("t", "i8"), ("y", "i8"), ("x", "i8")],
    ):
        events = events_of(*(plain[name] for name in "txyp"), dtype=dtype)
        np.save(tmp_path / "a.npy", events)
        np.savez(tmp_path / "b.npz", anything=events)
        np.savez_compressed(tmp_path / "c.npz", **{name: events[name] for name in events.dtype.names})
        for path in sorted(tmp_path.iterdir()):
            loaded = datasets.load_events(path)
            assert loaded.dtype == CAMERA
            np.testing.assert_array_equal(loaded, plain)


def test_arrays_without_y_or_in_seconds(tmp_path):
    np.save(tmp_path / "a.npy", events_of(t=[0.25, 0.5], x=[1, 699], dtype=[("t", "f4"), ("x", "u2")]))
    events = datasets.load_events(tmp_path / "a.npy")
    assert events.dtype == [("t", "f8"), ("x", "i2")]
    assert events.tolist() == [(0.25, 1), (0.5, 699)]


# Bad files


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.bin", b"", "must have events. Received: none"),
        ("a.bin", nmnist(EVENTS[:2])[:-1], "must have five bytes for each event. Received: 9 bytes"),
        ("a.bin", nmnist([(9, 0, 0, 0), (5, 0, 0, 0)]), "Times must not decrease. Received: t=5 after 9"),
        ("a.raw", b"", "must have a header that names EVT2 or EVT3. Received: ''"),
        ("a.raw", b"hello\n" * 9, "must have a header that names EVT2 or EVT3. Received: ''"),
        ("a.raw", header("EVT4"), "must have a header that names EVT2 or EVT3. Received: '% EVT 4.0"),
        ("a.raw", evt2([]), "must have events. Received: none"),
        ("a.raw", evt2(EVENTS)[:-1], "must have 4 bytes for each word after its header. Received: 39 bytes"),
        ("a.raw", evt3(EVENTS)[:-1], "must have 2 bytes for each word after its header. Received: 37 bytes"),
        ("a.raw", evt2([(5, 640, 2, 1)]), "must be a complete .raw file of events. Received: x overflow"),
        ("a.dat", b"", "must begin with a header"),
        ("a.dat", dat([])[:-1], "must have 8 bytes for each word after its header. Received: -1 bytes"),
        ("a.dat", dat(EVENTS)[:-3], "must have 8 bytes for each word after its header. Received: 37 bytes"),
        ("a.aedat4", b"", "must be a complete .aedat4 file of events. Received: failed to fill"),
        ("a.aedat4", b"#!AER-DAT3.1\r\n" + bytes(50), "must be a complete .aedat4 file.*bad magic number"),
        ("a.npy", b"", "must be a complete file of arrays of numbers"),
        ("a.npz", b"PK\x03\x04", "must be a complete file of arrays of numbers"),
        ("a.txt", b"", "`path` must end in one of .bin, .npy, .npz, .raw, .dat, .aedat4. Received: path="),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=rf"(?s){re.escape(name)}.*|{message}") as caught:
        load(tmp_path, name, content)
    assert re.search(rf"(?s){message}", str(caught.value))
    assert name in str(caught.value)


def arrays_of(save):
    """Return the content of a file that a function of NumPy writes."""
    file = io.BytesIO()
    save(file, random_events(30))
    return file.getvalue()


INTACT = {
    "a.bin": nmnist(EVENTS[:4]),
    "a.raw": evt2(EVENTS),
    "b.raw": evt3(EVENTS),
    "a.dat": dat(EVENTS),
    "a.npy": arrays_of(np.save),
    "a.npz": arrays_of(np.savez_compressed),
}


@pytest.mark.parametrize("name", INTACT)
def test_errors_name_damaged_files(tmp_path, name):
    path = tmp_path / name

    @settings(FAST, max_examples=60)
    @given(**DAMAGE)
    def damage(position, bits, cut):
        changed = damaged(INTACT[name], position, bits, cut)
        path.write_bytes(changed)
        expected = [] if name != "a.npz" else [random_events(30)]
        check(lambda path: [datasets.load_events(path)], path, changed, expected, name == "a.npz")

    damage()


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_truncated_aedat4(tmp_path, kept):
    faery = pytest.importorskip("faery")
    events = np.zeros(3000, faery.EVENTS_DTYPE)
    events["t"] = np.arange(3000)
    faery.events_stream_from_array(events, (346, 260)).to_file(tmp_path / "a.aedat4")
    content = (tmp_path / "a.aedat4").read_bytes()
    with pytest.raises(ValueError, match=r"b.aedat4 must be a complete .aedat4 file of events"):
        load(tmp_path, "b.aedat4", content[: int(kept * len(content))])


def test_bad_arrays(tmp_path):
    path = tmp_path / "a.npy"
    for array, message in {
        "plain": (np.zeros((9, 4)), r"a.npy: `events` must be a NumPy structured array"),
        "signed": (
            events_of([0], [0], [0], [-1], dtype=[(n, "i2") for n in "txyp"]),
            r"a.npy: Polarities must be",
        ),
        "wide": (events_of([0], [40000], dtype=[("t", "i8"), ("x", "i8")]), r"a.npy: `x` must be below 32768"),
        "objects": (np.array([{}]), r"a.npy must be a complete file of arrays of numbers"),
    }.values():
        np.save(path, array)
        with pytest.raises(ValueError, match=message):
            datasets.load_events(path)
    np.save(path, random_events(50))
    content = path.read_bytes()
    with pytest.raises(ValueError, match=r"b.npy must be a complete file"):
        load(tmp_path, "b.npy", content[:-5])
    np.savez(tmp_path / "c.npz", t=np.arange(3), x=np.arange(4))
    with pytest.raises(ValueError, match=r"c.npz must have one structured array.*Received: t \(3,\), x \(4,\)"):
        datasets.load_events(tmp_path / "c.npz")
    with pytest.raises(
        ValueError, match=r"`path` must be the path of a file that exists. Received: path='.*none.npy'"
    ):
        datasets.load_events(tmp_path / "none.npy")


def test_faery_is_optional(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faery", None)
    with pytest.raises(ImportError, match=r"Reading .raw files needs faery: pip install 'keras-bsd\[events\]'"):
        load(tmp_path, "a.raw", evt3(EVENTS))
    assert len(load(tmp_path, "a.bin", nmnist(EVENTS[:3]))) == 3


# Spoken digits


def write_shd(path, times, units, labels):
    with h5py.File(path, "w") as file:
        for name, rows, dtype in (("times", times, "float16"), ("units", units, "uint16")):
            data = file.create_dataset(f"spikes/{name}", len(rows), dtype=h5py.vlen_dtype(np.dtype(dtype)))
            for i, row in enumerate(rows):
                data[i] = np.array(row, dtype)
        file["labels"] = np.array(labels, "uint16")


def test_spoken_digits(tmp_path):
    write_shd(tmp_path / "shd.h5", [[0.0, 0.5, 0.25, 1.375], [0.125]], [[0, 699, 3, 5], [7]], [11, 0])
    recordings, labels = datasets.load_shd(tmp_path / "shd.h5")
    assert recordings[0].dtype == [("t", "i8"), ("x", "i2")]
    assert recordings[0].tolist() == [(0, 0), (250_000, 3), (500_000, 699), (1_375_000, 5)]
    assert recordings[1].tolist() == [(125_000, 7)]
    assert labels.tolist() == [11, 0]
    assert labels.dtype == "int32"


def test_bad_spoken_digits(tmp_path):
    path = tmp_path / "shd.h5"
    with pytest.raises(ValueError, match=r"`path` must be the path of a file that exists"):
        datasets.load_shd(path)
    write_shd(path, [[0.0]], [[700]], [1])
    with pytest.raises(ValueError, match=r"shd.h5 must have times .* units in \[0, 699\].*in recording 0"):
        datasets.load_shd(path)
    write_shd(path, [[float("nan")]], [[7]], [1])
    with pytest.raises(ValueError, match=r"shd.h5 must have times of at least 0 s"):
        datasets.load_shd(path)
    write_shd(path, [[0.0]], [[7]], [1, 2])
    with pytest.raises(ValueError, match=r"shd.h5 must have times, units and a label.*Received: 1, 1 and 2"):
        datasets.load_shd(path)
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], b"", b"\x1f\x8b" + content):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"shd.h5 must be a complete HDF5 file"):
            datasets.load_shd(path)
    with h5py.File(path, "w") as file:
        file["labels"] = [1]
    with pytest.raises(ValueError, match=r"shd.h5 must be a complete HDF5 file with spikes/times"):
        datasets.load_shd(path)
