"""One time step, or one element, of a network, with its state as further inputs and outputs."""

import functools

import keras
import numpy as np
from keras import ops

from keras_bsd._state_scope import StateScope
from keras_bsd.export import _network
from keras_bsd.export._programs import Program, need_spikes, select_outputs
from keras_bsd.layers import SpikingNeurons, SpikingRecurrent, SpikingStage, Stage, flatten_stages
from keras_bsd.layers._stage import walk
from keras_bsd.models._streamer import has_output_per_element, of_any_length

STATE, NEXT = "state/", "next_state/"


def step(model, outputs):
    """Return the program of one step: states are further inputs `state/...` and outputs `next_state/...`.

    A step is a time step, or an element where stages are recurrent. All states start at zero. A series is fed
    one step per call; a held stimulus is fed again at each call.

    Args:
        model: built functional or Sequential Keras model.
        outputs: names, of `OUTPUTS`, for this step alone; a readout of time steps returns the scores for the
            firing rates so far.

    Raises:
        ValueError: a layer outside the stages uses more than one step.
    """
    if not flatten_stages(model, SpikingStage):
        raise ValueError(
            "`model` must have spiking stages to be streamed, because other networks have no time steps. "
            f"Received: '{model.name}', which has none"
        )
    program = _single_step(model, outputs)
    _check_equals_whole(model, _single_step(model, ("scores",)))
    return program


def is_recurrent(model):
    """Return whether the network takes sequences of elements that have several time steps each."""
    return bool(flatten_stages(model, SpikingRecurrent))


def takes_series(model):
    """Return whether the input has an axis of steps; otherwise the first stage holds a stimulus."""
    return is_recurrent(model) or all(s.timesteps is None for s in flatten_stages(model, SpikingStage))


def timesteps(model):
    """Return the number of time steps of a stimulus, of a series, or of one element of a sequence."""
    stage = flatten_stages(model, SpikingStage)[0]
    return stage.output.shape[2 if is_recurrent(model) else 1]


def run(function, states, model, x):
    """Run all steps of a network, and return its outputs by name as the whole network has them.

    Args:
        function: from a dict of a step's inputs to a dict of its outputs.
        states: dict from each state's name to the shape of one sample.
        model: the network.
        x: stimuli `(batch, ...)` of the whole network.
    """
    state = {name: np.zeros((len(x), *shape), "float32") for name, shape in states.items()}
    steps = []
    for t in range(x.shape[1] if takes_series(model) else timesteps(model)):
        outputs = function({"stimulus": x[:, t] if takes_series(model) else x, **state})
        state = {name: outputs.pop(NEXT + name.removeprefix(STATE)) for name in states}
        steps.append(outputs)
    combine = {
        "scores": _stack if has_output_per_element(model) else lambda values: values[-1],
        "spike_counts": sum,
        "firing_rates": _mean,
        "spikes": functools.partial(np.concatenate, axis=1),
    }
    return {name: combine[name.split("/")[0]]([outputs[name] for outputs in steps]) for name in steps[0]}


def _mean(values):
    return sum(values) / len(values)


def _stack(values):
    return np.stack([ops.convert_to_numpy(value) for value in values], axis=1)


def _single_step(model, outputs):
    (stimulus,), series, recurrent = model.inputs, takes_series(model), is_recurrent(model)
    network = of_any_length(model) if recurrent else model
    stateful = list(dict.fromkeys(layer for layer in walk(model) if _carries_state(layer, recurrent)))
    _check_names(stateful)
    names = {layer.path: [f"{STATE}{layer.name}/{part}" for part in layer.state_names] for layer in stateful}
    inputs = {"stimulus": (tuple(stimulus.shape[2 if series else 1 :]), stimulus.dtype)}
    for layer in stateful:
        shapes = [tuple(state.shape[1:]) for state in layer.get_initial_state(1)]
        inputs |= {name: (shape, "float32") for name, shape in zip(names[layer.path], shapes, strict=True)}

    def call(tensors):
        before = {path: [tensors[name] for name in parts] for path, parts in names.items()}
        current = tensors["stimulus"]
        current = ops.expand_dims(current, 1) if series else current
        with StateScope(before, single_step=not recurrent) as scope:
            scores, spikes = _network.run(network, current, need_spikes(outputs))
        after = {
            NEXT + name.removeprefix(STATE): state
            for path, states in scope.states.items()
            for name, state in zip(names[path], states, strict=True)
        }
        scores = scores[:, 0] if has_output_per_element(model) else scores
        return {**select_outputs(outputs, scores, spikes), **after}

    return Program(inputs, call)


def _carries_state(layer, recurrent):
    """Return whether a layer carries its state from step to step."""
    if recurrent and isinstance(layer, Stage):  # others process the time steps of an element at once
        return isinstance(layer, SpikingRecurrent) or getattr(layer, "targets", None) == "mean"
    return hasattr(layer, "state_names")


def _check_names(layers):
    """Raise unless the names of layers with state differ."""
    names = [layer.name for layer in layers]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            "`model` must have stages of different names to be streamed, because states are named after them. "
            f"Received: several stages of the names {repeated}"
        )


def _check_equals_whole(model, program):
    """Raise unless the steps together compute the network's output."""
    others = [layer for layer in walk(model) if not isinstance(layer, (Stage, keras.layers.InputLayer))]
    have_time = (isinstance(layer, (SpikingNeurons, keras.layers.RNN)) for layer in others)
    make_steps = (hasattr(layer, "timesteps") for layer in others)
    if any(have_time) or any(make_steps) or not _equals_whole(model, program):
        names = ", ".join(repr(layer.name) for layer in others)
        raise ValueError(
            "`model` cannot be streamed: step by step it computes other scores than as a whole. A layer "
            "besides its stages uses more than one time step, or creates time steps. "
            f"Received: besides stages the layers {names}. Move such layers out of the model."
        )


def _equals_whole(model, program):
    """Return whether the scores of random stimuli agree."""
    shape = [3 if length is None else length for length in model.input_shape[1:]]
    x = np.random.default_rng(0).uniform(0, 2, (8, *shape)).astype(model.inputs[0].dtype)
    states = {name: shape for name, (shape, _) in program.inputs.items() if name.startswith(STATE)}

    def function(inputs):
        return program.call({name: ops.convert_to_tensor(value) for name, value in inputs.items()})

    try:
        scores = run(function, states, model, x)["scores"]
    except (NotImplementedError, ValueError):  # a layer takes all steps at once, or has no single step
        return False
    scores, expected = map(ops.convert_to_numpy, (scores, model(x, training=False)))
    return np.allclose(scores, expected, atol=1e-4)
