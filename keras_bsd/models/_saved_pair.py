"""Pairs whose files hold what the pairs are, complete or not at all."""

import dataclasses
import json
import os
import pathlib
import tempfile
import warnings
from typing import Any

import keras

from keras_bsd._files import atomic_write, expand
from keras_bsd._types import Config, wraps
from keras_bsd.models import _architecture
from keras_bsd.models import _weights_file as files

_SHOWN = 8


@dataclasses.dataclass(frozen=True)
class Application:
    """The builder of a pair and its arguments, which JSON can represent."""

    name: str
    arguments: Config


class SavedPair(keras.Model):
    """Base class of pairs: files are written as a whole, and compared with the pair before they are loaded."""

    optimizer: Any
    _application: Application | None = None

    @wraps(keras.Model.save)
    def save(self, filepath: Any, overwrite: bool = True, *args: Any, **kwargs: Any) -> None:
        path = _local(filepath)
        if path is None or path.suffix != ".keras" or (path.exists() and not overwrite):
            super().save(filepath, overwrite, *args, **kwargs)
            return
        with atomic_write(path) as written:
            super().save(written, True, *args, **kwargs)

    @wraps(keras.Model.save_weights)
    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: float | None = None) -> None:
        path = _local(filepath)
        if path is None or (path.exists() and not overwrite):
            super().save_weights(filepath, overwrite, max_shard_size)
            return
        with atomic_write(path if max_shard_size is None else path.with_suffix(".json")) as written:
            super().save_weights(written.with_suffix(path.suffix), True, max_shard_size)
            for file in files.data_files(written):
                files.seal(file, {"settings": self._settings()})
                if file != written:
                    os.replace(file, path.with_name(file.name))

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Load the weights of a file that the same network has saved, see `keras.Model.load_weights`.

        The file must be complete, and hold a value for each weight and no others. Its neurons, timesteps and
        other settings, which files written by pairs know, must be those of this pair. Of local readouts and the
        optimizer, which serve training alone, a file may have fewer or more.

        Args:
            filepath: path of a `.keras`, `.weights.h5` or `.weights.json` file.
            skip_mismatch: bool, load what fits and ignore the rest, settings included.
            **kwargs: further arguments of `keras.Model.load_weights`.

        Raises:
            ValueError: the file is damaged, or is not of this network: the error lists what has no place, what
                is missing, what has another shape, and which settings differ.
        """
        path = _local(filepath)
        if path is None:
            super().load_weights(filepath, skip_mismatch, **kwargs)
            return
        self._load_file(path, skip_mismatch, **kwargs)

    def _load_file(self, path, skip_mismatch=False, compare_input=True, **kwargs):
        """Load a file's weights; with `compare_input=False` whatever layers are in front of the first stage."""
        if not path.is_file() or not str(path).endswith(files.SUFFIXES):
            raise ValueError(
                f"A file of weights must exist and end in one of {', '.join(files.SUFFIXES)}. "
                f"Received: {str(path)!r}"
            )
        with files.complete(path):
            inventory, settings = self._read(path)
        if not skip_mismatch:
            self._check_fit(path, inventory, settings, compare_input)
        with files.complete(path):
            super().load_weights(path, skip_mismatch, **kwargs)

    def _read(self, path):
        """Return the arrays in a file and its settings, or None if it does not know them."""
        try:
            if path.suffix == ".keras":
                inventory, config = files.read_keras_file(path)
                return inventory, _architecture.settings(config)
            content, *_ = map(files.check_seal, files.data_files(path))
            return files.read_inventory(path), (content or {}).get("settings")
        except ValueError as error:
            raise files.damaged(path, error) from error

    def _check_fit(self, path, inventory, saved, compare_input):
        lines = []
        if saved is not None:
            present = self._settings()
            if not compare_input:
                saved, present = map(_architecture.without_input, (saved, present))
            lines = _architecture.differences(saved, present)
            if not _architecture.are_quantized_alike(saved, present):
                raise ValueError(
                    f"{path} must hold weights quantised as those of this network, {self.name!r}. "
                    f"Received: {'; '.join(lines)}. Load weights in single precision before `quantize`, and "
                    "quantised ones after `quantize` in the same mode, or the network of a `.keras` file by "
                    "keras.saving.load_model."
                )
        if lines[_SHOWN:]:
            lines = [*lines[:_SHOWN], f"{len(lines) - _SHOWN} further settings differ"]
        lines += files.mismatches(inventory, self._inventory())
        if lines:
            raise ValueError(
                f"{path} must hold the weights of this network, {self.name!r}. Received: {'; '.join(lines)}. "
                "Build the network with the arguments of the saved one, or pass `skip_mismatch=True` to "
                "`load_weights` to load what fits."
                + (" keras.saving.load_model loads the file's own network." if path.suffix == ".keras" else "")
            )

    def _inventory(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "present.weights.h5")
            super().save_weights(path)
            return files.read_inventory(path)

    def _settings(self):
        """Return the settings of this pair as they return from a file."""
        return json.loads(json.dumps(_architecture.settings(keras.saving.serialize_keras_object(self))))

    @wraps(keras.Model.quantize)
    def quantize(self, *args: Any, **kwargs: Any) -> None:
        before = {id(variable) for variable in self.trainable_variables}
        with warnings.catch_warnings():  # of every layer without weights to quantise
            warnings.filterwarnings("ignore", "Layer .* does not have a `quantize` method")
            super().quantize(*args, **kwargs)
        for network in self._flatten_layers():  # Keras forgets the functions of this model alone
            if isinstance(network, keras.Model):
                network.train_function = network.test_function = network.predict_function = None
        optimizer = getattr(self, "optimizer", None)
        unchanged = before == {id(variable) for variable in self.trainable_variables}
        if optimizer is not None and optimizer.built and not unchanged:  # its state is of weights that are gone
            self.optimizer = optimizer.__class__.from_config(optimizer.get_config())

    def get_compile_config(self) -> Config:
        config = super().get_compile_config()
        return {**config, "optimizer_built": self.optimizer.built} if config else config

    def compile_from_config(self, config: Config) -> None:
        config = dict(config)
        built = config.pop("optimizer_built", True)
        self.compile(**keras.saving.deserialize_keras_object(config))
        if built:  # only then is there a state to load
            self.optimizer.build(self.trainable_variables)

    def get_config(self) -> Config:
        application = (
            {} if self._application is None else {"application": dataclasses.asdict(self._application)}
        )
        return {**super().get_config(), **application}


def _local(filepath):
    """Return a path, or None if it is none of a local file."""
    return None if "://" in str(filepath) else expand(filepath, "filepath")
