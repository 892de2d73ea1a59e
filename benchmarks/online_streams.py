"""Streams on which `measure_online` trains: classes one after the other, few samples, stimuli that change."""

from typing import NamedTuple

import keras
import numpy as np

import keras_bsd
from benchmarks.online_variants import VARIANTS
from keras_bsd.online import OnlineLearner

CLASSES = 10
FIT_EPOCHS = 5  # of networks that have been trained before their stream
SHOTS = (1, 5, 10)
QUARTERS = (0.25, 0.5, 0.75, 1.0)
TASKS = [(first, first + 1) for first in range(0, CLASSES, 2)]

METHODS = {  # rule, replay, whether all classes come together
    "BSD": ("bsd", None, False),
    "BSD with recall": ("bsd", "recall", False),
    "BSD with stored samples": ("bsd", "stored", False),
    "backpropagation": ("backprop", None, False),
    "backpropagation with recall": ("backprop", "recall", False),
    "backpropagation with stored samples": ("backprop", "stored", False),
    "BSD of all classes at once": ("bsd", None, True),
    "backpropagation of all classes at once": ("backprop", None, True),
}
FEW = {  # rule, replay, how many of the samples of earlier classes the learner may look through
    "BSD, no replay": ("bsd", None, 0),
    "BSD, recall by the decoder": ("bsd", "recall", 0),
    "BSD, recall after `remember`": ("bsd", "recall", 1000),
    "BSD, stored": ("bsd", "stored", 1000),
    "backpropagation, recall after `remember`": ("backprop", "recall", 1000),
    "backpropagation, stored": ("backprop", "stored", 1000),
}
DRIFT = {  # replay, whether samples come in batches; None does not learn
    "no learning": None,
    "batches, no replay": (None, True),
    "batches, recall": ("recall", True),
    "batches, stored": ("stored", True),
    "one by one, recall": ("recall", False),
    "one by one, stored": ("stored", False),
}


class Data(NamedTuple):
    """Samples to train on and to test, `(x, y)` each."""

    train: tuple
    test: tuple


class Networks:
    """One compiled model of dense stages for each rule, since tracing takes long.

    Args:
        shape: tuple of ints, of a stimulus.
        units: ints, the neurons of the stages.
    """

    def __init__(self, shape, units):
        self.shape, self.units = shape, tuple(units)
        self._compiled, self._fitted = {}, {}

    def build(self, rule, seed, rate):
        """Return a model with the first weights of a seed and an optimizer that has taken no step."""
        if rule not in self._compiled:
            model = self._make(rule)
            model.compile(keras.optimizers.AdamW(rate), metrics=["accuracy"])
            model.optimizer.build(model.trainable_variables)
            state = [keras.ops.convert_to_numpy(variable).copy() for variable in model.optimizer.variables]
            self._compiled[rule] = model, state
        keras.utils.set_random_seed(seed)
        model, state = self._compiled[rule]
        model.set_weights(self._make(rule).get_weights())
        for variable, value in zip(model.optimizer.variables, state, strict=True):
            variable.assign(value)
        model.optimizer.learning_rate = rate
        return model

    def fitted(self, part, rule, samples, seed, fit_rate, rate=None):
        """Return a model that has been trained as usual, with an optimizer that has taken no step since.

        Args:
            part: name of the part, whose samples are the same at each call: a model is trained once.
            rule, seed, fit_rate: of the training.
            samples: `(x, y)`.
            rate: learning rate of the optimizer for what follows.
        """
        key = (part, rule, seed, fit_rate)
        if key not in self._fitted:
            model = self.build(rule, seed, fit_rate)
            model.fit(*samples, batch_size=64, epochs=FIT_EPOCHS, verbose=0)
            self._fitted[key] = model.get_weights()
        model = self.build(rule, seed, fit_rate if rate is None else rate)
        model.set_weights(self._fitted[key])
        return model

    def _make(self, rule):
        model = keras_bsd.applications.SpikingMLP(self.shape, CLASSES, units=self.units)
        return model if rule == "bsd" else keras_bsd.baselines.get(rule)(model.encoder, stimulus_range=(0, 1))


