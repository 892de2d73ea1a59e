"""C5: no signed error signal travels."""

from keras_bsd.audit._networks import networks
from keras_bsd.audit._report import Criterion
from keras_bsd.layers import Readout, flatten_stages


def measure_unsigned_signals(evidence):
    """Check that no signal between stages is negative, and that no gradient crosses stages."""
    model = evidence.model
    negative = [signal for signal in evidence.signals if not signal.external and (signal.values < 0).any()]
    faults = [f"{signal} is negative, down to {signal.values.min():.4g}" for signal in negative]
    faults += [
        f"the {reach.loss} sends a gradient to other stages" for reach in evidence.reaches if reach.foreign
    ]
    readouts = [
        f"'{readout.name}'"
        for network in networks(model).values()
        for readout in flatten_stages(network, Readout)
    ]
    learning = f"readouts {' and '.join(readouts)} learn from the signed difference of output and target"
    is_pair = hasattr(model, "decoder")
    if is_pair:
        learning += ", and each stage from that of its own rates and its teacher's; neither leaves its stage"
    reservations = [learning]
    if model.stage_readouts:
        also = "also " if is_pair else ""
        reservations.append(
            f"each stage {also}learns from the signed difference of its local readout and the target"
        )
    return Criterion(
        "no signed error signal travels",
        tuple(faults),
        tuple(reservations),
        {"negative": [str(signal) for signal in negative]},
    )
