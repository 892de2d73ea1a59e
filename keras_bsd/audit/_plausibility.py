"""The five criteria of biological plausibility, measured on a model."""

import collections

import numpy as np
from keras import ops

from keras_bsd._backend import run_train_step
from keras_bsd._observe import observe
from keras_bsd.audit import _twins as twins
from keras_bsd.audit._crossings import crossings, fits, stages_by_network, unchanged
from keras_bsd.audit._locality import reach
from keras_bsd.audit._report import Criterion, PlausibilityReport
from keras_bsd.audit._updates import rebuild
from keras_bsd.layers._kinds import classes_with
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import flatten_stages
from keras_bsd.models._pair import BSDModel

SAME = 0.999  # a cosine from which on two kernels count as one,
FEW = 0.3  # unless chance gives such to kernels as small
# How far a rebuilt update may be off, by what the products are computed in.
ROUNDING = {"float64": 1e-6, "float32": 1e-3, "bfloat16": 0.1, "float16": 0.05}


def plausibility(model, x, y):
    """Measure how far a pair keeps the five criteria of biological plausibility.

    - **C1** The cosine of each feedforward weight with its backward twin, and after `fit` with
      `keras_bsd.callbacks.LayerAlignment` its course; whether any variable belongs to both networks.
    - **C2** The gradient of every loss by the weights of all other stages; whether each kernel's update
      is the product of presynaptic rates and the error of its own stage.
    - **C3** How often each stage runs in one training step; whether silence of one network changes what
      the other does.
    - **C4** Whether all that passes between stages is 0 or 1.
    - **C5** Whether anything negative, or a gradient, passes between stages.

    What holds in the letter only is a reservation: batch normalisation, comparison with other samples,
    losses of the readouts, an analogue stimulus.

    Args:
        model: a compiled `keras_bsd.BSDModel`. It stays as it is.
        x: stimuli `(batch, ...)`, some tens of them, two at least.
        y: targets, as for `fit`.

    Returns:
        `PlausibilityReport`.

    Raises:
        ValueError: the model is not a pair or not compiled, or the batch does not fit it or is too small.

    Example:

    >>> report = keras_bsd.audit.plausibility(model, x[:32], y[:32])
    >>> print(report)
    >>> report.require("C1", "C2")

    Source: the criteria are those of Lv et al., arXiv 2509.20284, section 1.
    """
    x, y = _checked(model, x, y)
    inputs, targets = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    passed = crossings(model, inputs, targets)
    reaches, gradient = reach(model, inputs, targets)
    updates = rebuild(model, inputs, targets, gradient)
    criteria = {
        "C1": _independence(model),
        "C2": _locality(model, reaches, updates),
        "C3": _one_pass(model, inputs, targets, passed),
        "C4": _binary(passed),
        "C5": _unsigned(model, passed, reaches),
    }
    return PlausibilityReport(model.name, len(x), bool(int(model.optimizer.iterations)), criteria)


def _checked(model, x, y):
    if not isinstance(model, BSDModel):
        raise ValueError(
            "The audit is of a pair of networks, a keras_bsd.BSDModel: one network alone has no backward "
            f"twin. Received: model={model!r}"
        )
    if not model.compiled:
        raise ValueError(f"Compile '{model.name}' first: its losses are part of what is measured.")
    x, y = np.asarray(x), np.asarray(y)
    if not fits(x, model.encoder) or len(x) != len(y):
        shape = ", ".join(map(str, model.encoder.input_shape[1:]))
        raise ValueError(
            f"Stimuli must have shape (batch, {shape}), with a target for each. "
            f"Received: shapes {x.shape} and {y.shape}"
        )
    if len(x) < 2:
        raise ValueError(f"Give two samples at least, which can be told apart. Received: {len(x)} samples")
    return x, y


def _independence(model):
    pairs = twins.compare(model)
    backward = {id(weight) for weight in model.decoder.weights}
    shared = [weight.path for weight in model.encoder.weights if id(weight) in backward]
    faults = [f"{path} belongs to both networks" for path in shared]
    faults += [
        f"'{pair.forward}' and '{pair.backward}' hold the same weights (cosine {cosine:+.4f})"
        for pair in pairs
        for cosine, chance in zip(pair.cosines, pair.chance, strict=True)
        if abs(cosine) > SAME and chance < FEW
    ]
    reservations = [
        f"not all weights of '{pair.forward}' and '{pair.backward}' could be compared ({pair.unpaired})"
        for pair in pairs
        if pair.unpaired
    ]
    if model.stage_readouts:
        reservations.append(
            "beside its teacher each stage has a local readout, whose error comes back to it through the "
            "readout's own weights"
        )
    history = getattr(getattr(model, "history", None), "history", {})
    measured = {
        "shared": shared,
        "twins": [pair._asdict() for pair in pairs],
        "cosines_over_training": {
            pair.forward: history[f"{pair.forward}_{twins.LOGGED_AS}"]
            for pair in pairs
            if f"{pair.forward}_{twins.LOGGED_AS}" in history
        },
    }
    return Criterion(tuple(faults), tuple(reservations), measured)


