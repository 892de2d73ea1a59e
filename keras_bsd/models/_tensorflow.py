"""One training step on TensorFlow."""

import keras
import numpy as np
import tensorflow as tf


class TrainStep:
    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        # The decoder's concepts and the optimiser's count need no data: without this they would move
        # once more when an epoch ends and the step that finds no batch is given up.
        with tf.control_dependencies([x]):
            with tf.GradientTape() as tape:
                step = self.distil(x, y, sample_weight)
                loss = self.optimizer.scale_loss(step.total)
            variables = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, variables), variables)
        # What is logged is the loss, of which Keras gives each replica its share.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        step = step._replace(task_loss=step.task_loss * replicas)
        return self.training_logs(x, y, step, sample_weight)

    def restore_state(self):
        """Nothing to do: the variables stay with the model while it learns."""

    def local_values(self, tensor):
        """The parts of a batch that this process's replicas get, as NumPy arrays."""
        return [np.asarray(part) for part in self.distribute_strategy.experimental_local_results(tensor)]

    def stream_like(self, stream, batches):
        """A stream of the batches, for which what is compiled for `stream` need not be compiled again."""
        if not isinstance(stream, tf.data.Iterator):
            return iter(batches)
        return iter(tf.data.Dataset.from_generator(lambda: batches, output_signature=stream.element_spec))
