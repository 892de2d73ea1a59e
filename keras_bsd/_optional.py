"""Packages that are imported when they are first needed."""

import importlib
from types import ModuleType


def require(module: str, purpose: str, extra: str | None = None) -> ModuleType:
    """Return an imported module, or raise an error that names what to install.

    Args:
        module: dotted name of the module.
        purpose: what needs the module, as the first words of the error.
        extra: name of the extra of keras-bsd that installs it (default: keras-bsd itself installs it).

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
