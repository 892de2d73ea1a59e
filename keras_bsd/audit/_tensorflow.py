"""Gradients and one training step on TensorFlow."""

import tensorflow as tf


def compiled(function):
    """The function itself: it runs operation by operation fast enough."""
    return function


def gradients(function, tensors):
    """Gradients by `tensors` of each of the scalars that `function(*tensors)` lists, one after the other."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensors)
        scalars = function(*tensors)
    for scalar in scalars:
        yield tape.gradient(scalar, tensors, unconnected_gradients="zero")


def train_step(model, x, y):
    """The model's own step; its variables change."""
    model.train_step((x, y))
