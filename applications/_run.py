"""Runs of scripts: quiet imports, results by name in a folder, training that can be interrupted, records.

It must be imported before Keras: by scripts in this folder as `_run`, by `benchmarks` as `applications._run`.
"""

import contextlib
import csv
import datetime
import importlib.metadata
import json
import logging
import os
import pathlib
import platform
import shutil
import sys
import tempfile

import numpy as np
from absl import flags

# TensorFlow writes these lines at any log level.
NOISE = ("before absl::InitializeLog()", "cudart_stub.cc", "port.cc")


@contextlib.contextmanager
def _without_noise():
    """Hold back what native code writes to stderr, then write it without the lines that hold `NOISE`."""
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
with _without_noise():
    with contextlib.suppress(ImportError):
        import tensorflow  # which Keras imports when it serialises a layer

    import keras

    import keras_bsd
    from keras_bsd._files import atomic_write, expand, write_json  # the one private module that recipes use

for name in (
    "absl",
    "jax",
    "tensorflow",
):  # they warn of retracing, which several models in one process cannot avoid
    logging.getLogger(name).setLevel(logging.ERROR)

# Flags that mean nothing on another machine.
PLACES = ("data_dir", "output_dir", "processes", "process_id", "coordinator", "process_timeout")


def environment(packages=()) -> dict:
    """Return date, machine, backend and versions, as JSON can hold them.

    Args:
        packages: names of further installed packages to give the versions of.
    """
    backend = keras.config.backend()
    names = dict.fromkeys(["keras", backend, "numpy", *packages])
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": ", ".join([_processor(), f"{_cores()} cores", *_accelerators(), _system()]),
        "backend": backend,
        "versions": {
            "python": platform.python_version(),
            "keras_bsd": keras_bsd.__version__,  # also of a checkout that is not installed
            **{name: _version(name) for name in names},
        },
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _system():
    return f"{platform.system()} {platform.machine()}"


def _accelerators():
    """Return the name of the first accelerator that the backend uses, in a list, which is empty without one."""
    if keras.config.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return [] if device.platform == "cpu" else [device.device_kind]
    if keras.config.backend() == "torch":
        import torch

        return [torch.cuda.get_device_name(0)] if torch.cuda.is_available() else []
    devices = tensorflow.config.list_physical_devices("GPU")[:1]
    return [
        tensorflow.config.experimental.get_device_details(device).get("device_name", device.name)
        for device in devices
    ]


def _cores():
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _processor():
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def settings() -> dict:
    """Return the values of the running script's flags by name, without `PLACES`."""
    return {flag.name: flag.value for flag in _own_flags()}


def command() -> str:
    """Return the command that runs this script with these flags, without `PLACES`."""
    spec = sys.modules["__main__"].__spec__
    script = pathlib.Path(sys.argv[0])
    program = f"-m {spec.name}" if spec else f"{script.parent.name}/{script.name}"
    return " ".join(["python", program, *(flag.serialize() for flag in _own_flags() if flag.present)])


def _own_flags():
    defined = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    return [flag for flag in defined if flag.name not in PLACES]


def circumstances(packages=()) -> dict:
    """Return command, flags and environment, which every record ends with."""
    return {"command": command(), "flags": settings(), **environment(packages)}


def record(task, data, application, arguments, methods, baselines=None, packages=(), **kwargs) -> dict:
    """Return the record of a training run, the content of its `metrics.json`.

    Args:
        task: `"recognition"`, `"generation"`, `"forecast"` or `"text"`.
        data: name of the data set.
        application: name of the function of `keras_bsd.applications` that builds the network.
        arguments: dict, its arguments.
        methods: dict from a method to a dict with `scores`, `seconds`, `parameters` and `history`.
        baselines: dict from a baseline to its scores.
        packages: names of further packages to give the versions of.
        **kwargs: further entries.
    """
    return {
        "task": task,
        "data": data,
        "application": application,
        "arguments": arguments,
        "methods": methods,
        **({"baselines": baselines} if baselines else {}),
        **kwargs,
        **circumstances(packages),
    }


def save_text(text, path):
    """Write a text file, whole or not at all."""
    with atomic_write(path) as written:
        written.write_text(text, encoding="utf-8")


def save_figure(figure, path):
    """Write a matplotlib figure, whole or not at all."""
    with atomic_write(path) as written:
        figure.savefig(written, dpi=120)


