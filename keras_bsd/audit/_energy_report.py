"""The result of an audit of energy."""

import dataclasses

from keras_bsd._types import Config
from keras_bsd.audit._costs import Costs
from keras_bsd.audit._counter import LayerCost
from keras_bsd.audit._memory import MemoryAccesses, count_accesses, count_ann_accesses, price_accesses
from keras_bsd.audit._tables import tabulate
from keras_bsd.audit._training_costs import TrainingCost

NOT_COMPARABLE = (
    "Energies of different costs must not be compared: hardware, precision and what is included differ."
)
WITHOUT_MEMORY = "Arithmetic is priced without memory, which on digital hardware takes more energy."
WITH_MEMORY = "Energies of a layer, but not those of training, include its accesses to memory."


@dataclasses.dataclass(frozen=True)
class EnergyReport:
    """Operations of a network for one sample, and their energy. `print` shows them as tables.

    Attributes:
        model: name of the network.
        samples: number of samples that were counted.
        costs: `Costs`.
        layers: tuple of `LayerCost`, in the network's order.
        unknown: descriptions of the operations that were not counted, a tuple of strings.
        training: dict from `"backprop"`, and `"rate"` and `"surrogate"` of a pair, or the name of the rule of a
            model of `keras_bsd.baselines`, to `TrainingCost`; empty for other models and recurrent stages.
    """

    model: str
    samples: int
    costs: Costs
    layers: tuple[LayerCost, ...]
    unknown: tuple[str, ...]
    training: dict[str, TrainingCost]

    @property
    def total(self) -> LayerCost:
        """Sum of all layers."""
        summed = {
            field: sum(getattr(layer, field) for layer in self.layers)
            for field in LayerCost._fields
            if field not in ("name", "kind", "stage", "is_inner", "firing_rate", "steps")
        }
        spikes = sum(layer.firing_rate * layer.neuron_updates for layer in self.layers if layer.firing_rate)
        rate = spikes / summed["neuron_updates"] if summed["neuron_updates"] else None
        return LayerCost(name="total", kind="", stage="", is_inner=False, firing_rate=rate, steps=1, **summed)

    def energy(self, layer: LayerCost | None = None) -> float:
        """Return the energy of a layer, or of the network, for one sample in pJ, without unpriced operations.

        It includes memory if the costs do.

        Args:
            layer: one of `layers` (default: all of them).
        """
        if layer is None:
            return sum(map(self.energy, self.layers))
        if self.costs.is_neuromorphic:
            arrivals = layer.synaptic_operations * (self.costs.synaptic_operation or 0.0)
            return arrivals + layer.neuron_updates * (self.costs.neuron_update or 0.0)
        return self._arithmetic(layer.macs, layer.acs) + self.memory_energy(layer)

    def ann_energy(self, layer: LayerCost | None = None) -> float | None:
        """Return the energy of the equivalent layer, or network, with ReLU and without time in pJ.

        Args:
            layer: one of `layers` (default: all of them).

        Returns:
            float, or None if the costs are neuromorphic.
        """
        if self.costs.is_neuromorphic:
            return None
        layers = self.layers if layer is None else (layer,)
        arithmetic = self._arithmetic(sum(x.ann_macs for x in layers), sum(x.ann_acs for x in layers))
        return arithmetic + sum(price_accesses(self.costs, x, count_ann_accesses(x)) for x in layers)

    def accesses(self, layer: LayerCost | None = None) -> MemoryAccesses:
        """Return the reads and writes of memory of a layer, or of the network, for one sample.

        Args:
            layer: one of `layers` (default: all of them).
        """
        return _sum_accesses(map(count_accesses, self.layers if layer is None else (layer,)))

    def ann_accesses(self, layer: LayerCost | None = None) -> MemoryAccesses:
        """Return the reads and writes of the equivalent layer, or network, with ReLU and without time.

        Args:
            layer: one of `layers` (default: all of them).
        """
        return _sum_accesses(map(count_ann_accesses, self.layers if layer is None else (layer,)))

    def memory_energy(self, layer: LayerCost | None = None) -> float:
        """Return the energy of the accesses to memory for one sample in pJ, 0 if the costs leave it out.

        Args:
            layer: one of `layers` (default: all of them).
        """
        layers = self.layers if layer is None else (layer,)
        return sum(price_accesses(self.costs, x, count_accesses(x)) for x in layers)

    def _arithmetic(self, macs, acs):
        return macs * (self.costs.multiply_accumulate or 0.0) + acs * (self.costs.accumulate or 0.0)

    @property
    def unpriced(self) -> dict[str, float]:
        """Dict from a layer's name to the number of its operations that the costs do not price."""
        if not self.costs.is_neuromorphic:
            return {}
        counts = {
            layer.name: layer.macs + layer.acs - layer.synaptic_operations
            for layer in self.layers
            if not layer.neuron_updates
        }
        return {name: count for name, count in counts.items() if count}

    def to_dict(self) -> Config:
        """Return the whole report as a dict that JSON can hold."""
        priced = [
            {
                **layer._asdict(),
                "energy": self.energy(layer),
                "ann_energy": self.ann_energy(layer),
                "accesses": self.accesses(layer)._asdict(),
                "ann_accesses": self.ann_accesses(layer)._asdict(),
            }
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
            "training": {rule: cost._asdict() for rule, cost in self.training.items()},
        }

    def __str__(self) -> str:
        header = ["layer", "neurons", "synapses", "rate", "synaptic ops"]
        for network in ("", ", ANN"):
            counts = ["MACs", "ACs", *(["accesses"] if self.costs.memory else [])]
            header += [f"{count}{network}" for count in (*counts, "nJ")]
        lines = [
            f"Energy of '{self.model}' for one sample, the mean of {self.samples}, costs '{self.costs.name}'",
            f"({self.costs.source})",
            "",
            _table(map(self._row, (*self.layers, self.total)), header),
        ]
        if self.training:
            lines += ["", "Training, products of weights for one sample", self._training_table()]
        lines += [f"Not counted: {description}" for description in self.unknown]
        if self.unpriced:
            names = ", ".join(f"{name} ({count:,.0f})" for name, count in self.unpriced.items())
            lines.append(f"Counted, but without a price in '{self.costs.name}': {names}")
        notes = [NOT_COMPARABLE]
        if not self.costs.is_neuromorphic:
            notes.append(WITH_MEMORY if self.costs.memory else WITHOUT_MEMORY)
        return "\n".join([*lines, "", " ".join(notes)])

    def _row(self, layer):
        one = None if layer.name == "total" else layer
        energy, ann = self.energy(one), self.ann_energy(one)
        accesses, ann_accesses = [], []
        if self.costs.memory:
            accesses, ann_accesses = [sum(self.accesses(one))], [sum(self.ann_accesses(one))]
        counts = (layer.synaptic_operations, layer.macs, layer.acs, *accesses)
        return [
            layer.name,
            f"{layer.neurons:,}" if layer.neurons else "",
            f"{layer.synapses:,}" if layer.synapses else "",
            "" if layer.firing_rate is None else f"{layer.firing_rate:.3f}",
            *(f"{count:,.0f}" for count in counts),
            f"{energy / 1e3:,.2f}",
            *(f"{count:,.0f}" for count in (layer.ann_macs, layer.ann_acs, *ann_accesses)),
            "-" if ann is None else f"{ann / 1e3:,.2f}",
        ]

    def _training_table(self):
        header = ["rule", "MACs", "ACs", "all as MACs", "of backprop", "nJ"]
        rows = []
        backprop = self.training["backprop"].products
        for rule, cost in self.training.items():
            energy = "-"
            if not self.costs.is_neuromorphic:
                energy = f"{self._arithmetic(cost.macs, cost.acs) / 1e3:,.2f}"
            rows.append([rule, *(f"{count:,.0f}" for count in cost), f"{cost.products / backprop:.2f}", energy])
        return _table(rows, header)


def _sum_accesses(counts):
    return MemoryAccesses(*map(sum, zip(*counts, strict=True)))


def _table(rows, header):
    """Return a table with names to the left and numbers, as they are formatted, to the right."""
    alignment = ["left", *["right"] * (len(header) - 1)]
    return tabulate(rows, header, disable_numparse=True, colalign=alignment)
