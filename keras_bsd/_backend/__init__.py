"""The API of the active Keras backend: one small module for each backend, of which one is imported."""

import importlib
from typing import Any

import keras

from keras_bsd import _checks

BACKENDS = ("tensorflow", "jax", "torch")

_checks.one_of("KERAS_BACKEND", keras.config.backend(), BACKENDS)
_module = importlib.import_module(f"keras_bsd._backend.{keras.config.backend()}")

TrainStep: Any = _module.TrainStep
compiled = _module.compiled
concrete = _module.concrete
export_options = _module.export_options
gradients = _module.gradients
is_out_of_memory = _module.is_out_of_memory
run_train_step = _module.run_train_step
wait_for = _module.wait_for
with_batch_size = _module.with_batch_size
