"""The training step, and gradients for the audit, on TensorFlow."""

import keras
import numpy as np
import tensorflow as tf


class TrainStep:
    """Mixin of `SpikingModel` with its backend-specific methods."""

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        # The decoder's concepts and the optimizer's counter do not depend on data: without this dependency
        # they would be updated once more at the end of an epoch, by a step that stops for lack of a batch.
        with tf.control_dependencies([x]):
            with tf.GradientTape() as tape:
                step = self.compute_step(x, y, sample_weight)
                loss = self.optimizer.scale_loss(step.total)
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables)
            # Otherwise the update of one weight may come before the gradient of another is computed.
            with tf.control_dependencies([gradient for gradient in gradients if gradient is not None]):
                self.optimizer.apply(gradients, variables)
        # Keras divides the loss by the number of replicas; the logs show the undivided loss.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        step = step._replace(task_loss=step.task_loss * replicas)
        return self.training_logs(x, y, step, sample_weight)

    def xla_left_out(self):
        """Return whether Keras leaves XLA out for lack of an accelerator, and this step could do with it.

        XLA cannot compile the gradient of Keras's loop over time.
        """
        only_cpu = {device.device_type for device in tf.config.list_physical_devices()} == {"CPU"}
        may = not (self.run_eagerly or self.jit_compile or self._distribute_strategy)
        return only_cpu and may and self.learns_without_record

    def keep_state(self):
        """Return nothing: a step that fails has changed no weight."""
        return ()

    def restore_state(self):
        """Do nothing: the variables hold their values during a step."""

    def local_values(self, tensor):
        """Return the shards of a batch on this process's replicas, a list of NumPy arrays."""
        return [np.asarray(shard) for shard in self.distribute_strategy.experimental_local_results(tensor)]

    def stream_like(self, stream, batches):
        """Return an iterator over `batches` of the type of `stream`, so that Keras compiles nothing again."""
        if not isinstance(stream, tf.data.Iterator):
            return iter(batches)
        return iter(tf.data.Dataset.from_generator(lambda: batches, output_signature=stream.element_spec))


def concrete(tensor):
    """Return a tensor's values as a NumPy array, or None while a graph is traced."""
    return None if tf.is_symbolic_tensor(tensor) else np.asarray(tensor)


def export_options(format):
    """Return no arguments of `keras.Model.export`: batches of any size are its default."""
    return {}


def is_out_of_memory(error):
    """Return whether an error says that memory could not be allocated."""
    return isinstance(error, tf.errors.ResourceExhaustedError)


def wait_for(result):
    """Do nothing: a step that returns has run."""


def compiled(function):
    """Return the function itself: eager execution is fast enough."""
    return function


def gradients(function, tensors):
    """Yield the gradients by `tensors` of each scalar in the list that `function(*tensors)` returns."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensors)
        scalars = function(*tensors)
    for scalar in scalars:
        yield tape.gradient(scalar, tensors, unconnected_gradients="zero")


def run_train_step(model, x, y):
    """Run the model's training step; its variables change."""
    model.train_step((x, y))


def with_batch_size(tensor, size, message):
    """Return `tensor`, or raise a ValueError unless its first axis has this size.

    In a graph that does not know the size, running it raises an `InvalidArgumentError`.
    """
    known = tf.get_static_value(tf.convert_to_tensor(size))
    if tensor.shape[0] is not None and known is not None:
        if tensor.shape[0] != known:
            raise ValueError(f"{message} Received: a batch of {tensor.shape[0]} for {known}")
        return tensor
    received = tf.shape(tensor)[0]
    text = [f"{message} Received: a batch of", received, "for", size]
    with tf.control_dependencies([tf.debugging.Assert(tf.equal(received, size), text)]):
        # XLA drops assertions, and rejects this.
        return tf.reshape(tensor, (size, *tf.unstack(tf.shape(tensor))[1:]), name="batch_size_of_state")
