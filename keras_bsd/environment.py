"""What figures depend on besides the code: for the records that stand beside them."""

import datetime
import importlib.metadata
import os
import pathlib
import platform

import keras


def environment(packages=()):
    """Date, machine and versions, a dict that JSON can hold.

    Args:
        packages: names of further installed packages whose versions count.

    Example:

    >>> keras_bsd.environment()["versions"]["keras"]
    """
    backend = keras.config.backend()
    names = dict.fromkeys(["keras_bsd", "keras", backend, "numpy", *packages])
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": f"{_processor()}, {_cores()} cores, {platform.system()} {platform.machine()}",
        "backend": backend,
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in names}},
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cores():
    """Those that this process may run on, as far as the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _processor():
    """The model name of the processor, as far as the system tells."""
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
