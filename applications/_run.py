"""Runs of recipes: what was asked for, results by name in a folder, training that can be interrupted."""

import csv
import json
import pathlib
import shutil
import sys

import keras
import numpy as np
from absl import flags

from keras_bsd._files import atomic_write, write_json
from keras_bsd.callbacks import EpochSeconds, StageProgress

PLACES = ("data_dir", "output_dir")  # of one machine, and of no meaning on others


def settings():
    """The values of the running script's flags by name, but not where data are and results go."""
    return {flag.name: flag.value for flag in _own_flags()}


def command():
    """The command that was given, but not where data are and results go."""
    given = [flag.serialize() for flag in _own_flags() if flag.present]
    script = pathlib.Path(sys.argv[0])
    return " ".join(["python", f"{script.parent.name}/{script.name}", *given])


def _own_flags():
    defined = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    return [flag for flag in defined if flag.name not in PLACES]


class Run:
    """Results by name, each a JSON file in a folder; one that is there already is not computed again.

    As a context it begins the run, unless it was interrupted and goes on now, and ends it when its block
    has ended well.

    Args:
        folder: where results go.
        names: of all results that the recipe might ever give: a new run removes what is left of them.

    Raises:
        ValueError: on entering, a run with other settings was interrupted in this folder.

    Example:

    >>> with keras_bsd.runs.Run("runs/digits", ["rate", "backprop"]) as run:
    ...     found = {name: run.result(name, lambda: train(name, run)) for name in ("rate", "backprop")}
    """

    def __init__(self, folder, names):
        self.folder, self.names = pathlib.Path(folder), names
        self._unfinished = self.folder / "unfinished.json"

    def __enter__(self):
        asked_for = {"backend": keras.config.backend(), **settings()}
        if not self._unfinished.exists():
            for name in self.names:
                shutil.rmtree(self._backup(name), ignore_errors=True)
                for kind in ("json", "csv", "keras"):
                    (self.folder / f"{name}.{kind}").unlink(missing_ok=True)
            write_json(self._unfinished, asked_for)
        elif json.loads(self._unfinished.read_text()) != asked_for:
            raise ValueError(
                f"A run with other flags was interrupted in {self.folder}. Go on with it by its own flags, "
                f"which stand in {self._unfinished}, or delete that folder, or choose another --output_dir."
            )
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            self._unfinished.unlink()

    def result(self, name, compute):
        """What `compute` gave, in this run or before it was interrupted; anything that JSON can hold."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            write_json(path, compute())
            shutil.rmtree(self._backup(name), ignore_errors=True)
        return json.loads(path.read_text())

    def fit(self, name, model, batches, epochs, callbacks=(), **kwargs):
        """Fit a model, from the last epoch that an interrupted run has finished.

        Args:
            name: of the result that is being computed.
            model: compiled Keras model.
            batches: `keras_bsd.datasets.Batches`.
            epochs: positive int.
            callbacks: further ones.
            **kwargs: further arguments of `fit`.

        Returns:
            The history, a dict of one number for each epoch by name.
        """
        log = self.folder / f"{name}.csv"
        model.fit(
            batches,
            epochs=epochs,
            shuffle=False,  # batches come shuffled
            callbacks=[
                batches.epoch_callback(),
                StageProgress(),
                EpochSeconds(),
                keras.callbacks.CSVLogger(log, append=True),
                keras.callbacks.BackupAndRestore(
                    self._backup(name), double_checkpoint=True, delete_checkpoint=False
                ),
                *callbacks,
            ],
            **kwargs,
        )
        with open(log, newline="") as rows:
            by_epoch = {row["epoch"]: row for row in csv.DictReader(rows)}.values()  # the last, if run twice
        columns = {name: [row[name] for row in by_epoch] for name in next(iter(by_epoch))}
        return {name: [float(v) for v in values] for name, values in columns.items() if "NA" not in values}

    def save(self, name, model, x):
        """Save a model as `name`.keras, load it back, and raise unless it predicts the same of `x`."""
        path = self.folder / f"{name}.keras"
        with atomic_write(path) as written:
            model.save(written)
        loaded = keras.saving.load_model(path)
        if not np.array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0)):
            raise RuntimeError(f"The model loaded from {path} does not predict what the saved one did.")

    def _backup(self, name):
        return self.folder / f"{name}.backup"
