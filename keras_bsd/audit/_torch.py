"""Gradients and one training step on PyTorch."""

import torch


def compiled(function):
    """The function itself: it runs operation by operation fast enough."""
    return function


def gradients(function, tensors):
    """Gradients by `tensors` of each of the scalars that `function(*tensors)` lists, one after the other."""
    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    for scalar in function(*tensors):
        if not scalar.requires_grad:
            yield [torch.zeros_like(tensor) for tensor in tensors]
            continue
        yield torch.autograd.grad(scalar, tensors, retain_graph=True, materialize_grads=True, allow_unused=True)


def train_step(model, x, y):
    """The model's own step; its variables change."""
    model.train_step((x, y))
