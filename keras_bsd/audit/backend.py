"""What each backend has its own way of: `compiled`, `gradients` and `train_step`."""

import importlib

import keras

_backend = importlib.import_module(f"keras_bsd.audit._{keras.config.backend()}")
compiled, gradients, train_step = _backend.compiled, _backend.gradients, _backend.train_step