def _locality(model, reaches, updates):
    faults = [
        f"the {row.loss} reaches {path} of another stage (gradient up to {size:.3g})"
        for row in reaches
        for path, size in row.foreign.items()
    ]
    tolerance = ROUNDING[model.compute_dtype]
    faults += [
        f"the update of '{update.layer}' in stage '{update.stage}' is not made of what is there: it is "
        f"{update.difference:.3g} of its size off"
        for update in updates
        if not update.difference <= tolerance
    ]
    measured = {
        "losses": [
            {"loss": row.loss, "own": row.own, "foreign": max(row.foreign.values(), default=0.0)}
            for row in reaches
        ],
        "updates": [update._asdict() for update in updates],
    }
    return Criterion(tuple(faults), tuple(_not_quite_local(model, updates)), measured)


def _not_quite_local(model, updates):
    """Where more than a neuron's own signals goes into its synapses' update."""
    stages = [*model.encoder_stages, *model.decoder_stages]
    for kinds, of in (
        (classes_with(statistics="batch"), "the batch"),
        (classes_with(statistics="sample"), "the stage's neurons"),
    ):
        names = [s.name for s in stages if any(isinstance(layer, kinds) for layer in s.synapse.layers)]
        if names:
            yield f"currents are normalised by the statistics of {of} in {', '.join(names)}"
    others = "every concept's prototype" if model.codebook else "the other samples of the batch"
    yield f"a stage's loss compares a sample with {others}, and by a cosine over all neurons of the stage"
    for presynaptic, text in (
        ("spikes", "the update takes the spikes and errors of every time step, kept until the last"),
        ("other", "the update takes neither the stage's input nor its mean over time, but what is made of it"),
    ):
        names = [update.stage for update in updates if presynaptic in update.presynaptic]
        if names:
            yield f"{text} in {', '.join(names)}"
    paths = [path for stage in stages for path in twins.outside_synapse(stage)]
    paths += [readout.kernel.path for readout in model.stage_readouts]
    if paths:
        yield f"not made anew were the updates of {', '.join(paths)}, outside the synapses of stages"


def _one_pass(model, x, y, passed):
    names = {stage: (network, stage.name) for network, s in stages_by_network(model).items() for stage in s}
    runs = collections.Counter(dict.fromkeys(names.values(), 0))

    def count(stage, _, outputs):
        runs[names[stage]] += 1
        return outputs

    with unchanged(model), observe(names, count):
        run_train_step(model, x, y)
    faults = [
        f"{network} stage '{stage}' runs {times} times in a training step"
        for (network, stage), times in runs.items()
        if times != 1
    ]
    for network, other in (("decoder", "encoder"), ("encoder", "decoder")):
        alone = crossings(model, x, y, silenced=other)
        if not _same(_of(network, passed), _of(network, alone)):
            faults.append(f"the {network}'s spikes depend on those of the {other}: it waits for them")
    measured = {"runs": {f"{network}/{stage}": times for (network, stage), times in runs.items()}}
    return Criterion(tuple(faults), (), measured)


def _of(network, passed):
    return [crossing.values for crossing in passed if crossing.network == network]


def _same(tensors, others):
    return len(tensors) == len(others) and all(map(np.array_equal, tensors, others))


def _binary(passed):
    analogue = [
        (crossing, crossing.values[np.asarray((crossing.values != 0) & (crossing.values != 1))])
        for crossing in passed
    ]
    faults = [
        f"what goes {crossing} is not 0 or 1 only, but for example {values[0]:.4g}"
        for crossing, values in analogue
        if values.size and not crossing.outer
    ]
    reservations = [
        f"what goes {crossing} is an analogue current from outside the network"
        for crossing, values in analogue
        if values.size and crossing.outer
    ]
    return Criterion(tuple(faults), tuple(reservations), {"tensors": _ranges(passed)})


def _ranges(passed):
    return [
        {
            "tensor": str(crossing),
            "outer": crossing.outer,
            "shape": list(crossing.values.shape),
            "least": float(crossing.values.min()),
            "most": float(crossing.values.max()),
            "mean": float(crossing.values.mean(dtype="float64")),
        }
        for crossing in passed
    ]


def _unsigned(model, passed, reaches):
    faults = [
        f"what goes {crossing} is negative, down to {crossing.values.min():.4g}"
        for crossing in passed
        if not crossing.outer and (crossing.values < 0).any()
    ]
    faults += [f"the {row.loss} sends a gradient to other stages" for row in reaches if row.foreign]
    readouts = [
        f"'{stage.name}'" for n in (model.encoder, model.decoder) for stage in flatten_stages(n, Readout)
    ]
    reservations = [
        f"readouts {' and '.join(readouts)} learn from the signed difference of output and target, which "
        "stays with them; so does each stage from that of its own and its teacher's rates"
    ]
    if model.stage_readouts:
        reservations.append(
            "each stage also learns from the signed difference of its local readout and the target"
        )
    measured = {"negative": [str(c) for c in passed if not c.outer and (c.values < 0).any()]}
    return Criterion(tuple(faults), tuple(reservations), measured)
