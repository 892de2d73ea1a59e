"""Energy of single operations, from published measurements."""

from typing import NamedTuple

from keras_bsd import _checks


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

    @property
    def is_neuromorphic(self) -> bool:
        """Whether spikes and neurons are priced in place of arithmetic."""
        return self.synaptic_operation is not None


PRESETS = {
    costs.name: costs
    for costs in (
        Costs(
            "45nm",
            4.6,
            0.9,
            None,
            None,
            'Horowitz, "Computing\'s energy problem", ISSCC 2014: 32-bit floating point in 45 nm, a product '
            "3.7 pJ and a sum 0.9 pJ, without memory",
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
    return costs
