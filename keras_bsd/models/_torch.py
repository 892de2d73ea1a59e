"""One training step on PyTorch."""

import keras
import torch


class TrainStep:
    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        step = self.distil(x, y, sample_weight)
        loss = self.optimizer.scale_loss(step.total)
        variables = self.trainable_variables
        values = [variable.value for variable in variables]
        # All stages may be frozen, and `grad` takes no empty list.
        gradients = torch.autograd.grad(loss, values, allow_unused=True) if values else []
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            return self.training_logs(x, y, step, sample_weight)

    def restore_state(self):
        """Nothing to do: the variables stay with the model while it learns."""

    def local_values(self, tensor):
        """The batch, as a list of one NumPy array."""
        return [keras.ops.convert_to_numpy(tensor)]

    def stream_like(self, stream, batches):
        """A stream of the batches."""
        return iter(batches)
