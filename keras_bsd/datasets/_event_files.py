"""Files of events: arrays of NumPy, N-MNIST, and those of cameras by faery."""

import re
import tokenize
import zipfile

import numpy as np

from keras_bsd._files import check_zip, expand
from keras_bsd._optional import require
from keras_bsd._types import Array, Path
from keras_bsd.datasets import _events

WORDS = {"2": 4, "2.1": 8, "21": 8, "3": 2}  # bytes of a word of EVT
FAERY = {".raw": "evt", ".dat": "dat", ".aedat4": "aedat"}  # its names of formats
OVERFLOW_ROW, OVERFLOW = 240, 2**13  # a marker in a `.bin` file, and the time that it adds


def load_events(path: Path) -> Array:
    """Return the events of a file, whose format its suffix names.

    - `.bin`: N-MNIST and N-Caltech101, five bytes an event. Rows with y = 240 are no events but markers, which
      add 8,192 to all later times.
    - `.npy`, `.npz`: a structured array with the fields `t` and `x`, and perhaps `y` and `p`; an `.npz` file
      may have an array for each field instead.
    - `.raw` (EVT2 and EVT3) and `.dat` of Prophesee, `.aedat4` of iniVation: by `faery`, which
      `pip install 'keras-bsd[events]'` installs. Times continue where the clock of a camera wraps around; where
      it steps back, the time before is repeated.

    Args:
        path: path of the file. An array that is larger than memory need not be loaded:
            `keras_bsd.datasets.events_to_frames` takes `numpy.load(path, mmap_mode="r")`.

    Returns:
        Structured array `(events,)` with the fields `t` (int64; microseconds, or the unit of an array, in which
        floats remain float64), `x` and `y` (int16) and `p` (bool), in the order of time. Where an array has no
        `y` or `p`, they are missing.

    Raises:
        ValueError: the suffix is unknown, or the file is missing, truncated, empty or of another format, or has
            fields or times that `keras_bsd.datasets.events_to_frames` would refuse.
        ImportError: a package is missing.

    Example:

    >>> np.array([2, 1, 128, 0, 5], "uint8").tofile("recording.bin")  # x, y, polarity 1 and time 5
    >>> keras_bsd.datasets.load_events("recording.bin").tolist()
    [(5, 2, 1, True)]

    Source: Orchard et al., "Converting Static Image Datasets to Spiking Neuromorphic Datasets Using Saccades",
    Frontiers in Neuroscience 2015, for the format `.bin`.
    """
    file = expand(path)
    read = READERS.get(file.suffix.lower())
    if read is None:
        raise ValueError(
            f"`path` must end in one of {', '.join(READERS)}. Received: path={str(file)!r}. Files of SHD and "
            "SSC are for keras_bsd.datasets.load_shd."
        )
    if not file.is_file():
        raise ValueError(f"`path` must be the path of a file that exists. Received: path={str(file)!r}")
    events = read(file)
    if not len(events):
        raise ValueError(f"{file} must have events. Received: none")
    try:
        _events.times_of(events)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    return events


def _read_bin(path):
    """Return the events of a file of N-MNIST: x, y, polarity in one bit, time in 23 bits, the highest first."""
    content = np.fromfile(path, "uint8")
    if len(content) % 5:
        raise ValueError(
            f"{path} must have five bytes for each event. Received: {len(content)} bytes, so the file is "
            "truncated or of another format. Copy it again."
        )
    x, y, high, middle, low = content.reshape(-1, 5).astype("int64").T
    marker = y == OVERFLOW_ROW
    t = ((high & 127) << 16 | middle << 8 | low) + OVERFLOW * np.cumsum(marker)
    return _events.make_events(_events.CAMERA, t=t, x=x, y=y, p=high >> 7)[~marker]


def _read_arrays(path):
    """Return the events of an `.npy` or `.npz` file."""
    try:
        if path.suffix.lower() == ".npz":
            check_zip(path)
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays}
        else:
            found = {"events": np.load(path, allow_pickle=False)}
    except (
        OSError,
        EOFError,
        ValueError,
        zipfile.BadZipFile,
        tokenize.TokenError,
        SyntaxError,
        MemoryError,
    ) as error:
        raise ValueError(
            f"{path} must be a complete file of arrays of numbers. Received: {error}. Copy it again, or save "
            "it by numpy.save."
        ) from error
    if len(found) == 1:
        (events,) = found.values()
    elif {"t", "x"} <= set(found) and len({found[name].shape for name in "txyp" if name in found}) == 1:
        events = np.rec.fromarrays(list(found.values()), names=list(found))
    else:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in found.items())
        raise ValueError(
            f"{path} must have one structured array, or arrays t, x, y and p of one length. Received: "
            f"{shapes or 'no array'}"
        )
    try:
        return _normalized(events)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _normalized(events):
    """Return events with the field types of `load_events`."""
    fields = {"t": _events.check_fields(events)["t"], "x": _events.coordinate_of(events, "x")}
    if "y" in events.dtype.names:
        fields["y"] = _events.coordinate_of(events, "y")
    if "p" in events.dtype.names:
        fields["p"] = _events.polarity_of(events)
    fields["t"] = _events.times_of(events)
    types = [(name, _events.CAMERA[name]) for name in fields]
    types[0] = ("t", fields["t"].dtype)
    return _events.make_events(np.dtype(types), **fields)


def _read_raw(path):
    """Return the events of a Prophesee RAW file."""
    header, size = _header(path)
    encoding = re.search(r"\bEVT ?(2\.1|21|2|3)(?:\.0)?\b", header)
    if encoding is None:
        raise ValueError(
            f"{path} must have a header that names EVT2 or EVT3. Received: {header[:200]!r}. Other encodings "
            "can be converted by the tools of the camera's vendor."
        )
    return _read_by_faery(path, size, WORDS[encoding[1]])


def _read_dat(path):
    """Return the events of a Prophesee DAT file; two bytes after its header are the type and size of events."""
    header, size = _header(path)
    if not header:
        raise ValueError(f"{path} must begin with a header, lines that begin with %. Received: none")
    return _read_by_faery(path, size - 2, 8)


def _header(path):
    """Return the lines with a leading % at the beginning of a file, and the number of bytes after them."""
    lines = []
    with open(path, "rb") as file:
        while (line := file.readline(4096)).startswith(b"%"):
            lines.append(line)
            if line.split() == [b"%", b"end"]:
                break
    header = b"".join(lines)
    return header.decode("latin-1").upper(), path.stat().st_size - len(header)


def _read_by_faery(path, size=0, word=1):
    """Return the events of a camera's file.

    Args:
        path: path of the file.
        size: number of bytes after the header.
        word: a number of bytes that divides it, if the file is complete.
    """
    faery = require("faery", f"Reading {path.suffix} files", "events")
    if size < 0 or size % word:
        raise ValueError(
            f"{path} must have {word} bytes for each word after its header. Received: {size} bytes, so the "
            "file is truncated. Copy it again."
        )
    try:
        events = faery.events_stream_from_file(path, file_type=FAERY[path.suffix.lower()]).to_array()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust, which some damaged files lead to, is no `Exception`
        raise ValueError(
            f"{path} must be a complete {path.suffix} file of events. Received: {error}. Copy it again."
        ) from error
    fields = {"t": events["t"], "x": events["x"], "y": events["y"], "p": events["on"]}
    return _events.make_events(_events.CAMERA, **fields)


READERS = {
    ".bin": _read_bin,
    ".npy": _read_arrays,
    ".npz": _read_arrays,
    ".raw": _read_raw,
    ".dat": _read_dat,
    ".aedat4": _read_by_faery,
}