class Run:
    """Results by name, each a JSON file in a folder; a result that is there already is not computed again.

    As a context manager, it starts the run or resumes an interrupted one, and finishes it unless it raises.

    Args:
        folder: folder of the results.
        names: names of all results that the recipe can compute: a new run removes the files of an earlier run.

    Raises:
        ValueError: (on entering) `folder` holds an unfinished run with other settings.
    """

    def __init__(self, folder, names):
        self.folder, self.names = expand(folder), names
        self._unfinished = self.folder / "unfinished.json"

    def __enter__(self):
        requested = {"backend": keras.config.backend(), **settings()}
        if not self._unfinished.exists():
            for name in self.names:
                shutil.rmtree(self._backup(name), ignore_errors=True)
                for kind in ("json", "csv", "keras"):
                    (self.folder / f"{name}.{kind}").unlink(missing_ok=True)
            write_json(self._unfinished, requested)
        elif json.loads(self._unfinished.read_text()) != requested:
            raise ValueError(
                f"{self.folder} holds an unfinished run with different flags. Rerun with those (see "
                f"{self._unfinished.name}), delete the folder, or choose another --output_dir."
            )
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            self._unfinished.unlink()

    def result(self, name, compute):
        """Return the result of `compute()`, of this run or the one that it resumes: anything JSON can hold."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            write_json(path, compute())
            shutil.rmtree(self._backup(name), ignore_errors=True)
        return json.loads(path.read_text())

    def fit(self, name, model, batches, epochs, callbacks=(), **kwargs) -> dict:
        """Fit a model, from the last epoch that an interrupted run has finished.

        Args:
            name: name of the result that is being computed.
            model: compiled Keras model.
            batches: `keras_bsd.datasets.Batches` or `keras_bsd.datasets.TextWindows`.
            epochs: positive int.
            callbacks: further callbacks.
            **kwargs: further arguments of `fit`.

        Returns:
            The history: a dict from a metric to a list of its values, one an epoch.
        """
        log, backups = self.folder / f"{name}.csv", self._backup(name)
        callbacks = [
            batches.epoch_callback(),
            keras_bsd.callbacks.StageProgress(),
            keras_bsd.callbacks.EpochSeconds(),
            keras.callbacks.CSVLogger(log, append=True),
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: self._back_up(model, backups, epoch + 1)
            ),
            *callbacks,
        ]
        first = _restore(model, backups)
        model.fit(  # whose batches are shuffled
            batches, epochs=epochs, initial_epoch=first, shuffle=False, callbacks=callbacks, **kwargs
        )
        return _history(log)

    def _back_up(self, model, folder, epochs):
        """Save a model's state after so many epochs, in a file that replaces those of earlier epochs.

        Keras's own backup has two files, weights and the number of epochs, and a process can end between them.
        """
        earlier = backup_files(folder)
        with atomic_write(folder / f"{epochs}.weights.h5") as written:
            model.save_weights(written)
        for path in earlier:
            path.unlink()

    def fit_on_device(self, name, model, batches, epochs, validation=None) -> dict:
        """Fit a model on JAX as `DeviceLoop` does, from the backup of an interrupted run; return the history.

        Args:
            name, model, epochs: see `fit`.
            batches: `keras_bsd.datasets.Batches`.
            validation: images and classes whose accuracy is computed after each epoch, or None.
        """
        from _device_loop import DeviceLoop  # which needs JAX

        log, backup = self.folder / f"{name}.csv", self._backup(name)
        backup.mkdir(parents=True, exist_ok=True)
        DeviceLoop(model, batches).fit(epochs, backup / "state.npz", log, validation)
        return _history(log)

    def save(self, name, model, x):
        """Save a model as `name`.keras, load it, raise unless both predict the same for `x`, and return it."""
        path = self.folder / f"{name}.keras"
        with atomic_write(path) as written:
            model.save(written)
        loaded = keras.saving.load_model(path)
        if not np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0)):
            raise RuntimeError(f"The model loaded from {path} does not predict what the saved one did.")
        return model

    def _backup(self, name):
        return self.folder / f"{name}.backup"


def backup_files(folder) -> list:
    """Return the paths of the backups in a folder, which may be missing; the last is the newest."""
    return sorted(folder.glob("[0-9]*.weights.h5"), key=_epochs)


def _epochs(path):
    return int(path.name.partition(".")[0])


def _restore(model, folder):
    """Give a model the state of the newest backup, if there is one, and return after how many epochs it is."""
    paths = backup_files(folder)
    if not paths:
        return 0
    model.optimizer.build(model.trainable_variables)  # so that it has variables to load
    model.load_weights(paths[-1])
    return _epochs(paths[-1])


def _history(log):
    """Return the columns of a log file of `fit`; of an epoch that was run twice, the later row counts."""
    with open(log, newline="") as rows:
        by_epoch = {row["epoch"]: row for row in csv.DictReader(rows)}.values()
    columns = {name: [row[name] for row in by_epoch] for name in next(iter(by_epoch))}
    return {name: [float(v) for v in values] for name, values in columns.items() if "NA" not in values}