class Streams:
    """Trainings on streams of one data set, each of which returns what its part of the page shows.

    Args:
        networks: `Networks`.
        batch_size: int, samples of the stream in a step.
        epochs: int, passes over the samples of a task.
        rehearsed: int, rehearsed samples in a step.
        steps: int, steps on the few samples of a new class.

    Attributes:
        fit_rates: dict from a part and a rule to the learning rate of networks trained before their stream.
    """

    def __init__(self, networks, batch_size, epochs, rehearsed, steps):
        self.networks, self.batch_size, self.epochs = networks, batch_size, epochs
        self.rehearsed, self.steps, self.fit_rates = rehearsed, steps, {}

    @property
    def memory(self):
        """The samples that may be stored: as many as typical stimuli and deviations are."""
        return CLASSES + self.rehearsed

    def tasks(self, method, data, seed, rate, variant=None):
        """Return final accuracy and forgetting on a stream of tasks."""
        rule, replay, joint = METHODS[method]
        model, generator = self.networks.build(rule, seed, rate), np.random.default_rng(seed)
        learner = self._learner(model, replay, seed=seed)
        if variant is not None:
            learner._replay = variant(model, [], self.rehearsed)
        (x, y), after = data.train, []
        tasks = [tuple(range(CLASSES))] if joint else TASKS
        for task in tasks:
            of_task = np.flatnonzero(np.isin(y, task))
            for _ in range(self.epochs):
                generator.shuffle(of_task)
                for batch in whole_batches(of_task, self.batch_size):
                    learner.learn(x[batch], y[batch])
            after.append(accuracies(learner, *data.test))
        losses = [
            after[i][list(task)].mean() - after[-1][list(task)].mean() for i, task in enumerate(tasks[:-1])
        ]
        return [after[-1].mean(), np.mean(losses) if losses else None]

    def variants(self, name, data, seed, rate):
        """Return accuracy and forgetting of another way to rehearse on a stream of tasks."""
        return self.tasks("BSD with recall", data, seed, rate, VARIANTS[name])

    def few(self, method, data, seed, rate):
        """Return accuracy on earlier classes and on the new one, after 1, 5 and 10 samples of it."""
        rule, replay, count = FEW[method]
        x, y = data.train
        new, reached = CLASSES - 1, []
        earlier, of_new = np.flatnonzero(y != new), np.flatnonzero(y == new)
        for shots in SHOTS:
            model = self._fitted("few", rule, without_last(data), seed, rate)
            known = range(new) if rule == "bsd" else ()  # whose decoder recalls them
            learner = self._learner(model, replay, known=known, seed=seed)
            if count:
                shown = earlier[:count]
                learner.remember(x[shown], y[shown])
            generator = np.random.default_rng(seed)  # fewer samples are the first of more
            batch = np.resize(generator.permutation(of_new)[:shots], max(SHOTS))
            for _ in range(self.steps):
                learner.learn(x[batch], y[batch])
            after = accuracies(learner, *data.test)
            reached.append([after[:new].mean(), after[new]])
        return reached

    def drift(self, method, data, seed, rate):
        """Return accuracies after each quarter of a stream, on test samples inverted as it is by then."""
        replay, in_batches = DRIFT[method] or (None, None)
        size = self.batch_size if in_batches else 1
        (x, y), (x_test, y_test) = data.train, data.test
        model = self._fitted("drift", "bsd", data, seed, rate)
        learner = self._learner(model, replay, known=range(CLASSES), seed=seed)
        order, reached = np.random.default_rng(seed).permutation(len(x)), []
        for quarter, part in zip(QUARTERS, np.array_split(order, len(QUARTERS)), strict=True):
            for i, batch in enumerate(whole_batches(part, size) if DRIFT[method] else ()):
                fraction = quarter - 0.25 * (1 - i * size / len(part))
                learner.learn(inverted(x[batch], fraction), y[batch])
            reached.append(accuracies(learner, inverted(x_test, quarter), y_test).mean())
        return reached

    def fit_accuracy(self, part, rule, data, seed, rate):
        """Return the accuracy of a network that has been trained before the stream of a part."""
        data = without_last(data) if part == "few" else data
        model = self.networks.fitted(part, rule, data.train, seed, rate)
        x, y = data.test
        return np.mean(model.predict(x, batch_size=500, verbose=0).argmax(axis=1) == y)

    def _fitted(self, part, rule, data, seed, rate):
        fit_rate = self.fit_rates[part, rule]
        return self.networks.fitted(part, rule, data.train, seed, fit_rate, rate)

    def _learner(self, model, replay, **options):
        return OnlineLearner(model, replay, rehearsed=self.rehearsed, memory=self.memory, **options)


def without_last(data):
    """Return data without the samples of the last class."""
    train, test = ((x[y < CLASSES - 1], y[y < CLASSES - 1]) for x, y in (data.train, data.test))
    return data._replace(train=train, test=test)


def accuracies(learner, x, y):
    """Return the accuracy on the samples of each class, `(classes,)`."""
    predicted = learner.predict(x, batch_size=500).argmax(axis=1)
    return np.array([np.mean(predicted[y == label] == label) for label in range(CLASSES)])


def whole_batches(order, size):
    """Return the samples in batches, without an incomplete last one."""
    return order[: len(order) // size * size].reshape(-1, size)


def inverted(x, fraction):
    """Return stimuli of which a fraction of the pixels, always the same ones first, are negatives."""
    order = np.random.default_rng(0).random(x.shape[1:])
    return np.where(order < fraction, 1 - x, x)


def shifted(x, pixels, generator):
    """Return images, each moved by random numbers of pixels; what leaves on one side enters on the other."""
    moves = generator.integers(-pixels, pixels + 1, (2, len(x), 1, 1))
    rows = (np.arange(x.shape[1])[None, :, None] + moves[0]) % x.shape[1]
    columns = (np.arange(x.shape[2])[None, None, :] + moves[1]) % x.shape[2]
    return x[np.arange(len(x))[:, None, None], rows, columns]
