"""Log messages of other packages."""

import contextlib
import logging


@contextlib.contextmanager
def muted(logger):
    """Within the block, suppress all messages of a logger."""
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
