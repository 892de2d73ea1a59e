"""C4: only binary spikes travel between stages."""

import numpy as np

from keras_bsd.audit._report import Criterion


def measure_binary_spikes(evidence):
    """Check that all signals between stages are 0 or 1."""
    analogue = [signal for signal in evidence.signals if not signal.is_binary]
    faults = [
        f"{signal} is not 0 or 1 only, but for example {_example(signal.values):.4g}"
        for signal in analogue
        if not signal.external
    ]
    if evidence.crossed:
        stages = ", ".join(f"'{name}'" for name in evidence.crossed)
        faults.append(f"the errors that later stages send to {stages} are analogue")
    reservations = [
        f"{signal} is an analogue current from outside the network" for signal in analogue if signal.external
    ]
    tensors = [
        {
            "tensor": str(signal),
            "outer": signal.external,
            "shape": list(signal.values.shape),
            "least": float(signal.values.min()),
            "most": float(signal.values.max()),
            "mean": float(signal.values.mean(dtype="float64")),
        }
        for signal in evidence.signals
    ]
    return Criterion(
        "only binary spikes travel between stages", tuple(faults), tuple(reservations), {"tensors": tensors}
    )


def _example(values):
    return values[np.asarray((values != 0) & (values != 1))][0]
