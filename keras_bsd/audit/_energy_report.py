"""What an audit of energy found."""

import dataclasses

from keras_bsd.audit._costs import Costs
from keras_bsd.audit._counter import LayerCost
from keras_bsd.audit._tables import tabulate

NOT_COMPARABLE = (
    "Energies by different presets must not be compared: they stand for different hardware, precision and "
    "parts of it. None counts memory, which on digital hardware takes more than arithmetic."
)


@dataclasses.dataclass(frozen=True)
class EnergyReport:
    """Operations of a network for one sample, and their energy.

    Attributes:
        model: its name.
        samples: how many were counted.
        costs: `Costs`.
        layers: tuple of `LayerCost`, in the network's order.
        unknown: what could not be counted, in words.
        training: dict from a rule to `TrainingCost`; empty if the model is no pair, or has recurrent stages.
    """

    model: str
    samples: int
    costs: Costs
    layers: tuple
    unknown: tuple
    training: dict

    @property
    def total(self):
        """Sum of all layers, a `LayerCost`."""
        summed = {
            field: sum(getattr(layer, field) for layer in self.layers)
            for field in LayerCost._fields
            if field not in ("name", "kind", "stage", "firing_rate", "steps")
        }
        spikes = sum(layer.firing_rate * layer.neuron_updates for layer in self.layers if layer.neurons)
        rate = spikes / summed["neuron_updates"] if summed["neuron_updates"] else None
        return LayerCost(name="total", kind="", stage="", firing_rate=rate, steps=1, **summed)

    def energy(self, layer=None):
        """pJ that a layer, or the network, takes for one sample, as far as the costs know its operations."""
        if layer is None:
            return sum(map(self.energy, self.layers))
        if self.costs.is_neuromorphic:
            arrivals = layer.synaptic_operations * self.costs.synaptic_operation
            return arrivals + layer.neuron_updates * self.costs.neuron_update
        return self._arithmetic(layer.macs, layer.acs)

    def ann_energy(self, layer=None):
        """pJ that the same layer, or network, takes without spikes and time; None by neuromorphic costs."""
        if self.costs.is_neuromorphic:
            return None
        layer = self.total if layer is None else layer
        return self._arithmetic(layer.ann_macs, layer.ann_acs)

    def _arithmetic(self, macs, acs):
        return macs * self.costs.multiply_accumulate + acs * self.costs.accumulate

    @property
    def unpriced(self):
        """Dict from a layer's name to the number of its operations that the costs know nothing of."""
        if not self.costs.is_neuromorphic:
            return {}
        left = {
            layer.name: layer.macs + layer.acs - layer.synaptic_operations
            for layer in self.layers
            if not layer.neuron_updates
        }
        return {name: count for name, count in left.items() if count}

    def to_dict(self):
        """All that was counted, as a dict that JSON can hold."""
        priced = [
            {**layer._asdict(), "energy": self.energy(layer), "ann_energy": self.ann_energy(layer)}
            for layer in self.layers
        ]
        return {
            "model": self.model,
            "samples": self.samples,
            "costs": self.costs._asdict(),
            "layers": priced,
            "energy": self.energy(),
            "ann_energy": self.ann_energy(),
            "unknown": list(self.unknown),
            "unpriced": self.unpriced,
            "training": {rule: counted._asdict() for rule, counted in self.training.items()},
        }

    def __str__(self):
        header = ["layer", "neurons", "synapses", "rate", "synaptic ops", "MACs", "ACs", "nJ"]
        header += ["MACs, ANN", "ACs, ANN", "nJ, ANN"]
        lines = [
            f"Energy of '{self.model}' for one of {self.samples} samples, costs '{self.costs.name}'",
            f"({self.costs.source})",
            "",
            _table(map(self._row, (*self.layers, self.total)), header),
        ]
        if self.training:
            lines += ["", "Training, products of weights for one sample", self._training()]
        lines += [f"Not counted: {what}" for what in self.unknown]
        if self.unpriced:
            names = ", ".join(f"{name} ({count:,.0f})" for name, count in self.unpriced.items())
            lines.append(f"Counted, but without a price in '{self.costs.name}': {names}")
        return "\n".join([*lines, "", NOT_COMPARABLE])

    def _row(self, layer):
        energy = self.energy() if layer.name == "total" else self.energy(layer)
        ann = self.ann_energy(layer)
        counts = (layer.synaptic_operations, layer.macs, layer.acs)
        return [
            layer.name,
            f"{layer.neurons:,}" if layer.neurons else "",
            f"{layer.synapses:,}" if layer.synapses else "",
            "" if layer.firing_rate is None else f"{layer.firing_rate:.3f}",
            *(f"{count:,.0f}" for count in counts),
            f"{energy / 1e3:,.2f}",
            f"{layer.ann_macs:,.0f}",
            f"{layer.ann_acs:,.0f}",
            "-" if ann is None else f"{ann / 1e3:,.2f}",
        ]

    def _training(self):
        header = ["rule", "MACs", "ACs", "all as MACs", "of backprop", "nJ"]
        rows = []
        whole = self.training["backprop"].products
        for rule, counted in self.training.items():
            priced = not self.costs.is_neuromorphic
            energy = f"{self._arithmetic(counted.macs, counted.acs) / 1e3:,.2f}" if priced else "-"
            counts = (f"{count:,.0f}" for count in counted)
            rows.append([rule, *counts, f"{counted.products / whole:.2f}", energy])
        return _table(rows, header)


def _table(rows, header):
    """Names to the left, numbers, as they are written, to the right."""
    alignment = ["left", *["right"] * (len(header) - 1)]
    return tabulate(rows, header, disable_numparse=True, colalign=alignment)
