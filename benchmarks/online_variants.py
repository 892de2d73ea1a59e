"""Other ways to rehearse, which `measure_online` compares with typical stimuli and deviations."""

import numpy as np

from keras_bsd.online._replay import Recall


class Alone(Recall):
    """Typical stimuli without variation."""

    def draw(self, y, generator):
        return self.arrays["typical"][y]


class Noisy(Recall):
    """Typical stimuli with noise of standard deviation 0.2 on every pixel."""

    def draw(self, y, generator):
        typical = self.arrays["typical"][y]
        return (typical + 0.2 * generator.normal(size=typical.shape)).astype("float32")


class Spread(Recall):
    """Typical stimuli with noise of the standard deviation that the pixel has in its class."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._squares = Recall(*arguments)

    def updated(self, x, y, generator):
        self._squares.arrays = self._squares.updated(np.square(x), y, generator)
        return super().updated(x, y, generator)

    def draw(self, y, generator):
        typical = self.arrays["typical"][y]
        variance = np.maximum(self._squares.arrays["typical"][y] - np.square(typical), 0)
        return (typical + np.sqrt(variance) * generator.normal(size=typical.shape)).astype("float32")


class Live(Recall):
    """What the decoder recalls at each step, varied by deviations."""

    def __init__(self, model, *arguments):
        super().__init__(model, *arguments)
        self._model = model

    def recalled(self):
        return self._model.decoder.predict_on_batch(self._model.class_concepts)

    def draw(self, y, generator):
        deviations = super().draw(y, generator) - self.arrays["typical"][y]
        return self.recalled()[y] + deviations


class Snapshot(Live):
    """What the decoder recalled when the last new class came, varied by deviations; for that class its mean."""

    def updated(self, x, y, generator):
        arrays, before = super().updated(x, y, generator), self.arrays["counts"] > 0
        if np.any((arrays["counts"] > 0) > before):
            recalled = super().recalled()
            known = before.reshape(-1, *[1] * (recalled.ndim - 1))
            self._snapshot, self._earlier = recalled, known
        return arrays

    def recalled(self):
        return np.where(self._earlier, self._snapshot, self.arrays["typical"])


VARIANTS = {
    "typical stimuli and deviations": Recall,
    "typical stimuli alone": Alone,
    "typical stimuli and equal noise": Noisy,
    "typical stimuli and the spread of each pixel": Spread,
    "recall by the decoder at each step, and deviations": Live,
    "recall by the decoder as new classes come, and deviations": Snapshot,
}
