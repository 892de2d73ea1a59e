"""Gradients for tests, on the active backend."""

import keras
from keras import ops


def gradients(function, tensors):
    """Return the gradient of the scalar `function(*tensors)` by each of `tensors`."""
    _, (results,) = _each(lambda *tensors: [function(*tensors)], tensors)
    return results


def weight_gradients(function, variables):
    """Return the gradient of the scalar `function()` by each Keras variable; `None` where there is no path."""
    _, (results,) = weight_gradients_of_each(lambda: [function()], variables)
    return results


def weight_gradients_of_each(function, variables):
    """Run `function()` once; return the scalars of its list, and an iterator over the gradients of each."""

    def stateless(*values):
        if keras.config.backend() != "jax":
            return function()
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return function()

    return _each(stateless, [variable.value for variable in variables])


def _each(function, tensors):
    tensors = [ops.convert_to_tensor(tensor) for tensor in tensors]
    scalars, gradients_of = _BY_BACKEND[keras.config.backend()](function, tensors)
    values = [float(ops.convert_to_numpy(scalar)) for scalar in scalars]
    return values, (
        [None if gradient is None else ops.convert_to_numpy(gradient) for gradient in gradients_of(index)]
        for index in range(len(scalars))
    )


def _tensorflow(function, tensors):
    import tensorflow as tf

    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensors)
        scalars = function(*tensors)
    return scalars, lambda index: tape.gradient(scalars[index], tensors)


def _torch(function, tensors):
    import torch

    tensors = [t if t.requires_grad else t.detach().requires_grad_() for t in tensors]
    scalars = function(*tensors)
    return scalars, lambda index: torch.autograd.grad(
        scalars[index], tensors, retain_graph=True, allow_unused=True
    )


def _jax(function, tensors):
    import jax

    scalars, pull_back = jax.vjp(function, *tensors)
    return scalars, lambda index: pull_back(
        [ops.full((), float(index == i), scalar.dtype) for i, scalar in enumerate(scalars)]
    )


_BY_BACKEND = {"tensorflow": _tensorflow, "torch": _torch, "jax": _jax}
