"""Pairs that classify sequences as a whole: what they learn, masks, weights, streams, files and errors."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.applications import SpikingRNN
from keras_bsd.layers import Readout, SequenceReadout, SpikingDense, SpikingRecurrent


def sweeps(count, seed=0):
    """Return rising and falling sweeps over 8 channels in 12 bins, of equal rates, and their classes."""
    generator = np.random.default_rng(seed)
    y = np.arange(count) % 2
    start = generator.integers(0, 8, (count, 1))
    channel = (start + np.where(y, 1, -1)[:, None] * np.arange(12)) % 8
    x = (channel[..., None] == np.arange(8)).astype("float32")
    return np.maximum(x, (generator.random(x.shape) < 0.02).astype("float32")), y


def small(**options):
    keras.utils.set_random_seed(0)
    return SpikingRNN((12, 8), 2, units=(24, 16), delays=3, **options)


def test_the_order_of_events_is_learned():
    """Firing rates by channel are the same in both classes; only the order of events tells them apart."""
    model, (x, y) = small(), sweeps(400)
    model.compile(keras.optimizers.AdamW(0.01), metrics=["accuracy"])
    model.fit(x, y, batch_size=40, epochs=8, verbose=0)
    assert model.evaluate(*sweeps(200, seed=1), verbose=0, return_dict=True)["accuracy"] > 0.95
    assert model.recall([0, 1]).shape == (2, 8)


def test_a_step_equals_that_of_single_elements():
    """Stage losses compare elements; the task's loss compares sequences."""
    model, (x, y) = small(), sweeps(6)
    model.compile()
    step = model.distil(ops.convert_to_tensor(x), ops.convert_to_tensor(y))
    assert tuple(step.scores.shape) == (6, 2)
    expected = keras.losses.sparse_categorical_crossentropy(ops.convert_to_tensor(y), step.scores)
    loss, expected = map(ops.convert_to_numpy, (step.task_loss, ops.mean(expected)))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def _trained(x, y, learning_rate=0.1, sample_weight=None):
    """Return the weights of a pair that masks elements of -1, after a step."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 8))
    spikes = SpikingRecurrent(6, delays=2, timesteps=2)(keras.layers.Masking(-1.0)(inputs))
    scores = SequenceReadout(keras.layers.Dense(2), "softmax", targets="mean")(spikes)
    stages = [SpikingDense(6, "layer", timesteps=2), Readout(keras.layers.Dense(8))]
    decoder = keras.Sequential([keras.Input((2,)), *stages])
    model = keras_bsd.BSDSequenceClassifier(keras.Model(inputs, scores), decoder)
    model.compile(keras.optimizers.SGD(learning_rate), run_eagerly=True)
    before = model.get_weights()
    model.train_on_batch(x, y, sample_weight=sample_weight)
    after = model.get_weights()
    assert any(np.abs(new - old).max() > 1e-4 for new, old in zip(after, before, strict=True))
    return after


def test_masked_elements_change_nothing():
    x, y = sweeps(8)
    padded = np.concatenate([x, np.full((8, 4, 8), -1, "float32")], axis=1)
    for one, other in zip(_trained(x, y), _trained(padded, y), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_samples_without_weight_change_nothing():
    """Losses are means over a batch, so that with two of no weight beside eight they are 0.8 of theirs."""
    x, y = sweeps(8)
    more, labels = np.concatenate([x, np.ones_like(x[:2])]), np.append(y, [0, 1])
    expected = _trained(x, y)
    weights = _trained(more, labels, 0.1 * 10 / 8, np.array([1.0] * 8 + [0.0] * 2, "float32"))
    for one, other in zip(expected, weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_stream_decides_by_all_elements_so_far():
    model, (x, _) = small(), sweeps(3)
    stream = model.streamer(streams=3)
    outputs = [stream.push(x[:, t]) for t in range(12)]
    np.testing.assert_allclose(outputs[-1], model.predict(x, verbose=0), atol=1e-6)
    shorter = SpikingRNN((5, 8), 2, units=(24, 16), delays=3)
    shorter.set_weights(model.get_weights())
    np.testing.assert_allclose(outputs[4], shorter.predict(x[:, :5], verbose=0), atol=1e-6)


def test_long_streams_count_in_half_precision():
    """In bfloat16 sums of ones stop growing at 256."""
    readout = SequenceReadout(keras.layers.Identity(), targets="mean", dtype="bfloat16")
    rates = np.repeat([0.0, 1.0], 300)[None, :, None, None]
    np.testing.assert_allclose(float(ops.mean(readout(rates.astype("float32")))), 0.5, rtol=0.01)
    with keras_bsd.StateScope() as first:
        readout(rates[:, :300])
    with keras_bsd.StateScope(first.states):
        whole = readout(rates[:, 300:])
    np.testing.assert_allclose(float(ops.mean(ops.cast(whole, "float32"))), 0.5, rtol=0.01)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="files are written on TensorFlow")
@pytest.mark.parametrize("streaming", [False, True])
def test_onnx_files(streaming, tmp_path):
    model, (x, y) = small(), sweeps(4)
    keras_bsd.export.export_onnx(model, tmp_path / "network.onnx", streaming=streaming)
    report = keras_bsd.export.check_onnx(model, tmp_path / "network.onnx", x, y)
    assert report["outputs"]["scores"]["same"] == 1


def test_saves_loads_and_audits(tmp_path):
    model, (x, y) = small(local_readout_weight=1.0), sweeps(8)
    model.compile(metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "pair.keras")
    loaded = SpikingRNN(weights=tmp_path / "pair.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    report = keras_bsd.audit.plausibility(model, x, y)
    assert report.criteria
    assert keras_bsd.audit.energy(model, x).layers


def test_elements_of_any_shape_and_number():
    model = SpikingRNN((None, 4, 3, 2), 3, units=(5,))
    assert model.predict(np.zeros((2, 7, 4, 3, 2)), verbose=0).shape == (2, 3)
    assert model.recall([0]).shape == (1, 4, 3, 2)


def _encoder(targets="all", readout="mean", classes=2, features=4):
    inputs = keras.Input((5, features))
    spikes = SpikingRecurrent(6, timesteps=2, targets=targets)(inputs)
    return keras.Model(inputs, SequenceReadout(keras.layers.Dense(classes), "softmax", targets=readout)(spikes))


def _decoder(features=4):
    return keras.Sequential(
        [keras.Input((2,)), SpikingDense(6, timesteps=2), Readout(keras.layers.Dense(features))]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: keras_bsd.BSDSequenceClassifier(_encoder(), _decoder(3)),
            r"Received: \(None, 5, 4\) -> .* 3\)",
        ),
        (
            lambda: keras_bsd.BSDSequenceClassifier(_encoder(classes=3), _decoder(2)),
            r"-> \(None, 3\), \(None, 2\) -> \(None, 2\)",
        ),
        (
            lambda: keras_bsd.BSDSequenceClassifier(_encoder(classes=3, features=2), _decoder(2)),
            r"-> \(None, 3\), \(None, 2\) -> \(None, 2\)",
        ),
        (lambda: keras_bsd.BSDSequenceClassifier(_encoder(readout="all"), _decoder()), "a decoder .* Received"),
        (
            lambda: keras_bsd.BSDSequenceClassifier(_encoder(targets="last"), _decoder()),
            "Received: targets last, mean of the readout",
        ),
        (lambda: SpikingRNN((8, 4), 2, units=(3,), task="regression"), "Received: task='regression'. Omit"),
        (lambda: SpikingRNN((8,), 2), r"`input_shape` must be \(elements, ...\). Received: input_shape=\(8,\)"),
        (lambda: SpikingRNN((8, 4), 1), "`classes` must be an integer of at least 2"),
        (lambda: SpikingRNN((8, None), 2), "`input_shape` must be a sequence of positive ints"),
        (
            lambda: keras_bsd.applications.SpikingConvNet((8, 8, 1), 3, timesteps=None),
            r"must be \(time, height, width, channels\) with timesteps=None. Received: input_shape=\(8, 8, 1\)",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("name", ["SpikingMLP", "SpikingConvNet", "SpikingResNet"])
def test_classifiers_take_frames_over_time(name):
    options = {"SpikingMLP": {"units": (6, 5)}, "SpikingConvNet": {"filters": (2, 3), "pool_sizes": (2, 2)}}
    options = options.get(name, {"filters": (2,), "blocks": (1,)})
    build = getattr(keras_bsd.applications, name)
    model = build((5, 8, 6, 2), 3, timesteps=None, **options)
    model.compile(metrics=["accuracy"])
    x = (np.random.default_rng(0).random((6, 5, 8, 6, 2)) < 0.2).astype("float32")
    model.fit(x, np.arange(6) % 3, verbose=0)
    assert model.recall([0, 1]).shape == (2, 5, 8, 6, 2)
    any_length = build((None, 8, 6, 2), 3, timesteps=None, **options)
    assert any_length.predict(x, verbose=0).shape == (6, 3)
    assert any_length.recall([0, 1]).shape == (2, 8, 6, 2)
