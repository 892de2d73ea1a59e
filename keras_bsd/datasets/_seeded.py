"""Batches whose order follows from seed and epoch."""

import keras


class SeededBatches(keras.utils.PyDataset):
    """Base of data sets whose batches follow from seed and epoch alone, so that training can be resumed.

    Subclasses implement `start_epoch`, and call it with 0 in their `__init__`.

    Args:
        seed: int.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def start_epoch(self, epoch: int) -> None:
        """Draw the batches of an epoch."""
        raise NotImplementedError

    def epoch_callback(self) -> keras.callbacks.Callback:
        """Return a callback for `fit` that calls `start_epoch` at the beginning of each epoch."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs=None: self.start_epoch(epoch))
