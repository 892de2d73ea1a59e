"""Spiking stages, and the functions that list the stages of a model."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import ops

from keras_bsd import _checks, _rules
from keras_bsd._backend.custom_gradient import with_value
from keras_bsd._types import Config, Function, Layer, Model, Shape, Tensor
from keras_bsd.layers._base import Stage, apply_layers
from keras_bsd.layers._kinds import count_leading_affine
from keras_bsd.layers._masks import active_mask, expand_like, mean_over_time
from keras_bsd.layers._neurons import Neuron, as_neurons
from keras_bsd.layers._normalization import Normalization, normalization_layers
from keras_bsd.layers._time_loop import hold


@keras.saving.register_keras_serializable("keras_bsd")
class SpikingStage(Stage):
    """Spiking neurons behind a synapse of any Keras layers, which is applied at every time step.

    Args:
        synapse: a Keras layer or a list of them, applied to each time step separately.
        neuron: a `SpikingLIF`, other `SpikingNeurons` or a `SpikingCell` (default: `SpikingLIF()`).
        timesteps: positive int, for the first stage. The input is then a stimulus without a time axis, whose
            current is computed once and held for this many steps.
        normalization: `"batch"`, `"layer"` or `None`: normalise the currents after all other layers. `"batch"`
            is `BatchNormalization(momentum=0.9)`: with Keras's default of 0.99 the moving statistics lag behind
            in training of a few hundred steps, and accuracy at inference stays far below that in training.

    Call arguments:
        inputs: spikes `(batch, time, ...)`, or with `timesteps` a stimulus `(batch, ...)`. Returns spikes
            `(batch, time, ...)`.
        mask: booleans `(batch, time)`; where it is false, neurons do not spike, their state does not change,
            and the time step is in no mean and in no statistics of the synapse's `BatchNormalization`.

    Attributes:
        input_features: shape of one time step's input, without the batch.
        output_features: shape of one sample's neurons.

    Raises:
        ValueError: an argument is out of range or unknown, or the synapse cannot process one time step.

    Example:

    >>> stage = keras_bsd.layers.SpikingStage(
    ...     [keras.layers.Dense(16), keras.layers.Dropout(0.1)], timesteps=4, normalization="batch")
    >>> tuple(stage(keras.random.normal((2, 8))).shape)
    (2, 4, 16)
    """

    input_features: tuple[Any, ...]
    output_features: tuple[Any, ...]

    def __init__(
        self,
        synapse: Layer | Sequence[Layer],
        neuron: Neuron | None = None,
        timesteps: int | None = None,
        normalization: Normalization = None,
        **kwargs: Any,
    ) -> None:
        layers = list(synapse) if isinstance(synapse, (list, tuple)) else [synapse]
        dtype = kwargs.get("dtype")
        super().__init__([*layers, *normalization_layers(normalization, dtype)], **kwargs)
        self.supports_masking = True
        self._affine_count = count_leading_affine(self.synapse.layers)
        self.neuron = as_neurons(neuron, dtype)
        self.timesteps = None if timesteps is None else _checks.integer("timesteps", timesteps, low=1)

    def _check_mask(self, mask):
        super()._check_mask(mask)
        if self.timesteps is not None and not self.takes_elements:
            raise ValueError(
                f"Stage '{self.name}' holds a stimulus, which has no time axis that a mask could be of. "
                f"Received: a mask of shape {tuple(mask.shape)}. Remove what makes it, such as Masking or "
                "Embedding(mask_zero=True)."
            )

    def build(self, input_shape: Shape) -> None:
        features: list[Any]
        if self.timesteps is None:
            _checks.require_time_axis(f"Stage '{self.name}'", input_shape)
            batch_size, time, *features = input_shape
        else:
            batch_size, *features = input_shape
            time = self.timesteps
        self._build_synapse(features, input_shape)
        neurons = self.synapse.compute_output_shape((None, *features))[1:]
        self._build_neuron((batch_size, time, *neurons))
        self.input_features, self.output_features = tuple(features), tuple(neurons)
        super().build(input_shape)

    def _build_synapse(self, features, input_shape):
        if self.timesteps is not None:
            self.synapse.build((None, *features))
            return
        try:
            if not features:
                raise ValueError("a time step would have no axis")
            self.synapse.build((None, *features))
        except (IndexError, TypeError, ValueError) as error:  # a user's `build` may raise any of these
            raise ValueError(
                f"Stage '{self.name}' expects inputs of shape (batch, time, ...) whose time steps its synapse "
                f"can process: {error}. Received: shape={tuple(input_shape)}. A first stage, whose stimulus "
                "has no time axis, needs `timesteps`."
            ) from error

    def _build_neuron(self, shape):
        neuron = self.neuron
        if neuron.built or neuron.cell.built:  # by another stage
            shared = {
                "weights, such as a learned leak or threshold": bool(neuron.cell.weights),
                "a state that it carries from call to call": neuron.stateful,
            }
            if any(shared.values()):
                raise ValueError(
                    f"Stage '{self.name}' needs a `neuron` of its own. Received: neuron='{neuron.name}', which "
                    f"has been built before and has {next(what for what, holds in shared.items() if holds)}. "
                    "Make one for each stage, such as SpikingLIF.from_config(neuron.get_config())."
                )
            self.neuron = neuron.__class__.from_config(neuron.get_config())
        self.neuron.build(shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        time = input_shape[1] if self.timesteps is None else self.timesteps
        features = tuple(input_shape[2:] if self.timesteps is None else input_shape[1:])
        return (input_shape[0], time, *self.synapse.compute_output_shape((None, *features))[1:])

    def call_local(self, inputs: Tensor, training: bool) -> Tensor:
        scope = _rules.active_scope()
        if scope is not None:
            return scope.run_stage(self, inputs, training)
        return self.spikes(inputs, training)

    @property
    def state_names(self) -> tuple[str, ...]:
        return self.neuron.cell.state_names

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        return self.neuron.cell.get_initial_state(batch_size)

    def step(self, inputs: Tensor, states: list[Tensor], training: bool = False) -> tuple[Tensor, list[Tensor]]:
        currents, mask = self.currents(self._as_one_step(inputs), training)[:, 0], active_mask()
        return self.neuron.masked_step(currents, states, None if mask is None else mask[:, 0])

    def _call_single_step(self, inputs, training):
        if self.neuron.stateful:
            raise ValueError(
                f"Stage '{self.name}' cannot process a single time step in a StateScope, since its stateful "
                f"neuron carries the state itself. Received: neuron={self.neuron!r}. Pass neurons without "
                "`stateful`."
            )
        return ops.expand_dims(super()._call_single_step(inputs, training), 1)

    def _without_time(self, inputs):
        return self.map_spikes(lambda spikes: spikes[:, 0], inputs)

    def _as_one_step(self, inputs):
        return self.map_spikes(lambda spikes: ops.expand_dims(spikes, 1), inputs)

    def spikes(self, inputs: Tensor, training: bool) -> Tensor:
        """Return spikes `(batch, time, ...)`, through which gradients pass."""
        return self.fire(self.currents(inputs, training))

    def currents(self, inputs: Tensor, training: bool) -> Tensor:
        """Return currents `(batch, time, ...)`; for a held stimulus the time axis has length one."""
        return self._each_step(self._apply_all, self._with_time(inputs), training)

    def affine_part(self, inputs: Tensor, training: bool) -> Tensor:
        """Return the output of the synapse's leading affine layers at every time step, `(batch, time, ...)`."""
        return self._each_step(self._apply_affine, self._with_time(inputs), training)

    def remaining_part(self, affine: Tensor, training: bool) -> Tensor:
        """Return currents `(batch, time, ...)` from the output of `affine_part`, by the remaining layers."""
        return self._each_step(self._apply_remaining, affine, training)

    def fire(self, currents: Tensor, **options: Any) -> Any:
        """Return the neurons' spikes `(batch, time, ...)` for the currents of `currents`."""
        if self.timesteps is not None:
            currents = hold(currents, self.timesteps)
        mask = active_mask()
        return self.neuron(currents, **options, **({} if mask is None else {"mask": mask}))

    def firing_rates(self, spikes: Tensor) -> Tensor:
        """Return the representation of each sample: spikes per time step, `(batch, ...)`, in float32."""
        return mean_over_time(ops.cast(spikes, "float32"))

    def linearized(self, inputs: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Return detached spikes, the mean current, and a tensor whose gradient is that of the firing rates."""
        affine, spikes, states = self.advance(inputs, training)
        mask = active_mask()
        steps = ops.shape(spikes)[1] if mask is None else _count_steps(mask, spikes)
        current = self.mean_current(self.mean_inputs(inputs), mean_over_time(affine), training)
        return spikes, current, self.neuron.cell.response(current, states, steps)

    def advance(
        self, inputs: Tensor, training: bool, states: list[Tensor] | None = None
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Process time steps, and carry the derivatives of membrane and spikes forward in time, all detached.

        Args:
            inputs: see `call`.
            training: bool.
            states: list of tensors that an earlier call has returned; at rest by default.

        Returns:
            The output of `affine_part`, spikes `(batch, time, ...)`, and the states of
            `SpikingLIFCell.linearize` after them.
        """
        affine = ops.stop_gradient(self.affine_part(inputs, training))
        currents = ops.stop_gradient(self.remaining_part(affine, training))
        spikes, *states = self.fire(currents, linearize=True, initial_state=states)
        return affine, spikes, states

    def mean_current(self, mean_inputs: Any, mean_affine: Tensor | None, training: bool) -> Tensor:
        """Return the current `(batch, ...)` of the time-averaged input, without updating statistics.

        Its value uses the mean over time of what `affine_part` returned, if that is given. Its gradient uses
        the affine layers applied to the averaged input, that of `mean_inputs`: one product for each weight in
        place of one for each time step. Compilers drop the unused value of that product.
        """
        variables = [variable for network in self.connections() for variable in network.variables]
        state = [(variable, variable.value) for variable in variables]
        with keras.StatelessScope(state):  # an activity regulariser must not count twice, either
            averaged = self._affine_of_mean(mean_inputs, training)
            if mean_affine is not None:
                averaged = with_value(averaged, ops.stop_gradient(ops.cast(mean_affine, averaged.dtype)))
            return self._apply_remaining(averaged, training)

    def mean_inputs(self, inputs: Any) -> Any:
        """Return inputs with their spikes averaged over time, `(batch, ...)`, or a held stimulus as it is."""
        return self.map_spikes(mean_over_time, inputs)

    def spikes_of(self, inputs: Any) -> Tensor:
        """Return the spikes among the inputs of a stage that holds no stimulus."""
        return inputs

    def map_spikes(self, function: Function, inputs: Any) -> Any:
        """Return inputs with what a function makes of their spikes, or a held stimulus as it is."""
        return function(inputs) if self.timesteps is None else inputs

    @property
    def affine_features(self) -> tuple[Any, ...]:
        """Shape of one time step of the output of `affine_part`, without the batch."""
        shape = (None, *self.input_features)
        for layer in self.synapse.layers[: self._affine_count]:
            shape = layer.compute_output_shape(shape)
        return tuple(shape[1:])

    def _affine_of_mean(self, mean_inputs, training):
        return self._apply_affine(mean_inputs, training)

    def _apply_all(self, inputs, training, rows=None):
        return apply_layers(self.synapse.layers, inputs, training, rows)

    def _apply_affine(self, inputs, training, rows=None):
        return apply_layers(self.synapse.layers[: self._affine_count], inputs, training, rows)

    def _apply_remaining(self, inputs, training, rows=None):
        return apply_layers(self.synapse.layers[self._affine_count :], inputs, training, rows)

    def _with_time(self, inputs):
        return inputs if self.timesteps is None else ops.expand_dims(inputs, 1)

    def _each_step(self, function, inputs, training):
        shape, steps, mask = inputs.shape, ops.shape(inputs)[1], active_mask()
        rows = None if mask is None else ops.reshape(mask, (-1,))
        outputs = function(ops.reshape(inputs, (-1, *shape[2:])), training, rows)
        return ops.reshape(outputs, (-1, steps, *outputs.shape[1:]))

    def get_config(self) -> Config:
        neuron = keras.saving.serialize_keras_object(self.neuron)
        return {**super().get_config(), "neuron": neuron, "timesteps": self.timesteps}

    @classmethod
    def from_config(cls, config: Config) -> Stage:
        # The stage builds its neurons: a learned leak or threshold cannot be built twice.
        neuron = {key: value for key, value in config["neuron"].items() if key != "build_config"}
        return super().from_config({**config, "neuron": keras.saving.deserialize_keras_object(neuron)})


def _count_steps(mask, spikes):
    """Return the unmasked time steps of each sample, `(batch, 1, ...)`."""
    return expand_like(ops.maximum(ops.sum(ops.cast(mask, "float32"), axis=1), 1), spikes[:, 0])


class ConfiguredStage(SpikingStage):
    """A spiking stage that is configured by plain values, its `_config_keys`, in place of layers."""

    _config_keys: tuple[str, ...] = ()

    def get_config(self) -> Config:
        config = super().get_config()
        del config["synapse"]
        return {**config, **{key: getattr(self, key) for key in self._config_keys}}


def walk(model: Model) -> Iterator[Layer]:
    """Yield the layers of `model` in calling order, those of nested models in place."""
    return (layer for layer, _ in _walk_with_path(model))


def _walk_with_path(model, path=()):
    """Yield each layer and the names of the nested models that it is in."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _walk_with_path(layer, (*path, layer.name))
        else:
            yield layer, path


def flatten_stages(model: Model, kind: type | tuple[type, ...] = Stage) -> list[Layer]:
    """Return the stages of a model in calling order, those of nested models included.

    Logs and results name a stage by its own name, or where several stages share that name by the names of the
    nested models and of the stage: `base_dense_1`.

    Args:
        model: Keras model.
        kind: class, or tuple of classes, that the stages must be instances of.

    Returns:
        List of stages.

    Raises:
        ValueError: `model` is no Keras model.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6))
    >>> [stage.name for stage in keras_bsd.layers.flatten_stages(model.encoder)]
    ['dense_1', 'dense_2', 'scores']
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a keras.Model. Received: model={model!r}")
    return [layer for layer in walk(model) if isinstance(layer, kind)]


