"""C1: independent feedforward and backward weights."""

from keras_bsd.audit._dependence import backward_networks
from keras_bsd.audit._report import Criterion
from keras_bsd.audit._twins import LOGGED_AS, compare

SAME = 0.999  # kernels with a larger cosine count as one,
LARGEST_CHANCE = 0.3  # unless random kernels of their size reach such cosines


def measure_independence(evidence):
    """Compare each feedforward weight with its backward twin, and search for shared variables.

    Where errors pass between stages, the backward weights are those that they pass through: fixed ones of
    feedback layers, or the transposed feedforward weights.
    """
    model = evidence.model
    pairs = compare(model) if hasattr(model, "decoder") else []
    backward = {id(weight) for network in backward_networks(model) for weight in network.weights}
    shared = [weight.path for weight in model.encoder.weights if id(weight) in backward]
    faults = [f"{path} belongs to both networks" for path in shared]
    faults += [
        f"'{pair.forward}' and '{pair.backward}' hold the same weights (cosine {cosine:+.4f})"
        for pair in pairs
        for cosine, chance in zip(pair.cosines, pair.chance, strict=True)
        if abs(cosine) > SAME and chance < LARGEST_CHANCE
    ]
    transposed = [f"'{name}'" for name, by_transposed in evidence.crossed.items() if by_transposed]
    if transposed:
        faults.append(
            f"errors of later stages reach {', '.join(transposed)} through the transposed feedforward weights"
        )
    reservations = [
        f"some weights of '{pair.forward}' and '{pair.backward}' were not compared ({pair.unpaired})"
        for pair in pairs
        if pair.unpaired
    ]
    if model.stage_readouts:
        besides = "besides its teacher " if pairs else ""
        reservations.append(
            f"{besides}each stage has a local readout, whose error reaches the stage through the readout's own "
            "feedforward weights"
        )
    history = getattr(getattr(model, "history", None), "history", {})
    logs = {pair.forward: history.get(f"{pair.forward}_{LOGGED_AS}") for pair in pairs}
    over_training = {stage: cosines for stage, cosines in logs.items() if cosines is not None}
    return Criterion(
        "feedforward and backward weights are independent",
        tuple(faults),
        tuple(reservations),
        {
            "shared": shared,
            "twins": [pair._asdict() for pair in pairs],
            "cosines_over_training": over_training,
        },
        _table(pairs, over_training) if pairs else (),
    )


def _table(pairs, over_training):
    rows = [("feedforward weight", "backward twin", "cosine", "by chance", "first epoch")]
    for pair in pairs:
        logged = over_training.get(pair.forward)
        rows.append(
            (
                pair.forward,
                pair.backward,
                ", ".join(f"{cosine:+.3f}" for cosine in pair.cosines) or "not paired",
                ", ".join(f"±{chance:.3f}" for chance in pair.chance),
                f"{logged[0]:+.3f}" if logged else "",
            )
        )
    return tuple(row if over_training else row[:-1] for row in rows)
