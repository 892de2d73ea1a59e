"""Several processes that train together, on one machine or on many, by JAX's distributed runtime.

All of them run the same command. The first alone prints, and reads and writes the folder of the results. With
one process, the default, nothing here does anything. What they share of a run is in `_shared_run`.
"""

import contextlib
import functools
import json
import os
import re
import sys
import threading
import traceback

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they belong to the recipe that calls `define_flags`

NEEDS_JAX = (
    "several processes train on JAX: set KERAS_BACKEND=jax in the environment. On TensorFlow the GPUs of one "
    "machine can divide a batch under a tf.distribute strategy, see docs/training.md"
)
# Words in the errors of collective operations whose other end has gone.
LOST = re.compile(r"gloo|nccl|connection (?:reset|closed)|coordination service|heartbeat", re.IGNORECASE)


def define_flags(backend):
    """Define how many processes train, and which of them this is.

    Args:
        backend: name of Keras's backend.
    """
    flags.DEFINE_integer(
        "processes", 1, "Processes that train together, each started by this command.", lower_bound=1
    )
    flags.DEFINE_integer(
        "process_id",
        None,
        "Which of the processes this is, from 0 (default: by SLURM or Open MPI).",
        lower_bound=0,
    )
    flags.DEFINE_string(
        "coordinator",
        None,
        "HOST:PORT, the host of process 0 and a free port there (default: by SLURM or Open MPI).",
    )
    flags.DEFINE_integer(
        "process_timeout", 300, "Seconds within which all processes must have started.", lower_bound=1
    )
    flags.register_multi_flags_validator(
        ("processes", "process_id"),
        lambda values: values["process_id"] is None or values["process_id"] < values["processes"],
        "--process_id must be below --processes: the ids are 0 to --processes less 1",
    )
    flags.register_multi_flags_validator(
        ("process_id", "coordinator"),
        lambda values: (values["process_id"] is None) == (values["coordinator"] is None),
        "--process_id and --coordinator need each other; without both, SLURM or Open MPI must provide them",
    )
    flags.register_validator(
        "coordinator",
        lambda address: address is None or re.fullmatch(r".+:\d{1,5}", address) is not None,
        "must be HOST:PORT",
    )
    flags.register_validator("processes", lambda count: count == 1 or backend == "jax", NEEDS_JAX)


def connected(main):
    """Return a `main` for `app.run` for whose time the processes are connected.

    A process in which it raises ends at once, so that the others notice: JAX itself would first wait for them.
    """

    @functools.wraps(main)
    def connected_main(argv):
        if FLAGS.processes == 1:
            return main(argv)
        try:
            connect()
            with (
                open(os.devnull, "w") as nowhere,
                contextlib.redirect_stdout(sys.stdout if is_first() else nowhere),
            ):
                main(argv)
            _disconnect()
        except BaseException as error:
            _end(error)

    return connected_main


def _end(error):
    """End this process, with the reason on stderr."""
    sys.stdout.flush()
    if not isinstance(error, (app.UsageError, TimeoutError)):
        traceback.print_exception(error)
    if LOST.search(str(error)):
        print(
            "Another process seems to have ended, and therefore this one: see what the others printed. The "
            "same command, with any number of --processes that divides --batch_size, resumes after the last "
            "whole epoch. "
            f"Received: {error}",
            file=sys.stderr,
        )
    elif isinstance(error, (app.UsageError, TimeoutError)):
        print(error, file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


def connect():
    """Connect this process with the others, as the flags say, or end it where they do not come.

    Raises:
        app.UsageError: flags and environment leave open which process this is.
    """
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # Before JAX's own time is over, at which it aborts the process.
    alarm = threading.Timer(FLAGS.process_timeout, _end, [TimeoutError(_missing())])
    alarm.daemon = True
    alarm.start()
    try:
        jax.distributed.initialize(
            FLAGS.coordinator,
            FLAGS.processes,
            FLAGS.process_id,
            cluster_detection_method="deactivate" if FLAGS.coordinator else None,
            initialization_timeout=FLAGS.process_timeout + 60,
        )
    except ValueError as error:
        raise app.UsageError(
            "--processes needs --process_id and --coordinator, unless SLURM or Open MPI provides them. "
            f"Received: {error}"
        ) from error
    finally:
        alarm.cancel()


def _missing():
    return (
        f"All processes must have started within {FLAGS.process_timeout} s (--process_timeout). Start one for "
        f"each id from 0 to {FLAGS.processes - 1}, with the same --processes and --coordinator, to which the "
        f"network must let them connect. Received: --processes={FLAGS.processes} "
        f"--process_id={FLAGS.process_id} --coordinator={FLAGS.coordinator}"
    )


def is_first() -> bool:
    """Return whether this process prints and writes."""
    if FLAGS.processes == 1:
        return True
    import jax

    return jax.process_index() == 0


def check_alike(settings):
    """Raise unless all processes have the same settings.

    Args:
        settings: function that returns a dict that JSON can hold.

    Raises:
        app.UsageError: in every process, if the settings of one differ from those of the first.
    """
    if FLAGS.processes == 1:
        return
    own = json.loads(json.dumps({"processes": FLAGS.processes, **settings()}))
    with _quiet():  # gloo prints that it has connected
        first = json.loads(broadcast(json.dumps(own).encode()))
    names = sorted(name for name in {*own, *first} if own.get(name) != first.get(name))
    others = np.flatnonzero(_gather(bool(names)))
    if others.size:
        received = "; ".join(f"{name}={own.get(name)!r} and not {first.get(name)!r}" for name in names)
        raise app.UsageError(
            "All processes must have the same flags, versions and data as process 0. Received: in process "
            f"{others[0]} {broadcast(received.encode(), others[0]).decode()}"
        )


def agreed(decision) -> bool:
    """Return the first process's decision; its value in others does not matter."""
    return decision if FLAGS.processes == 1 else broadcast(b"1" if decision else b"0") == b"1"


def broadcast(content, source=0) -> bytes:
    """Return the bytes of the process `source`; those of others do not matter."""
    import jax
    from jax.experimental.multihost_utils import broadcast_one_to_all

    is_source = jax.process_index() == source
    size = int(broadcast_one_to_all(np.int32(len(content)), is_source))
    array = np.frombuffer(content, "uint8") if is_source else np.zeros(size, "uint8")
    return broadcast_one_to_all(array, is_source).astype("uint8").tobytes()


def _gather(value):
    """Return an int of each process."""
    from jax.experimental.multihost_utils import process_allgather

    return process_allgather(np.int32(value))


@contextlib.contextmanager
def _quiet():
    """Hold back what native code writes to stdout."""
    sys.stdout.flush()
    stdout, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(stdout, 1)
        os.close(stdout)
        os.close(nowhere)


def _disconnect():
    """Wait for the first process, so that all fail where it fails to write its results, and disconnect."""
    import jax

    agreed(True)
    jax.distributed.shutdown()
