"""C2: each synapse learns from signals at its own neuron."""

from keras_bsd.audit._networks import stages_by_network
from keras_bsd.audit._report import Criterion
from keras_bsd.audit._twins import kernels_outside_synapse
from keras_bsd.layers._kinds import classes_with
from keras_bsd.layers._stage import SpikingStage

# Largest relative difference of a recomputed update, by the type that products are computed in.
TOLERANCES = {"float64": 1e-6, "float32": 1e-3, "bfloat16": 0.1, "float16": 0.05}


def measure_local_learning(evidence):
    """Search for gradients in foreign stages, and compare updates with presynaptic signal x local error."""
    model, reaches, updates = evidence.model, evidence.reaches, evidence.updates
    faults = [
        f"the {reach.loss} reaches {path} of another stage (gradient up to {size:.3g})"
        for reach in reaches
        for path, size in reach.foreign.items()
    ]
    tolerance = TOLERANCES[model.compute_dtype]
    faults += [
        f"the update of '{update.layer}' in stage '{update.stage}' is not presynaptic rate x local error: "
        f"relative difference {update.difference:.3g}"
        for update in updates
        if not update.difference <= tolerance  # true for NaN, too
    ]
    losses = [
        {"loss": reach.loss, "own": reach.own, "foreign": max(reach.foreign.values(), default=0.0)}
        for reach in reaches
    ]
    return Criterion(
        "each synapse learns from signals at its own neuron",
        tuple(faults),
        tuple(_reservations(evidence)),
        {"losses": losses, "updates": [update._asdict() for update in updates]},
        (
            ("loss", "largest gradient in its own stages", "in all others"),
            *((row["loss"], f"{row['own']:.3g}", f"{row['foreign']:.3g}") for row in losses),
        ),
    )


def _reservations(evidence):
    """Yield where the update of a synapse involves more than signals at its own neuron."""
    model, updates = evidence.model, evidence.updates
    known = {stage: name for names in stages_by_network(model).values() for stage, name in names.items()}
    stages = [stage for stage in known if isinstance(stage, SpikingStage)]
    for statistics, population in (("batch", "the batch"), ("sample", "the stage's neurons")):
        kinds = classes_with(statistics=statistics)
        names = [
            known[stage] for stage in stages if any(isinstance(layer, kinds) for layer in stage.synapse.layers)
        ]
        if names:
            yield f"currents are normalised by statistics of {population} in {', '.join(names)}"
    if hasattr(model, "decoder"):
        others = "every concept's prototype" if model.codebook else "the other samples of the batch"
        yield f"a layer loss compares each sample with {others}, by a cosine over all neurons of the stage"
    layers = [f"'{signal.stage}'" for signal in evidence.signals if signal.network == "feedback"]
    if layers:
        yield f"what a neuron learns from reaches it from outside its stage, by {', '.join(layers)}"
    for presynaptic, text in (
        ("spikes", "the update uses the spikes and errors of every time step, stored until the last one,"),
        (
            "other",
            "the presynaptic signal is neither the stage's input nor its mean over time, but computed from it",
        ),
    ):
        names = [update.stage for update in updates if presynaptic in update.presynaptic]
        if names:
            yield f"{text} in {', '.join(names)}"
    paths = [path for stage in stages for path in kernels_outside_synapse(stage)]
    paths += [readout.kernel.path for readout in model.stage_readouts if readout.trainable]
    if paths:
        yield f"not checked (outside any synapse): the updates of {', '.join(paths)}"
