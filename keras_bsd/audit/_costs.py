"""Energy of single operations, from published measurements."""

import math
from typing import NamedTuple

from keras_bsd import _checks


class Memory(NamedTuple):
    """A size of memory and the energy of its accesses.

    Attributes:
        capacity: bytes that it holds, or None without a limit.
        access: energy of reading or writing one value of 32 bits in pJ.
    """

    capacity: int | None
    access: float


class Costs(NamedTuple):
    """Energies of single operations in pJ, None where the source has none.

    Digital arithmetic is priced by multiply-accumulate and accumulate; neuromorphic hardware by synaptic
    operation and neuron update, whatever arithmetic they involve.

    Attributes:
        name: for reports.
        multiply_accumulate: energy of one product that is added to a sum.
        accumulate: energy of one addition.
        synaptic_operation: energy of a spike's arrival at one synapse.
        neuron_update: energy of one time step of a neuron.
        source: where the figures are from.
        memory: tuple of `Memory`, from small to unlimited, to price digital memory too; empty to leave it out.
            `keras_bsd.audit.MemoryAccesses` has the model. The parameters of each layer, the states of its
            neurons and its activations lie apart, each in the smallest memory that holds them all.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6))
    >>> costs = keras_bsd.audit.Costs("measured", 2.1, 0.4, None, None, "own measurement")
    >>> keras_bsd.audit.energy(model, np.ones((1, 4)), costs).energy() > 0
    True
    """

    name: str
    multiply_accumulate: float | None
    accumulate: float | None
    synaptic_operation: float | None
    neuron_update: float | None
    source: str
    memory: tuple[Memory, ...] = ()

    @property
    def is_neuromorphic(self) -> bool:
        """Whether spikes and neurons are priced in place of arithmetic."""
        return self.synaptic_operation is not None

    def access(self, values: int) -> float:
        """Return the energy of one access in pJ to the smallest memory that holds so many values of 32 bits."""
        fitting = (size.access for size in self.memory if size.capacity is None or size.capacity >= 4 * values)
        return next(fitting, 0.0)


_HOROWITZ = (
    'Horowitz, "Computing\'s energy problem", ISSCC 2014: 32-bit floating point in 45 nm, a product '
    "3.7 pJ and a sum 0.9 pJ, "
)
_ARITHMETIC = Costs("45nm", 4.6, 0.9, None, None, f"{_HOROWITZ}without memory")

PRESETS = {
    costs.name: costs
    for costs in (
        _ARITHMETIC,
        _ARITHMETIC._replace(
            name="45nm-memory",
            source=f"{_HOROWITZ}and half of 64 bits from 8 KB, 32 KB and 1 MB of SRAM, 10, 20 and 100 pJ, and "
            "from DRAM, 1300 pJ at least",
            memory=(Memory(2**13, 5.0), Memory(2**15, 10.0), Memory(2**20, 50.0), Memory(None, 650.0)),
        ),
        Costs(
            "loihi",
            None,
            None,
            23.6,
            81.0,
            'Davies et al., "Loihi: A neuromorphic manycore processor with on-chip learning", IEEE Micro 2018: '
            "a synaptic operation and an active neuron's update in 14 nm, at least",
        ),
    )
}


def get_costs(costs):
    """Return the `Costs` of a preset's name, or `costs` if they are `Costs` already.

    Raises:
        ValueError: the name is unknown, or a price is missing.
    """
    if not isinstance(costs, Costs):
        return PRESETS[_checks.one_of("costs", costs, tuple(PRESETS))]
    arithmetic = (costs.multiply_accumulate, costs.accumulate)
    if None in ((costs.synaptic_operation, costs.neuron_update) if costs.is_neuromorphic else arithmetic):
        raise ValueError(
            "`costs` must price multiply_accumulate and accumulate, or synaptic_operation and neuron_update. "
            f"Received: costs={costs}"
        )
    if costs.memory:
        _check_memory(costs)
    return costs


def _check_memory(costs):
    capacities = [math.inf if size.capacity is None else size.capacity for size in costs.memory]
    if costs.is_neuromorphic or capacities[-1] != math.inf or capacities != sorted(capacities):
        raise ValueError(
            "`memory` must be in ascending order of capacity, the last one without a limit (None), beside "
            f"prices of multiply_accumulate and accumulate. Received: costs={costs}"
        )
