"""The training step, as a function of the state, and gradients for the audit, on JAX."""

import jax
import keras
import numpy as np

_WEIGHTS = ((lambda model: model, "trainable_variables"), (lambda model: model, "non_trainable_variables"))
_METRICS = ((lambda model: model, "metrics_variables"),)
_OPTIMIZER = ((lambda model: model.optimizer, "variables"),)
# The parts of the state of a step: of prediction, evaluation and training.
_STATES = {2: _WEIGHTS, 3: _WEIGHTS + _METRICS, 4: _WEIGHTS + _OPTIMIZER + _METRICS}


class TrainStep:
    """Mixin of `SpikingModel` with its backend-specific methods."""

    def train_step(self, state, data):
        trainable, non_trainable, optimizer_variables, metrics = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)

        def scaled_loss(trainable):
            variables = [*self.trainable_variables, *self.non_trainable_variables, *self.optimizer.variables]
            values = [*trainable, *non_trainable, *optimizer_variables]
            state = zip(variables, values, strict=True)
            with keras.StatelessScope(state, collect_losses=True) as scope:
                step = self.compute_step(x, y, sample_weight)
                loss = self.optimizer.scale_loss(step.total)
            return loss, (step, _values(scope, self.non_trainable_variables, non_trainable))

        gradients, (step, non_trainable) = jax.grad(scaled_loss, has_aux=True)(trainable)
        trainable, optimizer_variables = self.optimizer.stateless_apply(
            optimizer_variables, gradients, trainable
        )
        with keras.StatelessScope(zip(self.metrics_variables, metrics, strict=True)) as scope:
            logs = self.training_logs(x, y, step, sample_weight)
        metrics = _values(scope, self.metrics_variables, metrics)
        return logs, (trainable, non_trainable, optimizer_variables, metrics)

    def xla_left_out(self):
        """Return False: every step is compiled."""
        return False

    def keep_state(self, state):
        """Return a copy of a step's state: the arrays themselves are donated to the step, which may fail.

        Arrays that other processes share are not copied.
        """
        return ([[np.array(v) if v.is_fully_addressable else v for v in kind] for kind in state],)

    def restore_state(self, state):
        """Assign the variables from the state of a step: Keras holds their values outside the model."""
        for (holder, kind), values in zip(_STATES[len(state)], state, strict=True):
            for variable, value in zip(getattr(holder(self), kind), values, strict=True):
                variable.assign(value)

    def local_values(self, array):
        """Return the shards of a batch on this process's devices, a list of NumPy arrays."""
        if not isinstance(array, jax.Array):
            return [np.asarray(array)]
        return [np.asarray(shard.data) for shard in array.addressable_shards]

    def stream_like(self, stream, batches):
        """Return an iterator over `batches`."""
        return iter(batches)


def _values(scope, variables, before):
    """Return the values of `variables` at the end of a stateless scope."""
    pairs = zip(variables, before, strict=True)
    return [value if scope.get_current_value(v) is None else scope.get_current_value(v) for v, value in pairs]


def concrete(tensor):
    """Return a tensor's values as a NumPy array, or None while a function is traced."""
    return None if isinstance(tensor, jax.core.Tracer) else np.asarray(tensor)


def export_options(format):
    """Return no arguments of `keras.Model.export`: batches of any size are its default."""
    return {}


def is_out_of_memory(error):
    """Return whether an error says that memory could not be allocated."""
    return isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)


wait_for = jax.block_until_ready  # errors of a step, which runs in the background, are raised here


compiled = jax.jit  # eager execution would compile every operation separately


def gradients(function, tensors):
    """Yield the gradients by `tensors` of each scalar in the list that `function(*tensors)` returns."""
    scalars, pull_back = jax.vjp(jax.jit(function), *tensors)
    for i in range(len(scalars)):
        chosen = [jax.numpy.full_like(scalar, i == j) for j, scalar in enumerate(scalars)]
        yield pull_back(chosen)


def run_train_step(model, x, y):
    """Trace the model's training step without computing it; creates the model's metrics."""
    model.compute_metrics(x, y, jax.numpy.zeros((len(x), *model.encoder.output_shape[1:])))  # creates them
    kinds = ("trainable_variables", "non_trainable_variables", "metrics_variables")
    trainable, non_trainable, metrics = ([v.value for v in getattr(model, kind)] for kind in kinds)
    optimizer = [variable.value for variable in model.optimizer.variables]
    jax.eval_shape(model.train_step, (trainable, non_trainable, optimizer, metrics), (x, y))


def with_batch_size(tensor, size, message):
    """Return `tensor`, or raise a ValueError unless its first axis has this size."""
    if tensor.shape[0] != size:
        raise ValueError(f"{message} Received: a batch of {tensor.shape[0]} for {size}")
    return tensor
