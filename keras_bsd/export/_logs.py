"""Other packages' log messages."""

import contextlib
import logging


@contextlib.contextmanager
def muted(logger):
    """Within this scope the logger says nothing."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
