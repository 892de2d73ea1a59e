"""One training step on PyTorch."""

import keras
import torch


class TrainStep:
    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        step = self.distil(x, y, sample_weight)
        variables = self.trainable_variables
        gradients = torch.autograd.grad(
            self.optimizer.scale_loss(step.total), [v.value for v in variables], allow_unused=True
        )
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            return self.training_logs(x, y, step, sample_weight)

    def restore_state(self):
        """Nothing to do: the variables stay with the model while it learns."""
