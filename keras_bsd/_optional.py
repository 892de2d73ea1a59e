"""Packages that are imported when they are first needed."""

import importlib


def require(module, purpose, extra=None):
    """Import a module, or raise an error that names what to install.

    Args:
        module: dotted name of the module.
        purpose: what needs it, the beginning of the error's sentence.
        extra: name of the extra of keras-bsd that brings it (default: keras-bsd itself brings it).

    Raises:
        ImportError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = "keras-bsd" if extra is None else f"keras-bsd[{extra}]"
        raise ImportError(
            f"{purpose} needs {module.split('.')[0]}: pip install '{package}'. Received: {error}"
        ) from error
