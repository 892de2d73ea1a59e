"""What an operation costs, from published measurements."""

from typing import NamedTuple

from keras_bsd import _checks


class Costs(NamedTuple):
    """Energies in pJ, None where the source has none.

    Digital arithmetic is priced by multiply-accumulate and accumulate; neuromorphic hardware by what an
    arriving spike and a neuron's time step cost, whatever arithmetic is behind them.
    """

    name: str
    multiply_accumulate: float | None
    accumulate: float | None
    synaptic_operation: float | None
    neuron_update: float | None
    source: str

    @property
    def is_neuromorphic(self):
        """Whether spikes and neurons are priced, not arithmetic."""
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


def get(costs):
    """The `Costs` of a name, or those given.

    Raises:
        ValueError: the name is unknown.
    """
    return costs if isinstance(costs, Costs) else PRESETS[_checks.one_of("costs", costs, tuple(PRESETS))]
