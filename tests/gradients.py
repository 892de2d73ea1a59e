"""Gradients for tests, by whichever backend is running."""

import tensorflow as tf


def gradients(function, variables):
    """Gradient of `function()`, a scalar, by each of `variables`; `None` where there is no path."""
    with tf.GradientTape() as tape:
        tape.watch([variable for variable in variables if not hasattr(variable, "assign")])
        value = function()
    sources = [getattr(variable, "value", variable) for variable in variables]
    found = tape.gradient(value, sources)
    return [None if gradient is None else gradient.numpy() for gradient in found]