def stage_names(model: Model) -> dict[Layer, str]:
    """Return a name for each stage of a model, readouts included, that no other of its stages has.

    It is the stage's own name. Where stages of nested models share it, the names of those models precede it:
    `base_dense_1`.
    """
    paths: dict[Layer, tuple[str, ...]] = {}
    for layer, models in _walk_with_path(model):
        if isinstance(layer, Stage):
            paths.setdefault(layer, (*models, layer.name))
    shared = collections.Counter(stage.name for stage in paths)
    names = {stage: stage.name for stage in paths if shared[stage.name] == 1}
    for stage in paths.keys() - names.keys():
        names[stage] = "_".join(paths[stage])
    return _numbered({stage: names[stage] for stage in paths})


def _numbered(names):
    """Return a dict whose repeated values have a number."""
    seen: collections.Counter[str] = collections.Counter()
    numbered = {}
    for key, name in names.items():
        seen[name] += 1
        numbered[key] = name if seen[name] == 1 else f"{name}_{seen[name]}"
    return numbered


def repeated_stages(model: Model) -> list[Layer]:
    """Return the stages that a model calls more than once."""
    calls = _count_calls(model)
    return [stage for stage, count in calls.items() if isinstance(stage, Stage) and count > 1]


def _count_calls(model):
    graph = getattr(model, "_functional", None) or model  # a Sequential holds its graph apart
    depths = getattr(graph, "_nodes_by_depth", None)
    called = model.layers if depths is None else [node.operation for nodes in depths.values() for node in nodes]
    calls: collections.Counter[Layer] = collections.Counter()
    for layer in called:
        calls.update(_count_calls(layer) if isinstance(layer, keras.Model) else [layer])
    return calls
