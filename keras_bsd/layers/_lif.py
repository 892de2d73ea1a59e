"""Leaky integrate-and-fire neurons: one time step (the cell) and a whole sequence (the layer)."""

import math

import keras
from keras import ops

from keras_bsd import _checks, surrogates
from keras_bsd.layers._time_loop import over_time

RESETS = ("hard", "soft", "none")
DEFAULT_BETA = 0.5


@keras.saving.register_keras_serializable("keras_bsd")
class Within(keras.constraints.Constraint):
    """Keeps a weight in `[low, high]`, so that a learned leak or threshold stays meaningful."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, weight):
        return ops.clip(weight, self.low, self.high)

    def get_config(self):
        return {"low": self.low, "high": self.high}


def _leak(beta, tau):
    if tau is None:
        return _checks.real("beta", DEFAULT_BETA if beta is None else beta, low=0.0, high=1.0)
    if beta is not None:
        raise ValueError(f"Give the leak as `beta` or as `tau`, not both. Received: {beta=}, {tau=}")
    return math.exp(-1 / _checks.real("tau", tau, low=0.0, low_open=True))


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingLIFCell(keras.layers.Layer):
    """One time step of leaky integrate-and-fire neurons, usable in `keras.layers.RNN`.

    The membrane `u` leaks, adds the current `I`, and spikes where it reaches the threshold `v`:

        u <- beta u + I;    s = 1 if u >= v else 0;    hard: u <- (1 - s) u,    soft: u <- u - s v

    For the `n = refractory_steps` steps after a spike a neuron takes in no current and cannot spike;
    its membrane only leaks.

    Args:
        units: int or tuple, the shape of one sample's neurons. `None`: taken from the first input.
        beta: float in [0, 1], the part of the membrane left after one step (default 0.5).
        tau: positive float in time steps, in place of `beta`: `beta = exp(-1 / tau)`.
        threshold: positive float (default 0.6, the best in the paper's ablation).
        reset: `"hard"` (to zero), `"soft"` (by subtraction) or `"none"`.
        refractory_steps: int, time steps of silence after a spike.
        trainable_leak, trainable_threshold: learn one scalar each, kept in [0, 1] and in
            [0.001, inf) by a constraint.
        surrogate: name, `keras_bsd.surrogates.Surrogate`, or a function giving the derivative.
        detach_reset: let no gradient pass through the reset.

    Call arguments:
        inputs: currents `(batch, ...)`.
        states: list of the membrane `(batch, ...)` and, if refractory, the steps of silence left.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> cell = keras_bsd.layers.SpikingLIFCell(8, tau=2.0)
    >>> spikes = keras.layers.RNN(cell, return_sequences=True)(keras.random.uniform((2, 5, 8)))
    """

    def __init__(
        self,
        units=None,
        beta=None,
        tau=None,
        threshold=0.6,
        reset="hard",
        refractory_steps=0,
        trainable_leak=False,
        trainable_threshold=False,
        surrogate="atan",
        detach_reset=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.beta = _leak(beta, tau)
        self.initial_threshold = _checks.real("threshold", threshold, low=0.0, low_open=True)
        self.reset = _checks.one_of("reset", reset, RESETS)
        self.refractory_steps = _checks.integer("refractory_steps", refractory_steps)
        self.trainable_leak = trainable_leak
        self.trainable_threshold = trainable_threshold
        self.surrogate = surrogates.get(surrogate)
        self.detach_reset = detach_reset
        # Plain numbers unless learned: compilers fold them and exports stay small.
        self.leak, self.threshold = self.beta, self.initial_threshold
        self.units = units

    @property
    def state_size(self):
        return [self.units] * (2 if self.refractory_steps else 1)

    @property
    def state_names(self):
        return ("membrane", "silence")[: len(self.state_size)]

    @property
    def output_size(self):
        return self.units

    def build(self, input_shape):
        features = tuple(input_shape[1:])
        if self.units is None:
            self.units = features[0] if len(features) == 1 else features
        if self.trainable_leak:
            self.leak = self._scalar("leak", self.beta, Within(0.0, 1.0))
        if self.trainable_threshold:
            self.threshold = self._scalar("threshold", self.initial_threshold, Within(1e-3, math.inf))

    def _scalar(self, name, value, constraint):
        initializer = keras.initializers.Constant(value)
        return self.add_weight(shape=(), name=name, initializer=initializer, constraint=constraint)

    def get_initial_state(self, batch_size=None):
        units = (self.units,) if isinstance(self.units, int) else tuple(self.units)
        return [ops.zeros((batch_size, *units), self.compute_dtype) for _ in self.state_size]

    def charge(self, inputs, states):
        """Return the membrane `(batch, ...)` after leak and input, before a spike resets it."""
        if self.refractory_steps:
            inputs = ops.where(states[1] <= 0, inputs, ops.zeros_like(inputs))
        return self.leak * states[0] + inputs

    def call(self, inputs, states, training=False):
        membrane = self.charge(inputs, states)
        spikes = self.surrogate(membrane - self.threshold)
        if self.refractory_steps:
            spikes = spikes * ops.cast(states[1] <= 0, spikes.dtype)
        fired = ops.stop_gradient(spikes) if self.detach_reset else spikes
        if self.reset == "hard":
            membrane = membrane * (1 - fired)
        elif self.reset == "soft":
            membrane = membrane - fired * self.threshold
        if not self.refractory_steps:
            return spikes, [membrane]
        silence = ops.relu(states[1] - 1)
        silence = ops.where(spikes > 0, self.refractory_steps * ops.ones_like(silence), silence)
        return spikes, [membrane, ops.stop_gradient(silence)]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "beta": self.beta,
            "threshold": self.initial_threshold,
            "reset": self.reset,
            "refractory_steps": self.refractory_steps,
            "trainable_leak": self.trainable_leak,
            "trainable_threshold": self.trainable_threshold,
            "surrogate": surrogates.serialize(self.surrogate),
            "detach_reset": self.detach_reset,
        }


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingLIF(keras.layers.Layer):
    """Leaky integrate-and-fire neurons over time: currents to spikes of the same shape.

    The dynamics, and the arguments not listed here, are those of `SpikingLIFCell`. Sequences of up
    to 32 steps are written out in the graph, longer ones (or of unknown length) run in a loop.

    Args:
        beta, tau, threshold, reset, refractory_steps, trainable_leak, trainable_threshold,
            surrogate, detach_reset: see `SpikingLIFCell`.
        return_state: return `(spikes, membrane)`, and the steps of silence left if refractory.
        stateful: carry the state from call to call, for streaming. Needs a fixed batch size;
            `reset_state()` starts anew.

    Call arguments:
        currents: `(batch, time, ...)`.
        initial_state: membrane `(batch, ...)`, or the list that `return_state` gave.
        mask: booleans `(batch, time)`; where false no spike is given and the state stands still.

    Raises:
        ValueError: an argument is out of range or unknown, or the input has no time axis.

    Example:

    >>> spikes = keras_bsd.layers.SpikingLIF(beta=0.9, reset="soft")(keras.random.uniform((2, 4, 8)))
    >>> spikes.shape
    (2, 4, 8)
    """

    def __init__(
        self,
        beta=None,
        tau=None,
        threshold=0.6,
        reset="hard",
        refractory_steps=0,
        trainable_leak=False,
        trainable_threshold=False,
        surrogate="atan",
        detach_reset=True,
        return_state=False,
        stateful=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.cell = SpikingLIFCell(
            beta=beta,
            tau=tau,
            threshold=threshold,
            reset=reset,
            refractory_steps=refractory_steps,
            trainable_leak=trainable_leak,
            trainable_threshold=trainable_threshold,
            surrogate=surrogate,
            detach_reset=detach_reset,
            trainable=self.trainable,
            dtype=self.dtype_policy,
            name="cell",
        )
        self.return_state = return_state
        self.stateful = stateful
        self.supports_masking = True

    def build(self, input_shape):
        _checks.require_time_axis(self.__class__.__name__, input_shape)
        batch_size, _, *features = input_shape
        self.cell.build((batch_size, *features))
        if not self.stateful:
            return
        if batch_size is None:
            raise ValueError(
                "A stateful SpikingLIF needs a fixed batch size. "
                f"Received: shape={tuple(input_shape)}. Use keras.Input(batch_shape=...)."
            )
        self.states = [
            self.add_weight(shape=state.shape, name=f"state_{i}", initializer="zeros", trainable=False)
            for i, state in enumerate(self.cell.get_initial_state(batch_size))
        ]

    def compute_output_shape(self, currents_shape):
        if not self.return_state:
            return tuple(currents_shape)
        batch_size, _, *features = currents_shape
        return (tuple(currents_shape), *[(batch_size, *features) for _ in self.cell.state_size])

    def reset_state(self):
        """Forget what a stateful layer carries: membranes to zero, no silence left."""
        for state in self.states if self.stateful else ():
            state.assign(ops.zeros(state.shape, state.dtype))

    def call(self, currents, initial_state=None, mask=None, training=False):
        _checks.require_time_axis(self.__class__.__name__, currents.shape)
        spikes, states = self._run(currents, self._starting_state(currents, initial_state), mask)
        if self.stateful:
            for variable, state in zip(self.states, states, strict=True):
                variable.assign(state)
        return (spikes, *states) if self.return_state else spikes

    def _starting_state(self, currents, initial_state):
        if initial_state is None:
            if self.stateful:
                return [ops.cast(state, currents.dtype) for state in self.states]
            return self.cell.get_initial_state(ops.shape(currents)[0])
        states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        if len(states) != len(self.cell.state_size):
            raise ValueError(
                f"`initial_state` must hold {len(self.cell.state_size)} tensors (the membrane, and the "
                f"steps of silence left if refractory). Received: {len(states)} tensors"
            )
        return [ops.cast(state, currents.dtype) for state in states]

    def _run(self, currents, states, mask):
        def step(states, inputs):
            fired, states = self._step(inputs[0], states, inputs[1] if mask is not None else None)
            return [fired, *states[1:]], states

        outputs, states = over_time(step, states, [currents] if mask is None else [currents, mask])
        return outputs[0], states

    def _step(self, currents, states, mask):
        spikes, new_states = self.cell(currents, states)
        if mask is None:
            return spikes, new_states
        mask = ops.reshape(mask, (-1,) + (1,) * (len(currents.shape) - 1))
        mask = ops.cast(mask, "bool")
        kept = [ops.where(mask, new, old) for new, old in zip(new_states, states, strict=True)]
        return ops.where(mask, spikes, ops.zeros_like(spikes)), kept

    def get_config(self):
        neuron = self.cell.get_config()
        shared = {key: neuron[key] for key in neuron if key not in ("units", "name", "trainable", "dtype")}
        return {
            **super().get_config(),
            **shared,
            "return_state": self.return_state,
            "stateful": self.stateful,
        }
