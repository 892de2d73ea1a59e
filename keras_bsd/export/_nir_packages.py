"""What packages make of NIR files: an entry for each that files are written for, or read from."""

from typing import Literal, NamedTuple, get_args

from keras_bsd import _checks
from keras_bsd.layers._lif_cell import Reset

ReaderName = Literal["snntorch", "spikingjelly", "norse", "sinabs", "rockpool", "spyx"]

_LAYERS = frozenset({"Input", "Output", "Affine", "Conv1d", "Conv2d", "AvgPool2d", "Flatten"})


class Reader(NamedTuple):
    """How a file is written for a package, and what the package cannot run."""

    title: str = "NIR"  # the package and the version that was tried
    dt: float = 1e-4  # seconds of a time step that it takes unless told otherwise
    fixed_dt: bool = False  # whether it can be told otherwise
    nodes: frozenset[str] = _LAYERS | {"LIF", "IF", "CubaLIF"}
    keeps_batch: bool = True  # whether its Flatten leaves the batch alone
    unit_gain: bool = False  # whether it takes r = tau / dt rather than 1
    one_threshold: bool = False  # whether the neurons of a node share a threshold
    one_leak: bool = False  # and a leak
    no_zero_leak: bool = False  # whether membranes must keep something from step to step


NIR = Reader()

READERS = {
    "snntorch": Reader(
        "snnTorch 1.0.0",
        fixed_dt=True,
        nodes=_LAYERS - {"Conv1d", "Flatten"} | {"LIF", "CubaLIF"},
        keeps_batch=False,
        unit_gain=True,
        one_threshold=True,
    ),
    "spikingjelly": Reader(
        "SpikingJelly 2.0.0",
        one_threshold=True,
        one_leak=True,
        no_zero_leak=True,
    ),
    "norse": Reader(
        "Norse 1.1.0",
        dt=1e-3,
        nodes=_LAYERS - {"Conv1d", "AvgPool2d", "Flatten"} | {"LIF", "IF", "CubaLIF"},
        keeps_batch=False,
    ),
}

# Packages whose neurons are others than those of this library, and why.
UNABLE = {
    "sinabs": "Sinabs 3.1.3 lets a neuron spike several times in a time step",
    "rockpool": "Rockpool 3.1.0 fails on LIF nodes and lets a neuron spike several times in a time step",
    "spyx": "Spyx 1.0.0 lets neurons spike one time step after they have reached the threshold",
}


def find_reader(name):
    """Return the `Reader` of this name, or that of NIR itself for None.

    Raises:
        ValueError: the name is unknown, or the package cannot run the networks of this library.
    """
    if name is None:
        return NIR
    _checks.one_of("reader", name, get_args(ReaderName))
    if name in UNABLE:
        raise ValueError(
            f"`reader` must be a package that runs the network as it was trained, and {UNABLE[name]}. "
            f"Received: reader={name!r}. Write the file without `reader`, and compare the spikes."
        )
    return READERS[name]


WriterName = Literal["snntorch", "spikingjelly", "norse"]


class Writer(NamedTuple):
    """What the files of a package mean, where they depart from NIR or leave something out."""

    title: str = "NIR"
    dt: float | None = None  # seconds of a time step, where all files have the same
    resets: tuple[str, ...] = get_args(Reset)  # those that its neurons share with the neurons of this library
    resets_alike: bool = False  # whether all resets are written alike
    fires_at_threshold: bool = False  # rather than above it
    tau_times_dt: bool = False  # whether time constants are multiplied by the seconds of a time step


WRITERS = {
    # Its soft reset is subtracted after the leak of the next time step.
    "snntorch": Writer("snnTorch", dt=1e-4, resets=("hard", "none"), resets_alike=True),
    "spikingjelly": Writer("SpikingJelly", resets=("hard",), fires_at_threshold=True),
    "norse": Writer("Norse", resets=("hard", "soft"), resets_alike=True, tau_times_dt=True),
}


def find_writer(name):
    """Return the `Writer` of this name, or for None that of files which mean what NIR defines.

    Raises:
        ValueError: the name is unknown, or the neurons of the package are none of this library.
    """
    if name in UNABLE:
        raise ValueError(
            f"`written_by` must be a package whose neurons are those of SpikingLIF, and {UNABLE[name]}. "
            f"Received: written_by={name!r}"
        )
    return Writer() if name is None else WRITERS[_checks.one_of("written_by", name, get_args(WriterName))]
