"""The spoken digits and commands of a silicon cochlea's model, in HDF5."""

import numpy as np

from keras_bsd._files import expand
from keras_bsd._optional import require
from keras_bsd._types import Array, Path
from keras_bsd.datasets import _events

UNITS = 700


def load_shd(path: Path) -> tuple[list[Array], Array]:
    """Return the recordings and labels of a file of the Spiking Heidelberg Digits or Spiking Speech Commands.

    The files are on https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/, such as `shd_train.h5`
    once decompressed. They hold times in seconds as float16, in which a product with 1e6 would overflow: times
    are converted to float64 first.

    Args:
        path: path of an HDF5 file with `spikes/times`, `spikes/units` and `labels`.

    Returns:
        List of structured arrays `(events,)`, one for each recording, with the fields `t` (microseconds, int64)
        and `x` (one of 700 units, int16), in the order of time; and labels `(recordings,)`, int32.

    Raises:
        ValueError: the file is missing, truncated or of another layout.

    Example:

    >>> import h5py
    >>> with h5py.File("spoken.h5", "w") as file:
    ...     for name, values in {"times": np.array([[0.0, 0.25]], "float16"), "units": [[3, 699]]}.items():
    ...         file[f"spikes/{name}"] = values
    ...     file["labels"] = [7]
    >>> recordings, labels = keras_bsd.datasets.load_shd("spoken.h5")
    >>> recordings[0].tolist(), labels.tolist()
    ([(0, 3), (250000, 699)], [7])

    Source: Cramer et al., "The Heidelberg Spiking Data Sets for the Systematic Evaluation of Spiking Neural
    Networks", IEEE TNNLS 2022.
    """
    file = expand(path)
    if not file.is_file():
        raise ValueError(f"`path` must be the path of a file that exists. Received: path={str(file)!r}")
    h5py = require("h5py", "Reading HDF5 files")
    try:
        with h5py.File(file, "r") as content:
            times, units, labels = (content[name][:] for name in ("spikes/times", "spikes/units", "labels"))
    except (OSError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{file} must be a complete HDF5 file with spikes/times, spikes/units and labels. Received: "
            f"{error}. Copy it again; a file that ends in .gz must be decompressed."
        ) from error
    if not len(times) == len(units) == len(labels) > 0:
        raise ValueError(
            f"{file} must have times, units and a label of each recording. Received: {len(times)}, "
            f"{len(units)} and {len(labels)}"
        )
    recordings = [_recording(file, i, *fields) for i, fields in enumerate(zip(times, units, strict=True))]
    return recordings, np.asarray(labels, "int32")


def _recording(file, i, times, units):
    """Return the events of one recording, or raise unless its times and units are possible."""
    t = np.asarray(times, "float64")
    x = np.asarray(units)
    possible = x.shape == t.shape and x.dtype.kind in "iu" and np.isfinite(t).all() and (t >= 0).all()
    if not possible or (len(x) and (x.min() < 0 or x.max() >= UNITS)):
        raise ValueError(
            f"{file} must have times of at least 0 s and units in [0, {UNITS - 1}]. Received: others, in "
            f"recording {i}"
        )
    order = np.argsort(t, kind="stable")
    return _events.make_events(_events.COCHLEA, t=np.rint(1e6 * t[order]), x=x[order])
