"""Import Keras without the lines that TensorFlow writes at any log level; import this module before Keras."""

import contextlib
import logging
import os
import sys
import tempfile

NOISE = ("before absl::InitializeLog()", "cudart_stub.cc", "port.cc")


@contextlib.contextmanager
def without_noise():
    """Hold back what native code writes to stderr, then write it without the lines that contain `NOISE`."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile("w+", errors="replace") as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            sys.stderr.writelines(line for line in held if not any(noise in line for noise in NOISE))


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with without_noise():
    import keras  # noqa: F401

    with contextlib.suppress(ImportError):
        import tensorflow  # noqa: F401, which Keras imports on every backend when it saves or loads a model

for name in ("absl", "jax", "tensorflow"):  # TensorFlow warns of retracing, which a comparison cannot avoid
    logging.getLogger(name).setLevel(logging.ERROR)
