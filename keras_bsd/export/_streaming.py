"""One moment of a network, with its state as further inputs and outputs."""

import functools

import keras
import numpy as np
from keras import ops

from keras_bsd._state_scope import StateScope
from keras_bsd.export import _network
from keras_bsd.export._programs import Program, select_outputs
from keras_bsd.layers._lif import SpikingLIF
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.layers._stage import SpikingStage, Stage, flatten_stages, walk
from keras_bsd.models._streamer import has_output_per_element, of_any_length

STATE, NEXT = "state/", "next_state/"


def step(model, outputs):
    """Return the program of one moment: states are further inputs `state/...`, outputs `next_state/...`.

    A moment is a time step, or an element where stages are recurrent. All states start at zero. A series is fed
    one moment per call; a held stimulus is fed again at each call.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names, of `OUTPUTS`, for this moment alone; a readout of time steps returns the scores of the
            firing rates so far.

    Raises:
        ValueError: a layer outside the stages uses more than one moment.
    """
    if not flatten_stages(model, SpikingStage):
        raise ValueError(f"A network without spiking stages has no time steps. Received: {model.name!r}")
    program = _moment(model, outputs)
    _check_equals_whole(model, _moment(model, ("scores",)))
    return program


def is_recurrent(model):
    """Return whether the network takes sequences of elements, each for several time steps."""
    return bool(flatten_stages(model, SpikingRecurrent))


def takes_series(model):
    """Return whether the input has an axis of moments; otherwise the first stage holds a stimulus."""
    return is_recurrent(model) or all(s.timesteps is None for s in flatten_stages(model, SpikingStage))


def timesteps(model):
    """Return the number of time steps of a stimulus, of a series, or of one element of a sequence."""
    stage = flatten_stages(model, SpikingStage)[0]
    return stage.output.shape[2 if is_recurrent(model) else 1]


def run(function, states, model, x):
    """Run all moments of a network, and return its outputs by name as the whole network has them.

    Args:
        function: from a dict of a moment's inputs to a dict of its outputs.
        states: dict from each state's name to the shape of one sample.
        model: the network.
        x: stimuli `(batch, ...)` of the whole network.
    """
    state = {name: np.zeros((len(x), *shape), "float32") for name, shape in states.items()}
    moments = []
    for t in range(x.shape[1] if takes_series(model) else timesteps(model)):
        outputs = function({"stimulus": x[:, t] if takes_series(model) else x, **state})
        state = {name: outputs.pop(NEXT + name.removeprefix(STATE)) for name in states}
        moments.append(outputs)
    combine = {
        "scores": _stack if has_output_per_element(model) else lambda values: values[-1],
        "spike_counts": sum,
        "firing_rates": _mean,
        "spikes": functools.partial(np.concatenate, axis=1),
    }
    return {name: combine[name.split("/")[0]]([moment[name] for moment in moments]) for name in moments[0]}


def _mean(moments):
    return sum(moments) / len(moments)


def _stack(moments):
    return np.stack([ops.convert_to_numpy(moment) for moment in moments], axis=1)


def _moment(model, outputs):
    (stimulus,), series, recurrent = model.inputs, takes_series(model), is_recurrent(model)
    network = of_any_length(model) if recurrent else model
    stateful = [layer for layer in walk(model) if hasattr(layer, "state_names")]
    if recurrent:  # a readout of elements has no state
        stateful = [
            layer for layer in stateful if not isinstance(layer, Stage) or isinstance(layer, SpikingStage)
        ]
    names = {layer.path: [f"{STATE}{layer.name}/{part}" for part in layer.state_names] for layer in stateful}
    inputs = {"stimulus": (tuple(stimulus.shape[2 if series else 1 :]), stimulus.dtype)}
    for layer in stateful:
        shapes = [tuple(state.shape[1:]) for state in layer.get_initial_state(1)]
        inputs |= {name: (shape, "float32") for name, shape in zip(names[layer.path], shapes, strict=True)}

    def call(tensors):
        before = {path: [tensors[name] for name in parts] for path, parts in names.items()}
        moment = tensors["stimulus"]
        moment = ops.expand_dims(moment, 1) if series else moment
        with StateScope(before, single_step=not recurrent) as scope:
            scores, spikes = _network.run(network, moment)
        after = {
            NEXT + name.removeprefix(STATE): state
            for path, states in scope.states.items()
            for name, state in zip(names[path], states, strict=True)
        }
        scores = scores[:, 0] if has_output_per_element(model) else scores
        return {**select_outputs(outputs, scores, spikes), **after}

    return Program(inputs, call)


def _check_equals_whole(model, program):
    """Raise unless the moments together give the network's output."""
    others = [layer for layer in walk(model) if not isinstance(layer, (Stage, keras.layers.InputLayer))]
    has_time = (isinstance(layer, (SpikingLIF, keras.layers.RNN)) for layer in others)
    makes_steps = (hasattr(layer, "timesteps") for layer in others)
    if any(has_time) or any(makes_steps) or not _equals_whole(model, program):
        raise ValueError(
            "The network cannot be streamed: its steps, one after the other, do not give what it gives as a "
            "whole. A layer besides its stages looks at more than one time step, or makes time steps of its "
            f"own. Received: besides stages the layers {', '.join(repr(layer.name) for layer in others)}"
        )


def _equals_whole(model, program):
    """Return whether scores agree on random stimuli."""
    shape = [3 if length is None else length for length in model.input_shape[1:]]
    x = np.random.default_rng(0).uniform(0, 2, (8, *shape)).astype(model.inputs[0].dtype)
    states = {name: shape for name, (shape, _) in program.inputs.items() if name.startswith(STATE)}

    def function(inputs):
        return program.call({name: ops.convert_to_tensor(value) for name, value in inputs.items()})

    try:
        scores = run(function, states, model, x)["scores"]
    except ValueError:  # a layer takes all steps at once
        return False
    scores, expected = map(ops.convert_to_numpy, (scores, model(x, training=False)))
    return np.allclose(scores, expected, atol=1e-4)
