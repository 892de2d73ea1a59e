"""C3: no separate backward phase."""

import collections

import numpy as np

from keras_bsd._backend import run_train_step
from keras_bsd._observe import observe
from keras_bsd.audit._networks import networks, stages_by_network, unchanged
from keras_bsd.audit._report import Criterion
from keras_bsd.audit._signals import record_signals


def measure_single_phase(evidence):
    """Count each stage's runs in a training step, and mute networks and stages to see what depends on them."""
    model = evidence.model
    runs = _count_runs(model, evidence.x, evidence.y)
    faults = [
        f"{network} stage '{stage}' runs {times} times in a training step"
        for (network, stage), times in runs.items()
        if times != 1
    ]
    if evidence.waiting:
        stages = ", ".join(f"'{name}'" for name in evidence.waiting)
        faults.append(f"the updates of encoder stages {stages} depend on later stages: they wait for them")
    names = list(networks(model))
    for network, other in zip(names[::-1], names, strict=True) if len(names) > 1 else ():
        alone = record_signals(model, evidence.x, evidence.y, muted=other)
        if not _are_equal(_values(network, evidence.signals), _values(network, alone)):
            faults.append(f"the {network}'s spikes depend on those of the {other}: it waits for them")
    rows = len(next(s.values for s in evidence.signals if s.network == "encoder")) / len(evidence.x)
    reservations = []
    if rows != 1:
        reservations.append(f"the encoder processes {rows:g} stimuli for each sample, which a neuron compares")
    measured = {"runs": {f"{network}/{stage}": times for (network, stage), times in runs.items()}}
    return Criterion("no separate backward phase", tuple(faults), tuple(reservations), measured)


def _count_runs(model, x, y):
    names = {
        stage: (network, name)
        for network, stages in stages_by_network(model).items()
        for stage, name in stages.items()
    }
    runs = collections.Counter(dict.fromkeys(names.values(), 0))

    def count(stage, _, outputs):
        runs[names[stage]] += 1
        return outputs

    with unchanged(model), observe(names, count):
        run_train_step(model, x, y)
    return runs


def _values(network, signals):
    return [signal.values for signal in signals if signal.network == network]


def _are_equal(tensors, others):
    return len(tensors) == len(others) and all(map(np.array_equal, tensors, others))
