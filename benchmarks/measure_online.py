"""Measure learning from a stream: classes that come one after the other, few samples, and stimuli that change.

    .venv/bin/python -m benchmarks.measure_online --dataset=digits --epochs=2 --output=runs/online-digits.md

Prints a Markdown table for each part; `--output` writes them as a page. The networks have dense stages. In the
stream of tasks each task has two classes, whose samples come shuffled, in batches; accuracy is that on test
samples of all classes after the last task, and forgetting the mean over all tasks but the last of the accuracy
on the task's classes after it minus that after the last task. "of all classes at once" is the ceiling: a stream
of the same samples, shuffled. The network and the optimizer are the same for all methods.
"""

from benchmarks import _results  # isort: skip, before Keras

import functools

import keras
import numpy as np
from absl import app, flags

import keras_bsd
from benchmarks.online_variants import VARIANTS
from keras_bsd.online import OnlineLearner

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "digits", "A data set of load_images, such as digits, mnist or fashion_mnist.")
flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.")
flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of weights and of the order of samples.")
flags.DEFINE_integer("batch_size", 10, "Samples of the stream in each step.", lower_bound=1)
flags.DEFINE_integer("samples", None, "Training samples (default: all).", lower_bound=1)
flags.DEFINE_integer("test_samples", 2000, "Test samples at most.", lower_bound=1)
flags.DEFINE_integer("epochs", 1, "Passes over the samples of each task.", lower_bound=1)
flags.DEFINE_list("units", ["256", "256"], "Neurons of the stages.")
flags.DEFINE_float("learning_rate", 1e-3, "Of AdamW, for all methods.")
flags.DEFINE_integer("rehearsed", 32, "Rehearsed samples in each step.", lower_bound=1)
flags.DEFINE_integer(
    "shift", 0, "Pixels by which each image is moved at most, in each direction.", lower_bound=0
)
flags.DEFINE_integer("steps", 50, "Steps on the few samples of a new class.", lower_bound=1)
flags.DEFINE_list("parts", ["tasks", "few", "drift"], "Some of tasks, few, drift, variants.")
flags.DEFINE_list("methods", None, "Methods of the stream of tasks (default: all).")
flags.DEFINE_string("output", None, "Path of a .md page; a .json file goes beside it.")

CLASSES = 10
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
SHOTS = (1, 5, 10)
FIT_EPOCHS = 5


def make(rule, shape):
    """Return a model of dense stages that is not compiled."""
    model = keras_bsd.applications.SpikingMLP(shape, CLASSES, units=tuple(map(int, FLAGS.units)))
    return model if rule == "bsd" else keras_bsd.baselines.get(rule)(model.encoder, stimulus_range=(0, 1))


@functools.cache
def compiled(rule, shape):
    """Return the one compiled model of a rule, since tracing takes long, and its optimizer's first state."""
    model = make(rule, shape)
    model.compile(keras.optimizers.AdamW(FLAGS.learning_rate), metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model, [variable.numpy() for variable in model.optimizer.variables]


def assign(model, weights, state):
    """Set a model's weights and the state of its optimizer."""
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, state, strict=True):
        variable.assign(value)


def build(rule, shape, seed):
    """Return a compiled model with the first weights of a seed, and a generator of the seed."""
    model, state = compiled(rule, shape)
    keras.utils.set_random_seed(seed)
    assign(model, make(rule, shape).get_weights(), state)
    return model, np.random.default_rng(seed)


def learner_of(model, replay, **options):
    """Return a learner that may keep as many samples as the recall of typical stimuli and deviations takes."""
    memory = CLASSES + FLAGS.rehearsed
    return OnlineLearner(model, replay, rehearsed=FLAGS.rehearsed, memory=memory, **options)


def accuracies(learner, x, y):
    """Return the accuracy on the samples of each class, `(classes,)`."""
    predicted = learner.predict(x, batch_size=500).argmax(axis=1)
    return np.array([np.mean(predicted[y == label] == label) for label in range(CLASSES)])


