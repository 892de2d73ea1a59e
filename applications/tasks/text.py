"""Prediction of a text's next character."""

import numpy as np
from matplotlib.figure import Figure

import keras_bsd

STREAMS = 16  # long chunks of the test text, for scores with carried state


class Text:
    """Windows of a text, with the character that follows each of theirs.

    Args:
        dataset, data_dir: see `keras_bsd.datasets.load_text`.
        window: positive int, characters.
        alphabet: str, the characters that the model can predict (default: those of the text).

    Raises:
        ValueError: the text has characters that are not in `alphabet`.
    """

    name, application, score = "text", "SpikingCharRNN", "accuracy"
    loss, metrics, local_readout_weight = "sparse_categorical_crossentropy", ["accuracy"], 3.0
    defaults = {"dataset": "tiny_shakespeare", "window": 32, "delays": 8, "units": (256,)}

    def __init__(self, dataset, data_dir, window, alphabet=None):
        self.dataset = dataset
        splits = keras_bsd.datasets.load_text(dataset, data_dir)
        self.alphabet = alphabet or "".join(sorted({*"".join(splits)}))
        unknown = "".join(sorted({*"".join(splits)} - {*self.alphabet}))
        if unknown:
            raise ValueError(
                f"The characters of --dataset must be in the model's alphabet {self.alphabet!r}. "
                f"Received: {dataset} with {unknown!r}. Remove or replace these."
            )
        ids = {character: i for i, character in enumerate(self.alphabet)}
        training, validation, test = (
            np.array([ids[character] for character in split], "int32") for split in splits
        )
        self.training, self.window = training, window
        self.prompt = splits[2][:64]
        self.validation, self.test = (keras_bsd.datasets.chunks(split, window) for split in (validation, test))
        self.streams = keras_bsd.datasets.chunks(test, max(len(test) // STREAMS - 1, 1))
        self.labels = [*self.alphabet]

    def data_arguments(self) -> dict:
        """Return the network's arguments that follow from the data."""
        return {"alphabet": self.alphabet}

    def batches(self, batch_size, seed):
        return keras_bsd.datasets.TextWindows(self.training, self.window, batch_size, seed)

    def scores(self, model) -> dict:
        """Return scores of windows from rest, and of long chunks of the text with carried state."""
        return {
            f"{name}{suffix}": value
            for suffix, (x, y) in (("", self.test), ("_carried", self.streams))
            for name, value in _scores(model, x, y).items()
        }

    def baselines(self) -> dict:
        """Return the scores of bigrams: the most frequent successor of each character."""
        classes = len(self.alphabet)
        counts = np.ones((classes, classes))
        np.add.at(counts, (self.training[:-1], self.training[1:]), 1)
        x, y = self.test
        probabilities = counts / counts.sum(axis=1, keepdims=True)
        bits = -np.log2(probabilities[x, y]).mean()
        accuracy = (probabilities.argmax(axis=1)[x] == y).mean()
        return {"bigrams": {"accuracy": float(accuracy), "bits_per_character": float(bits)}}

    def format_scores(self, scores) -> str:
        carried = scores.get("accuracy_carried")
        carried = "" if carried is None else f", {carried:.2%} with state carried"
        return f"{scores['accuracy']:.2%}{carried}, {scores['bits_per_character']:.3f} bits per character"

    def draw(self, models, scores) -> Figure:
        """Draw the accuracies of models and baselines side by side."""
        figure = Figure(figsize=(8, 4), layout="constrained")
        axis = figure.add_subplot()
        axis.barh(list(scores), [values["accuracy"] for values in scores.values()])
        axis.set(xlabel="accuracy of the next character", xlim=(0, 1))
        return figure


def _scores(model, x, y):
    probabilities = model.predict(x, batch_size=50, verbose=0)
    of_truth = np.take_along_axis(probabilities, y[..., None], axis=-1)
    return {
        "accuracy": float((probabilities.argmax(axis=-1) == y).mean()),
        "bits_per_character": float(-np.log2(np.maximum(of_truth, 1e-12)).mean()),
    }
