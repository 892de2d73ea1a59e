"""Gradients and one training step on JAX."""

import jax

compiled = jax.jit  # step by step, every operation would be compiled on its own


def gradients(function, tensors):
    """Gradients by `tensors` of each of the scalars that `function(*tensors)` lists, one after the other."""
    scalars, pull_back = jax.vjp(jax.jit(function), *tensors)
    for i in range(len(scalars)):
        chosen = [jax.numpy.full_like(scalar, i == j) for j, scalar in enumerate(scalars)]
        yield pull_back(chosen)


def train_step(model, x, y):
    """Go through the model's own step without its numbers; its metrics change."""
    model.compute_metrics(x, y, jax.numpy.zeros((len(x), *model.encoder.output_shape[1:])))  # makes them
    kinds = ("trainable_variables", "non_trainable_variables", "metrics_variables")
    trainable, non_trainable, metrics = ([v.value for v in getattr(model, kind)] for kind in kinds)
    optimizer = [variable.value for variable in model.optimizer.variables]
    jax.eval_shape(model.train_step, (trainable, non_trainable, optimizer, metrics), (x, y))