def run_tasks(method, data, seed, variant=None):
    """Return final accuracy and forgetting of a method, or of a replay of `VARIANTS`, on a stream of tasks."""
    rule, replay, joint = METHODS[method]
    (x, y), test = data
    model, generator = build(rule, x.shape[1:], seed)
    learner = learner_of(model, replay, seed=seed)
    if variant is not None:
        learner._replay = variant(model, [], FLAGS.rehearsed)
    tasks, after = [tuple(range(CLASSES))] if joint else TASKS, []
    for task in tasks:
        of_task = np.flatnonzero(np.isin(y, task))
        for _ in range(FLAGS.epochs):
            generator.shuffle(of_task)
            for batch in whole_batches(of_task, FLAGS.batch_size):
                learner.learn(x[batch], y[batch])
        after.append(accuracies(learner, *test))
    losses = [after[i][list(task)].mean() - after[-1][list(task)].mean() for i, task in enumerate(tasks[:-1])]
    return after[-1].mean(), np.mean(losses) if losses else np.nan


def whole_batches(order, size):
    """Return the samples in batches, without an incomplete last one."""
    return order[: len(order) // size * size].reshape(-1, size)


def fitted(rule, x, y, seed, cache={}):  # noqa: B006
    """Return a model that has been trained on samples as usual, and a generator of the seed."""
    model, generator = build(rule, x.shape[1:], seed)
    if (rule, len(x), seed) not in cache:
        model.fit(x, y, batch_size=64, epochs=FIT_EPOCHS, verbose=0)
        cache[rule, len(x), seed] = model.get_weights()
    assign(model, cache[rule, len(x), seed], compiled(rule, x.shape[1:])[1])
    return model, generator


FEW = {  # rule, replay, how many of the samples of earlier classes the learner may look through
    "BSD, no replay": ("bsd", None, 0),
    "BSD, recall by the decoder": ("bsd", "recall", 0),
    "BSD, recall after `remember`": ("bsd", "recall", 1000),
    "BSD, stored": ("bsd", "stored", 1000),
    "backpropagation, stored": ("backprop", "stored", 1000),
}


def run_few(method, data, seed):
    """Yield accuracy on earlier classes and on the new one, after 1, 5 and 10 samples of it."""
    rule, replay, count = FEW[method]
    (x, y), test = data
    new = CLASSES - 1
    earlier, of_new = np.flatnonzero(y != new), np.flatnonzero(y == new)
    for shots in SHOTS:
        model, generator = fitted(rule, x[earlier], y[earlier], seed)
        learner = learner_of(model, replay, known=range(new) if rule == "bsd" else (), seed=seed)
        if count:
            shown = earlier[:count]
            learner.remember(x[shown], y[shown])
        batch = np.resize(generator.permutation(of_new)[:shots], max(SHOTS))
        for _ in range(FLAGS.steps):
            learner.learn(x[batch], y[batch])
        reached = accuracies(learner, *test)
        yield reached[:new].mean(), reached[new]


DRIFT = {  # replay, samples in each step
    "no learning": (None, 0),
    "BSD, batches, no replay": (None, "batch"),
    "BSD, one by one, recall": ("recall", 1),
    "BSD, one by one, stored": ("stored", 1),
}
QUARTERS = (0.25, 0.5, 0.75, 1.0)


def inverted(x, fraction):
    """Return stimuli of which a fraction of the pixels, always the same ones first, are negatives."""
    order = np.random.default_rng(0).random(x.shape[1:])
    return np.where(order < fraction, 1 - x, x)


def run_drift(method, data, seed):
    """Return accuracies after each quarter of a stream, on test samples that are inverted as it is by then."""
    replay, size = DRIFT[method]
    size = FLAGS.batch_size if size == "batch" else size
    (x, y), (x_test, y_test) = data
    model, generator = fitted("bsd", x, y, seed)
    learner = learner_of(model, replay, known=range(CLASSES), seed=seed)
    order, reached = generator.permutation(len(x)), []
    for quarter, part in zip(QUARTERS, np.array_split(order, len(QUARTERS)), strict=True):
        for i, batch in enumerate(whole_batches(part, size) if size else ()):
            fraction = quarter - 0.25 * (1 - i * size / len(part))
            learner.learn(inverted(x[batch], fraction), y[batch])
        reached.append(accuracies(learner, inverted(x_test, quarter), y_test).mean())
    return reached


def shifted(x, pixels, generator):
    """Return images, each moved by random numbers of pixels; what leaves on one side enters on the other."""
    moves = generator.integers(-pixels, pixels + 1, (2, len(x), 1, 1))
    rows = (np.arange(x.shape[1])[None, :, None] + moves[0]) % x.shape[1]
    columns = (np.arange(x.shape[2])[None, None, :] + moves[1]) % x.shape[2]
    return x[np.arange(len(x))[:, None, None], rows, columns]


def summary(values):
    """Return mean and standard deviation over the seeds, in per cent."""
    values = 100 * np.asarray(values)
    return f"{values.mean():.1f} ± {values.std():.1f}" if np.isfinite(values).all() else ""


def tasks_table(data, seeds, record):
    def rows():
        for method in FLAGS.methods or METHODS:
            reached = np.array([run_tasks(method, data, seed) for seed in seeds])
            record[method] = reached.tolist()
            stores = METHODS[method][1] is not None
            kept = CLASSES + FLAGS.rehearsed if stores else 0
            yield [method, kept, summary(reached[:, 0]), summary(reached[:, 1])]

    return _results.print_rows(["method", "kept, in samples", "accuracy, %", "forgetting, %"], rows())


def few_table(data, seeds, record):
    def rows():
        for method in FEW:
            reached = np.array([list(run_few(method, data, seed)) for seed in seeds])
            record[method] = reached.tolist()
            cells = [f"{summary(reached[:, i, 0])} / {summary(reached[:, i, 1])}" for i in range(len(SHOTS))]
            yield [method, *cells]

    header = ["method", *(f"{shots} sample{'s' * (shots > 1)}" for shots in SHOTS)]
    return _results.print_rows(header, rows())


def drift_table(data, seeds, record):
    def rows():
        for method in DRIFT:
            reached = np.array([run_drift(method, data, seed) for seed in seeds])
            record[method] = reached.tolist()
            yield [method, *(summary(reached[:, i]) for i in range(len(QUARTERS)))]

    return _results.print_rows(["method", *(f"{quarter:.0%} inverted" for quarter in QUARTERS)], rows())


def variants_table(data, seeds, record):
    def rows():
        for name, variant in VARIANTS.items():
            reached = np.array([run_tasks("BSD with recall", data, seed, variant) for seed in seeds])
            record[name] = reached.tolist()
            yield [name, summary(reached[:, 0]), summary(reached[:, 1])]

    return _results.print_rows(["rehearsed", "accuracy, %", "forgetting, %"], rows())


PARTS = {
    "variants": ("Ways to rehearse, in five tasks of two classes", variants_table),
    "tasks": ("Five tasks of two classes", tasks_table),
    "few": ("A tenth class from few samples: accuracy on the nine earlier classes / on the new one", few_table),
    "drift": ("Pixels that turn into their negatives, one after the other", drift_table),
}


def main(_):
    (x, y), (x_test, y_test) = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    generator, count = np.random.default_rng(0), FLAGS.test_samples
    x, x_test = (shifted(images, FLAGS.shift, generator) for images in (x[: FLAGS.samples], x_test[:count]))
    data = (x, y[: FLAGS.samples]), (x_test, y_test[:count])
    seeds, body, record = list(map(int, FLAGS.seeds)), [], {}
    for part in FLAGS.parts:
        title, measure = PARTS[part]
        print(f"\n## {title}\n")
        record[part] = {}
        body += [f"## {title}", measure(data, seeds, record[part])]
    if FLAGS.output:
        _results.write_page(FLAGS.output, f"Learning from a stream: {FLAGS.dataset}", *body)
        _results.write_record(FLAGS.output.removesuffix(".md") + ".json", record)


if __name__ == "__main__":
    app.run(main)
