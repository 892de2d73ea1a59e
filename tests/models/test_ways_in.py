"""Whatever way data comes in, it is checked before it is used, and used as it is."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import ops

import keras_bsd
from keras_bsd.layers import Readout
from tests.models import pairs

X, Y = pairs.samples(pairs.small_pair())


def small_model(**kwargs):
    model = pairs.small_pair(**{"stimulus_range": (0, 1), **kwargs})
    model.compile(metrics=["accuracy"], run_eagerly=True)
    return model


@pytest.fixture(scope="module")
def model():
    return small_model()


def dataset(*arrays):
    return tf.data.Dataset.from_tensor_slices(arrays).batch(6)


def batches(*arrays):
    for i in range(0, len(arrays[0]), 6):
        part = tuple(array[i : i + 6] for array in arrays)
        yield part


class Sequence(keras.utils.PyDataset):
    def __init__(self, *arrays):
        super().__init__()
        self._batches = list(batches(*arrays))

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        return self._batches[index]


FORMS = {  # from arrays to the positional arguments of a Keras method
    "arrays": lambda *arrays: arrays,
    "tensors": lambda *arrays: [ops.convert_to_tensor(array) for array in arrays],
    "TensorFlow": lambda *arrays: [tf.constant(array) for array in arrays],
    "DataFrames": lambda *arrays: [pd.DataFrame(a) if a.ndim > 1 else pd.Series(a) for a in arrays],
    "dataset": lambda *arrays: [dataset(*arrays)],
    "sequence": lambda *arrays: [Sequence(*arrays)],
    "generator": lambda *arrays: [batches(*arrays)],
}
IN_MEMORY = ("arrays", "tensors", "TensorFlow", "DataFrames")


def validate(model, *data):
    return model.fit(X, Y, validation_data=data if len(data) > 1 else data[0], verbose=0)


FITS = {
    "fit": lambda model, *data: model.fit(*data, shuffle=False, verbose=0),
    "validation": validate,
}
WAYS = {
    **FITS,
    "evaluate": lambda model, *data: model.evaluate(*data, verbose=0),
    "predict": lambda model, x, *y: model.predict(x, verbose=0),
    "spikes": lambda model, x, *y: model.spikes(x),
}
BATCH_WAYS = {
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "predict_on_batch": lambda model, x, y: model.predict_on_batch(x),
}
CASES = [(way, form) for way in WAYS for form in FORMS]
CASES += [(way, form) for way in BATCH_WAYS for form in ("arrays", "tensors")]


def unchanged(model, call, message):
    """Expect an error of `call`; return whether weights, metrics and optimizer are what they were."""
    variables = [*model.variables, *model.optimizer.variables]
    before = [ops.convert_to_numpy(variable).copy() for variable in variables]
    with pytest.raises(ValueError, match=message):
        call()
    return all(
        np.array_equal(ops.convert_to_numpy(v), value) for v, value in zip(variables, before, strict=True)
    )


def changed(array, index, value):
    copy = array.copy()
    copy[index] = value
    return copy


@pytest.mark.parametrize(("way", "form"), CASES)
def test_bad_stimuli(model, way, form):
    call = {**WAYS, **BATCH_WAYS}[way]
    bad = {
        r"`x` must be finite\. Received: NaN or infinity in 1 of": changed(X, (3, 1), np.nan),
        r"Stimuli must lie in \[0, 1\], .* Received: values from .* to 2": 255 * X,
        r"Stimuli must have shape \(batch, 4\). Received: shape=\(\d+, 3\)": X[:, :3],
    }
    for message, x in bad.items():
        assert unchanged(model, lambda x=x: call(model, *FORMS[form](x, Y)), message)
    call(model, *FORMS[form](X, Y))


@pytest.mark.parametrize(
    ("way", "form"), [case for case in CASES if "predict" not in case[0] and case[0] != "spikes"]
)
def test_bad_targets(model, way, form):
    call = {**WAYS, **BATCH_WAYS}[way]
    assert unchanged(
        model, lambda: call(model, *FORMS[form](X, Y + 1)), r"Classes must lie in \[0, 2\]. Received: .* to 3"
    )
    if form in IN_MEMORY:
        message = "Each stimulus needs a target. Received: 12 stimuli and 11 targets"
        assert unchanged(model, lambda: call(model, *FORMS[form](X, Y[:-1])), message)
    if form != "DataFrames" and way != "validation":
        message = r"takes stimuli and targets, \(x, y\), or batches of both. Received: y=None"
        (x, *_) = FORMS[form](X)
        if way in WAYS:
            assert unchanged(model, lambda: call(model, x), message)
        else:
            assert unchanged(model, lambda: call(model, x, None), message)


@pytest.mark.parametrize("way", [*WAYS, *BATCH_WAYS])
def test_compiled_steps_are_checked_too(way):
    model = pairs.small_pair(stimulus_range=(0, 1))
    model.compile("sgd")
    form = "arrays" if way in BATCH_WAYS else "dataset"
    assert unchanged(
        model, lambda: {**WAYS, **BATCH_WAYS}[way](model, *FORMS[form](255 * X, Y)), "Stimuli must lie in"
    )
    np.testing.assert_allclose(model.predict(X, verbose=0), model.encoder.predict(X, verbose=0), atol=1e-6)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(list(FORMS)),
    st.sampled_from(["float16", "float32", "float64", "uint8", "bool", "int64"]),
    st.integers(1, 6),
    st.sampled_from([None, np.nan, np.inf, -0.5, 1.5]),
)
def test_predictions_are_those_of_float32_arrays_or_an_error(model, form, dtype, count, fault):
    x = np.random.default_rng(count).uniform(0, 1.9, (count, 4)).clip(0, 1).astype(dtype)
    if fault is not None and x.dtype.kind == "f":
        x[-1, 2] = fault
        with pytest.raises(ValueError, match=r"`x` must be finite|Stimuli must lie in"):
            model.predict(*FORMS[form](x), verbose=0)
        return
    expected = model.predict(x.astype("float32"), verbose=0)
    np.testing.assert_array_equal(model.predict(*FORMS[form](x), verbose=0), expected)


@pytest.mark.parametrize(
    ("x", "received"),
    [
        ({"stimulus": X}, "a dict of 'stimulus'"),
        ([X, X], "a list of 2"),
        ((X, X), "a tuple of 2"),
        (None, "None"),
        ("digits", "'digits'"),
    ],
)
def test_one_array(model, x, received):
    message = f"`x` must be one array, tensor or DataFrame, or a stream of batches .* Received: {received}"
    assert unchanged(model, lambda: model.fit(x, Y, verbose=0), message)
    assert unchanged(model, lambda: model.predict(x, verbose=0), message)


def test_a_list_of_the_one_array(model):
    model.fit([X], Y, verbose=0)
    model.train_on_batch([X], Y)
    np.testing.assert_array_equal(model.predict([X], verbose=0), model.predict(X, verbose=0))
    np.testing.assert_array_equal(model.predict_on_batch([X]), model.predict_on_batch(X))


def test_a_stream_of_dicts(model):
    message = r"`x` must be one array, .* Received: a dict of 'stimulus'"
    stream = tf.data.Dataset.from_tensor_slices(({"stimulus": X}, Y)).batch(4)
    assert unchanged(model, lambda: model.fit(stream, shuffle=False, verbose=0), message)


def test_targets_that_are_no_array(model):
    message = r"`y` must be one array, tensor or DataFrame. Received: a list of 12"
    assert unchanged(model, lambda: model.fit(X, Y.tolist(), verbose=0), message)
    assert unchanged(model, lambda: model.fit(X, np.int64(1), verbose=0), "`y` must have a batch axis|Received")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (changed(np.ones(12), 4, np.nan), "`sample_weight` must be finite. .* the first at index 4"),
        (np.ones(11), "Each stimulus needs a weight. Received: 12 stimuli and 11 weights"),
        (np.ones((12, 3)), r"`sample_weight` must have shape \(batch\). Received: shape=\(12, 3\)"),
    ],
)
def test_bad_weights(model, weights, message):
    assert unchanged(model, lambda: model.fit(X, Y, sample_weight=weights, verbose=0), message)
    assert unchanged(model, lambda: model.evaluate(X, Y, sample_weight=weights, verbose=0), message)
    assert unchanged(model, lambda: model.train_on_batch(X, Y, weights), message)
    assert unchanged(model, lambda: model.fit(X, Y, validation_data=(X, Y, weights), verbose=0), message)


def test_events_are_counted_in_frames_first(model):
    events = np.zeros(5, [("x", "u2"), ("y", "u2"), ("t", "u4"), ("p", "?")])
    message = r"`x` must be numbers. Received: a structured array of x, y, t, p. Count events in frames first"
    assert unchanged(model, lambda: model.predict(events, verbose=0), message)


@pytest.mark.parametrize(
    ("expected", "shape", "remedy"),
    [
        ((8, 6, 3), (5, 3, 8, 6), "Channels come last: np.moveaxis(x, 1, -1)"),
        ((8, 6, 1), (5, 8, 6), "Add the axis of channels: x[..., None]"),
        ((8, 6, 1), (5, 48), "The number of values is right: x.reshape((-1, 8, 6, 1))"),
        ((8, 6, 1), (8, 6, 1), "A single sample needs the batch axis, x[None]"),
        ((7, 4), (7, 5, 4), "The first axis is the batch: np.swapaxes(x, 0, 1)"),
        ((7, 4), (7, 5, 3), "shape=(7, 5, 3)"),
    ],
)
def test_axes_in_another_order(expected, shape, remedy):
    model = (
        pairs.regression_pair()
        if len(expected) == 1
        else keras_bsd.applications.SpikingMLP(expected, 3, units=(4,), timesteps=2, stimulus_range=None)
    )
    with pytest.raises(ValueError, match=re.escape(remedy)):
        model.predict(np.zeros(shape, "float32"), verbose=0)


def test_time_before_the_batch():
    model = keras_bsd.applications.SpikingCharRNN("abc", units=(4,), timesteps=2)
    model.compile(run_eagerly=True)
    x = np.zeros((9, 5), "int32")
    with pytest.raises(ValueError, match=r"9 stimuli and 5 targets. The first axis is the batch"):
        model.fit(x, x.T, verbose=0)


@pytest.mark.parametrize("ids", [[[0, 1, 3]], [[0, -1, 2]], [[0.5, 0, 0]]])
def test_unknown_tokens(ids):
    model = keras_bsd.applications.SpikingCharRNN("abc", units=(4,), timesteps=2)
    message = r"Token ids must (lie in \[0, 2\]. Received: values from -?\d to \d|be integers)"
    with pytest.raises(ValueError, match=message):
        model.predict(np.array(ids), verbose=0)


def test_weights_of_sequences():
    model = keras_bsd.applications.SpikingCharRNN("abc", units=(4,), timesteps=2)
    model.compile(run_eagerly=True)
    x = np.zeros((4, 5), "int32")
    with pytest.raises(ValueError, match=r"Pass `sample_weight` \(batch, elements\). Received: class_weight="):
        model.fit(x, x, class_weight={0: 1.0}, verbose=0)
    with pytest.raises(
        ValueError, match=r"`sample_weight` must have shape \(batch, 5\). Received: shape=\(4,\)"
    ):
        model.fit(x, x, sample_weight=np.ones(4), verbose=0)


NOTHING = "must have at least 2 samples whose weight is not 0, .* nothing. Received: "


@pytest.mark.parametrize(
    ("options", "weights", "message"),
    [
        ({}, {"sample_weight": np.zeros(12)}, NOTHING + "0"),
        ({}, {"sample_weight": np.eye(12)[0]}, NOTHING + "1"),
        ({}, {"class_weight": {0: 0.0, 1: 0.0, 2: 0.0}}, NOTHING + "0"),
        ({"codebook": False}, {"sample_weight": 1.0 * (Y == 1)}, "must differ .* Received: 4 equal targets"),
        ({"codebook": False}, {"class_weight": {0: 1.0, 1: 0.0, 2: 0}}, "must differ .* Received: 4 equal"),
        ({}, {"sample_weight": -np.ones(12)}, "`sample_weight` must be at least 0. Received: a weight of -1"),
        (
            {},
            {"class_weight": {0: np.nan}},
            r"to finite weights of at least 0. Received: class_weight=\{0: nan\}",
        ),
        ({}, {"class_weight": {0: -1.0}}, r"to finite weights of at least 0. Received: class_weight=\{0: -1"),
        ({}, {"class_weight": {7: 1.0}}, r"dict from classes in \[0, 2\] .* Received: class_weight=\{7: 1"),
    ],
)
def test_weights_that_leave_nothing_to_learn(options, weights, message):
    model = small_model(**options)
    for y in (Y, np.eye(3)[Y]):
        assert unchanged(model, lambda y=y: model.fit(X, y, verbose=0, **weights), message)
        assert unchanged(model, lambda y=y: model.train_on_batch(X, y, **weights), message)
    model.fit(X, Y, class_weight={0: 0.5, 1: 2.0}, verbose=0)


@pytest.mark.parametrize("y", [0 * np.eye(3)[Y], -np.eye(3)[Y], 255 * np.eye(3)[Y], np.ones((12, 3), int)])
def test_vectors_that_are_no_classes(y):
    model = small_model()
    message = (
        r"must be one-hot, or probabilities that add up to 1. Received: values from -?\d to -?\d+, and a vector"
    )
    assert unchanged(model, lambda: model.fit(X, y, verbose=0), message)
    model.fit(X, 0.9 * np.eye(3)[Y] + 0.1 / 3, verbose=0)  # smoothed labels


def test_several_labels_of_a_sample():
    model = small_model()
    labels = keras.Sequential(
        [keras.Input((4,)), *model.encoder.layers[:-1], Readout(keras.layers.Dense(3), "sigmoid")]
    )
    model = keras_bsd.BSDModel(labels, model.decoder)
    model.compile(loss="binary_crossentropy", run_eagerly=True)
    y = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1]] * 4)
    model.fit(X, y, verbose=0)
    with pytest.raises(ValueError, match=r"or probabilities in \[0, 1\]. Received: values from 0 to 2"):
        model.fit(X, 2 * y, verbose=0)


def test_values_whose_squares_are_not_finite():
    model = pairs.regression_pair()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"`y` must lie within 1e\+18, so that its square is finite"):
        model.fit(X, np.full((12, 2), 1e30), verbose=0)


def test_equal_targets_of_a_stream():
    model = pairs.regression_pair()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"must differ between samples: .* Received: 6 equal targets"):
        model.fit(dataset(X, np.zeros((12, 2))), shuffle=False, verbose=0)


def test_small_later_batches_are_trained_on():
    model = small_model(check_numerics=True)
    model.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(11), shuffle=False, verbose=0)


@pytest.mark.parametrize("shape", [(12, 3), (12,), (12, 2, 1)])
def test_targets_of_another_shape(shape):
    model = pairs.regression_pair()
    model.compile(run_eagerly=True)
    with pytest.raises(ValueError, match=r"Targets must have shape \(batch, 2\). Received: shape=\(12"):
        model.fit(X, np.zeros(shape), verbose=0)


class Failing(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        raise ValueError("disk full")


@pytest.mark.parametrize("form", FORMS)
def test_errors_of_others_keep_their_message(model, form):
    with pytest.raises(ValueError, match=r"^disk full$"):
        model.fit(*FORMS[form](X, Y), callbacks=[Failing()], shuffle=False, verbose=0)
    fresh = pairs.small_pair()
    with pytest.raises(ValueError, match="You must call `compile"):
        fresh.fit(*FORMS[form](X, Y), shuffle=False, verbose=0)


def test_the_error_of_a_generator_keeps_its_message(model):
    def images(count):
        yield from list(batches(X, Y))[:count]
        raise ValueError("cannot open image 17.png")

    class Images(Sequence):
        def __getitem__(self, index):
            raise ValueError("cannot open image 17.png")

    for stream in (images(0), images(1), Images(X, Y)):
        with pytest.raises(ValueError, match=r"^cannot open image 17\.png$"):
            model.fit(stream, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match=r"^cannot open image 17\.png$"):
        model.fit(X, Y, validation_data=images(0), verbose=0)


@pytest.mark.parametrize("way", FITS)
def test_a_generator_loses_no_batch(model, way):
    taken = []

    def stream():
        for batch in batches(X, Y):
            taken.append(batch)
            yield batch

    FITS[way](model, stream())
    assert len(taken) == 2


def test_validation_is_checked_before_the_first_step(model):
    before = int(model.optimizer.iterations)
    for form in FORMS:
        with pytest.raises(ValueError, match="Stimuli must lie in"):
            validate(model, *FORMS[form](255 * X, Y))
    assert int(model.optimizer.iterations) == before


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_quantised_encoder_predicts_at_once():
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(16,), timesteps=4)
    model.predict(X, verbose=0)
    model.encoder.quantize("int8")
    np.testing.assert_array_equal(model.predict(X, verbose=0), model.encoder.predict(X, verbose=0))
