"""What each backend has its own way of: `gradients` and `train_step`."""

import importlib

import keras

_backend = importlib.import_module(f"keras_bsd.audit._{keras.config.backend()}")
gradients, train_step = _backend.gradients, _backend.train_step
