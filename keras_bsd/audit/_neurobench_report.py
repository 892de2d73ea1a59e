"""The result of counting NeuroBench's metrics."""

import dataclasses

from keras_bsd._types import Config
from keras_bsd.audit._tables import tabulate


@dataclasses.dataclass(frozen=True)
class NeuroBenchReport:
    """NeuroBench's metrics of a network, by the names of NeuroBench's classes in `to_dict` and in print.

    Operations and updates are those of one sample, the mean of all, summed over its time steps.

    Attributes:
        model: name of the network.
        samples: number of samples that were counted.
        footprint: bytes of parameters, of the statistics of batch normalisation, and of the neurons of one
            sample: all their states, such as membranes.
        parameter_count: number of parameters.
        connection_sparsity: fraction of weights, without biases, that are zero.
        activation_sparsity: fraction of time steps of single neurons, in all layers, without a spike.
        dense: synaptic operations as if no input and no weight were zero.
        effective_macs: synaptic operations, of inputs and weights that are not zero, in those time steps of a
            sample in which a layer receives a value other than -1, 0 and 1.
        effective_acs: synaptic operations in the other time steps. Neither biases nor padded positions count.
        membrane_updates: time steps of single neurons in which the membrane changes, or that are the first.
        unknown: descriptions of layers whose operations were not counted, a tuple of strings.
    """

    model: str
    samples: int
    footprint: int
    parameter_count: int
    connection_sparsity: float
    activation_sparsity: float
    dense: float
    effective_macs: float
    effective_acs: float
    membrane_updates: float
    unknown: tuple[str, ...]

    def to_dict(self) -> Config:
        """Return the metrics as NeuroBench names them, a dict that JSON can hold."""
        return {
            "Footprint": self.footprint,
            "ParameterCount": self.parameter_count,
            "ConnectionSparsity": self.connection_sparsity,
            "ActivationSparsity": self.activation_sparsity,
            "SynapticOperations": {
                "Dense": self.dense,
                "Effective_MACs": self.effective_macs,
                "Effective_ACs": self.effective_acs,
            },
            "MembraneUpdates": self.membrane_updates,
        }

    def __str__(self) -> str:
        metrics = self.to_dict()
        operations = metrics.pop("SynapticOperations")
        rows = [
            (name, f"{value:,.4g}" if "Sparsity" in name else f"{value:,.0f}")
            for name, value in metrics.items()
        ]
        rows += [(f"SynapticOperations, {name}", f"{value:,.0f}") for name, value in operations.items()]
        lines = [
            f"NeuroBench's metrics of '{self.model}', for one sample, the mean of {self.samples}",
            "",
            tabulate(rows, disable_numparse=True, colalign=["left", "right"]),
        ]
        return "\n".join([*lines, *(f"Not counted: {description}" for description in self.unknown)])
