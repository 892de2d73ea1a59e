"""Reads and writes of memory, derived from the counts of operations."""

from typing import NamedTuple


class MemoryAccesses(NamedTuple):
    """Reads and writes of values of 32 bits for one sample.

    One access is one value. Sums of a time step, stimuli, held currents, pooling, and normalisation outside
    recurrent stages stay in registers. Samples of a batch share nothing.

    - Each MAC and AC of a layer with synapses reads one parameter, a weight or a bias, in the network with ReLU
      too.
    - Each time step of a neuron reads and writes its states, whether it spikes or not.
    - Each spike is written once and read once, as the address of its neuron. In the network with ReLU each
      neuron's activation is, once for all time steps.

    Attributes:
        parameters: reads of parameters.
        states: reads and writes of the neurons' states, such as membranes.
        activations: writes and reads of spikes, or of activations.

    Source: after Lemaire et al., "An analytical estimation of spiking neural networks energy efficiency",
    ICONIP 2022, where each spike that arrives reads and writes the membranes, too.
    """

    parameters: float
    states: float
    activations: float


def count_accesses(layer):
    """Return the `MemoryAccesses` of a `LayerCost`."""
    parameters = layer.macs + layer.acs if layer.synapses else 0
    if not layer.neurons:
        return MemoryAccesses(parameters, 0, 0)
    steps = layer.neuron_updates / layer.neurons
    spikes = layer.firing_rate * layer.neuron_updates
    return MemoryAccesses(parameters, 2 * layer.states * steps, 2 * spikes)


def count_ann_accesses(layer):
    """Return the `MemoryAccesses` of the counterpart of a `LayerCost` in the network with ReLU."""
    return MemoryAccesses(layer.ann_macs + layer.ann_acs if layer.synapses else 0, 0, 2 * layer.neurons)


def price_accesses(costs, layer, accesses):
    """Return the energy of a layer's `MemoryAccesses` in pJ."""
    values = (layer.parameters, layer.states, layer.neurons)
    return sum(costs.access(size) * count for size, count in zip(values, accesses, strict=True))
