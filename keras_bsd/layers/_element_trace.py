"""What a recurrent stage's loop over the elements of a sequence has computed."""

from typing import NamedTuple

from keras import ops

from keras_bsd._types import Tensor
from keras_bsd.layers._base import Targets
from keras_bsd.layers._masks import count_elements, gather


class ElementTrace(NamedTuple):
    """Inputs, currents and spikes of a loop over the elements of a sequence, skipped ones behind the others."""

    inputs: Tensor  # rates, those before the sequence first, (batch, delays - 1 + elements, features)
    affine: Tensor  # the inputs' share of the currents before normalisation, (batch, elements, units)
    feedback: Tensor  # the recurrent share, (batch, elements, units)
    rates: Tensor  # (batch, elements, units)
    rates_before: Tensor  # of the element before the sequence, (batch, 1, units)
    spikes: Tensor | None  # (batch, elements, time, units), where they are recorded
    slopes: list[Tensor]  # sums of slopes over each element, (batch, elements, units); none unless linearized
    mask: Tensor | None  # (batch, elements), in the order of the stage's inputs
    order: Tensor | None  # indices of the elements, those that are skipped last; None without a mask
    targets: Targets
    steps: int  # time steps of an element

    @property
    def before(self) -> Tensor:
        """Rates of the preceding elements, the input of the feedback weights, `(batch, elements, units)`."""
        return ops.concatenate([self.rates_before, self.rates[:, :-1]], axis=1)

    def in_place(self, values: Tensor) -> Tensor:
        """Return values `(batch, elements, ...)` in the order of the stage's inputs."""
        return values if self.order is None else gather(values, ops.argsort(self.order, axis=1))

    def at_targets(self, values: Tensor, preceding: int = 0) -> Tensor:
        """Return detached values `(batch, preceding + elements, ...)` at elements with targets and before them.

        Args:
            values: tensor.
            preceding: int, the number of elements before each that its value depends on.
        """
        values = ops.stop_gradient(values)
        if self.targets == "all":
            return values
        if self.mask is None:
            return values[:, -1 - preceding :]
        last = ops.maximum(count_elements(self.mask) - 1, 0)
        return gather(values, last + ops.arange(preceding + 1, dtype="int32")[None])

    def as_samples(self, values: Tensor) -> Tensor:
        """Return values at the elements with targets in the order of the inputs, `(samples, units)`."""
        values = values if self.targets == "last" else self.in_place(values)
        return ops.reshape(values, (-1, values.shape[-1]))
