"""Gradients for tests, on the active backend."""

import keras
from keras import ops


def gradients(function, tensors):
    """Return the gradient of the scalar `function(*tensors)` by each of `tensors`."""
    return _BY_BACKEND[keras.config.backend()](function, [ops.convert_to_tensor(t) for t in tensors])


def weight_gradients(function, variables):
    """Return the gradient of the scalar `function()` by each Keras variable; `None` where there is no path."""
    if keras.config.backend() != "jax":
        return gradients(lambda *_: function(), [variable.value for variable in variables])

    def stateless(*values):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return function()

    return gradients(stateless, [variable.value for variable in variables])


def _tensorflow(function, tensors):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    return [None if gradient is None else gradient.numpy() for gradient in tape.gradient(value, tensors)]


def _torch(function, tensors):
    import torch

    tensors = [t if t.requires_grad else t.detach().requires_grad_() for t in tensors]
    results = torch.autograd.grad(function(*tensors), tensors, allow_unused=True)
    return [None if gradient is None else ops.convert_to_numpy(gradient) for gradient in results]


def _jax(function, tensors):
    import jax

    return [ops.convert_to_numpy(g) for g in jax.grad(function, argnums=tuple(range(len(tensors))))(*tensors)]


_BY_BACKEND = {"tensorflow": _tensorflow, "torch": _torch, "jax": _jax}
