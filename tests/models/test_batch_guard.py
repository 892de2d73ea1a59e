"""Bad data never changes a weight."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_bsd
from keras_bsd.datasets import Batches
from tests.models import pairs


def corrupt(samples, which, index, value):
    copies = [array.copy() for array in samples]
    copies[which][index] = value
    return copies


def stream(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(4)


def fit_and_compare(model, match, *args, **kwargs):
    """Expect `fit` to raise; return whether all weights and the optimiser are unchanged."""
    variables = [*model.variables, *model.optimizer.variables]
    before = [ops.convert_to_numpy(variable).copy() for variable in variables]
    kwargs.setdefault("shuffle", isinstance(args[0], np.ndarray))  # Keras warns of it for streams
    with pytest.raises(ValueError, match=match):
        model.fit(*args, verbose=0, **kwargs)
    after = [ops.convert_to_numpy(variable) for variable in variables]
    return all(np.array_equal(a, b) for a, b in zip(after, before, strict=True))


@pytest.fixture
def model():
    model = pairs.small_pair(check_numerics=True)
    model.compile()
    return model


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_streams_of_any_precision(dtype):
    model = pairs.small_pair(stimulus_range=(0.0, 1.0))
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model)
    bad_x, _ = corrupt((x, y), 0, (1, 2), np.nan)
    with pytest.raises(ValueError, match=r"`x` must be finite\. .* in 1 of 4 samples, the first at index 1"):
        model.fit(stream(tf.cast(bad_x, dtype), y), shuffle=False, verbose=0)
    with pytest.raises(ValueError, match=r"lie in \[0, 1\], .* Received: values from 0 to 2"):
        model.fit(stream(tf.cast(2 * (x > 0.5), dtype), y), shuffle=False, verbose=0)
    model.fit(stream(tf.cast(x, dtype), y), shuffle=False, verbose=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("streamed", [False, True])
def test_not_finite(model, value, streamed):
    x, y = corrupt(pairs.samples(model), 0, (5, 2), value)
    message = "`x` must be finite. Received: NaN or infinity in 1 of 12 samples, .* index 5"
    data = [tf.data.Dataset.from_tensor_slices((x, y)).batch(12)] if streamed else [x, y]
    assert fit_and_compare(model, message, *data, shuffle=False)


def test_not_finite_target():
    model = pairs.regression_pair(check_numerics=True)
    model.compile()
    x, y = corrupt(pairs.samples(model), 1, (3, 0), np.nan)
    assert fit_and_compare(model, "`y` must be finite", x, y)


def test_a_bad_later_batch_keeps_the_updates_of_earlier_ones(model):
    x, y = corrupt(pairs.samples(model), 0, (9, 0), np.nan)
    assert not fit_and_compare(model, "1 of 4 samples", stream(x, y))
    assert all(np.isfinite(ops.convert_to_numpy(v)).all() for v in model.variables)


def test_checked_training_is_the_same_training(model):
    other = pairs.small_pair()
    other.compile()
    other.set_weights(model.get_weights())
    x, y = pairs.samples(model)
    histories = [
        pair.fit(x, y, batch_size=5, epochs=2, shuffle=False, verbose=0).history for pair in (model, other)
    ]
    for values, others in zip(*(history.values() for history in histories), strict=True):
        np.testing.assert_allclose(values, others, rtol=1e-5)


@pytest.mark.parametrize("label", [3, -1])
@pytest.mark.parametrize("streamed", [False, True])
def test_unknown_class(model, label, streamed):
    x, y = corrupt(pairs.samples(model), 1, 7, label)
    data = [tf.data.Dataset.from_tensor_slices((x, y)).batch(12)] if streamed else [x, y]
    assert fit_and_compare(model, r"Classes must lie in \[0, 2\]. Received: values from", *data)


def test_classes_in_arrays_are_always_checked():
    model = pairs.small_pair()
    model.compile()
    x, y = corrupt(pairs.samples(model), 1, 7, 3)
    assert fit_and_compare(model, "Classes must lie in", x, y)


@pytest.mark.parametrize("label", [0.5, "cat"])
def test_classes_that_are_not_integers(model, label):
    x, y = pairs.samples(model)
    message = f"Classes must be integers; .* such as {label}"
    assert fit_and_compare(model, message, x, np.full(len(y), label))


def test_shapes(model):
    x, y = pairs.samples(model)
    assert fit_and_compare(model, r"\(batch, 4\). Received: shape=\(12, 3\)", x[:, :3], y)
    assert fit_and_compare(model, r"or of shape \(batch, 3\). Received: shape=\(12, 5\)", x, np.eye(5)[y])
    many = stream(x, np.eye(5)[y])
    assert fit_and_compare(model, r"or of shape \(batch, 3\). Received: shape=\(4, 5\)", many)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("every_batch", [False, True])
def test_no_data(every_batch):
    model = pairs.small_pair(check_numerics=every_batch)
    model.compile()
    x, y = pairs.samples(model)
    assert fit_and_compare(model, "There is no data. Received: x of length 0", x[:0], y[:0])
    empty = tf.data.Dataset.from_tensor_slices((x, y)).take(0).batch(4)
    assert fit_and_compare(model, "no data. Received: x of length 0", empty)
    empty = tf.data.Dataset.from_tensor_slices((x, y)).filter(lambda x, y: False).batch(4)
    assert fit_and_compare(model, "no data. Received: a stream without a batch", empty)


@pytest.mark.parametrize("form", ["array", "data set", "batches"])
def test_stimuli_out_of_range(form):
    model = pairs.small_pair(stimulus_range=(0, 1))
    model.compile()
    x, y = corrupt(pairs.samples(model), 0, 7, 255)
    data = {
        "array": lambda: [x, y],
        "data set": lambda: [tf.data.Dataset.from_tensor_slices((x, y)).batch(12)],
        "batches": lambda: [Batches(x, y, 12)],
    }[form]()
    message = r"Stimuli must lie in \[0, 1\], .* `stimulus_range=None`. Received: values from .* to 255"
    assert fit_and_compare(model, message, *data)


BAD_BATCHES = [
    (lambda x, y: [x], r"Training takes stimuli and targets, \(x, y\), or batches of both. Received: y=None"),
    (lambda x, y: [stream(x)], "Received: y=None"),
    (
        lambda x, y: [stream(x, y).unbatch()],
        r"shape=\(4,\). A single sample needs the batch axis, .* batch a dataset",
    ),
    (lambda x, y: [stream(x[:, :2], y)], r"\(batch, 4\). Received: shape=\(4, 2\)"),
    (lambda x, y: [stream(np.full_like(x, np.nan), y)], "`x` must be finite"),
    (lambda x, y: [stream(x, y + 1)], "Classes must lie in"),
    (lambda x, y: [stream(x, y + 0.5)], "Classes must be integers"),
    (lambda x, y: [stream(x, y.astype(str))], "Classes must be integers; .* Received: dtype=object, such as"),
    (lambda x, y: [(batch for batch in [(x, y + 1)])], "Classes must lie in"),
]


@pytest.mark.parametrize(
    ("data", "message", "run_eagerly"), [*((*case, True) for case in BAD_BATCHES), (*BAD_BATCHES[5], False)]
)
def test_a_bad_first_batch_is_an_error_and_training_can_start_again(data, message, run_eagerly):
    model = pairs.small_pair()
    model.compile(metrics=["accuracy"], run_eagerly=run_eagerly)
    x, y = pairs.samples(model)
    assert fit_and_compare(model, message, *data(x, y))
    model.fit(stream(x[:4], y[:4]), shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 1


@pytest.mark.parametrize("steps", [1] if keras.config.backend() == "torch" else [1, 2])
def test_only_the_first_batches_of_a_stream_are_checked(steps):
    model = pairs.small_pair()
    model.compile(steps_per_execution=steps)
    model.fit(stream(*corrupt(pairs.samples(model), 0, (9, 0), np.nan)), shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 3


def test_checking_the_first_batch_changes_no_training_and_compiles_no_more(monkeypatch):
    model = pairs.small_pair()
    x, y = pairs.samples(model)
    before, distil, calls = model.get_weights(), model.distil, []
    monkeypatch.setattr(model, "distil", lambda *data: calls.append(data) or distil(*data))
    trained, traces = [], []
    for data in ([x, y], [stream(x, y)]):
        calls.clear()
        model.set_weights(before)
        model.compile("sgd")
        model.fit(*data, batch_size=None if len(data) == 1 else 4, shuffle=False, verbose=0)
        trained.append(model.get_weights())
        traces.append(len(calls))
    assert traces[0] == traces[1]
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_stimulus_range_is_saved(tmp_path):
    model = pairs.small_pair(stimulus_range=(0, 1))
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").stimulus_range == (0, 1)


class Enormous(keras.layers.Layer):
    """Needs more memory than there are addresses."""

    def call(self, inputs):
        values = ops.ones((8 * 10**6, 1)) * ops.sum(inputs) * ops.ones((1, 10**7))
        return inputs + ops.mean(ops.cumsum(values, axis=0))

    def compute_output_shape(self, input_shape):
        return input_shape


@pytest.mark.parametrize("way", ["fit", "evaluate", "predict"])
def test_what_does_not_fit_into_memory(way):
    stage = keras_bsd.layers.SpikingStage([keras.layers.Dense(5), Enormous()], timesteps=2)
    encoder = keras.Sequential(
        [keras.Input((4,)), stage, keras_bsd.layers.Readout(keras.layers.Dense(3), "softmax")]
    )
    layers = [keras_bsd.layers.SpikingDense(5, timesteps=2), keras_bsd.layers.Readout(keras.layers.Dense(4))]
    model = keras_bsd.BSDModel(encoder, keras.Sequential([keras.Input((3,)), *layers]))
    model.compile()
    weights = [ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    x, y = np.ones((6, 4), "float32"), np.arange(6) % 3
    message = r"must fit into memory\. Received: (.|\s)* Use a smaller `batch_size`"
    with pytest.raises(MemoryError, match=message) as error:
        getattr(model, way)(*((x,) if way == "predict" else (x, y)), verbose=0)
    assert str(error.value).count("must fit") == 1
    for before, after in zip(weights, model.trainable_weights, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(after), before)
