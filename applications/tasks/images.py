"""Images with classes, for recognition and generation."""

import keras_bsd


class ImageTask:
    """Training and test images of a data set, with their classes.

    Args:
        dataset: see `keras_bsd.datasets.load_images`.
        data_dir: folder of TensorFlow Datasets, or None.
        samples: number of training samples, the first of the set, or None for all.
    """

    def __init__(self, dataset, data_dir=None, samples=None):
        self.dataset, self.data_dir = dataset, data_dir
        (x, y), self.test = keras_bsd.datasets.load_images(dataset, data_dir)
        self.training = x[:samples], y[:samples]
        self.classes = int(max(y.max(), self.test[1].max())) + 1

    @property
    def labels(self) -> list | None:
        """Names of the classes, or None if the data set has none."""
        return keras_bsd.datasets.class_labels(self.dataset, self.data_dir)
