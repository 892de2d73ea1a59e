"""One training step on JAX, as a function of the state."""

import jax
import keras
import numpy as np


class TrainStep:
    def train_step(self, state, data):
        trainable, non_trainable, optimizer_variables, metrics = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)

        def scaled_loss(trainable):
            variables = [*self.trainable_variables, *self.non_trainable_variables, *self.optimizer.variables]
            values = [*trainable, *non_trainable, *optimizer_variables]
            state = zip(variables, values, strict=True)
            with keras.StatelessScope(state, collect_losses=True) as scope:
                step = self.distil(x, y, sample_weight)
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

    def restore_state(self, state):
        """Give the model its variables back, which Keras takes from it while `fit` holds them."""
        holders = (self, self, self.optimizer, self)
        kinds = ("trainable_variables", "non_trainable_variables", "variables", "metrics_variables")
        for holder, kind, values in zip(holders, kinds, state, strict=True):
            for variable, value in zip(getattr(holder, kind), values, strict=True):
                variable.assign(value)

    def local_values(self, array):
        """The parts of a batch that lie on this process's devices, as NumPy arrays."""
        return [np.asarray(shard.data) for shard in jax.numpy.asarray(array).addressable_shards]

    def stream_like(self, stream, batches):
        """A stream of the batches."""
        return iter(batches)


def _values(scope, variables, before):
    """What `variables` hold at the end of a stateless scope."""
    pairs = zip(variables, before, strict=True)
    return [value if scope.get_current_value(v) is None else scope.get_current_value(v) for v, value in pairs]
