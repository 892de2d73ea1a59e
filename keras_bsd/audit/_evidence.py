"""The measurements on a model that several criteria share."""

from typing import NamedTuple

from keras import ops

from keras_bsd._types import Model, Tensor
from keras_bsd.audit._locality import Reach, measure_reach
from keras_bsd.audit._signals import Signal, record_signals
from keras_bsd.audit._updates import Update, recompute_updates


class Evidence(NamedTuple):
    """A compiled pair, a batch, and what was measured on them."""

    model: Model
    x: Tensor
    y: Tensor
    signals: list[Signal]
    reaches: list[Reach]
    updates: list[Update]


def gather_evidence(model, x, y):
    """Return the `Evidence` of a compiled pair on a batch of arrays. The model does not change."""
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    signals = record_signals(model, x, y)
    reaches, gradient = measure_reach(model, x, y)
    return Evidence(model, x, y, signals, reaches, recompute_updates(model, x, y, gradient))
