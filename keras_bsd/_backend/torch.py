"""The training step, and gradients for the audit, on PyTorch."""

import keras
import torch


class TrainStep:
    """Mixin of `SpikingModel` with its backend-specific methods."""

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        step = self.compute_step(x, y, sample_weight)
        loss = self.optimizer.scale_loss(step.total)
        variables = self.trainable_variables
        values = [variable.value for variable in variables]
        # All stages may be frozen, and `grad` rejects an empty list.
        gradients = torch.autograd.grad(loss, values, allow_unused=True) if values else []
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
            return self.training_logs(x, y, step, sample_weight)

    def xla_left_out(self):
        """Return False: XLA is none of PyTorch's compilers."""
        return False

    def keep_state(self):
        """Return nothing: a step that fails has changed no weight."""
        return ()

    def restore_state(self):
        """Do nothing: the variables hold their values during a step."""

    def local_values(self, tensor):
        """Return the batch, a list of one NumPy array."""
        return [keras.ops.convert_to_numpy(tensor)]

    def stream_like(self, stream, batches):
        """Return an iterator over `batches`."""
        return iter(batches)


def concrete(tensor):
    """Return a tensor's values as a NumPy array, or None if it has none or is being compiled."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing() or tensor.is_meta
    return None if traced else keras.ops.convert_to_numpy(tensor)


def export_options(format):
    """Return the arguments of `keras.Model.export` for batches of any size."""
    return {"dynamic_shapes": [{0: torch.export.Dim.AUTO}]} if format == "torch" else {}


def is_out_of_memory(error):
    """Return whether an error says that memory could not be allocated."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def wait_for(result):
    """Do nothing: a step that returns has run."""


def compiled(function):
    """Return the function itself: eager execution is fast enough."""
    return function


def gradients(function, tensors):
    """Yield the gradients by `tensors` of each scalar in the list that `function(*tensors)` returns."""
    tensors = [tensor.detach().requires_grad_() for tensor in tensors]
    for scalar in function(*tensors):
        if not scalar.requires_grad:
            yield [torch.zeros_like(tensor) for tensor in tensors]
            continue
        yield torch.autograd.grad(scalar, tensors, retain_graph=True, materialize_grads=True, allow_unused=True)


def run_train_step(model, x, y):
    """Run the model's training step; its variables change."""
    model.train_step((x, y))


def with_batch_size(tensor, size, message):
    """Return `tensor`, or raise a ValueError unless its first axis has this size."""
    if tensor.shape[0] != size:
        raise ValueError(f"{message} Received: a batch of {tensor.shape[0]} for {size}")
    return tensor
