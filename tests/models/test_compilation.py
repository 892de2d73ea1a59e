"""On TensorFlow and a CPU, `fit` compiles with XLA where training is long enough for it to pay."""

import warnings

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.models import _compilation
from keras_bsd.models._compilation import xla_pays
from tests.models import pairs

on_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="only TensorFlow leaves XLA out on a CPU"
)


@pytest.fixture
def pays_at_once(monkeypatch):
    monkeypatch.setattr(_compilation, "STEPS", 1)


def compiled(make=pairs.small_pair, **options):
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(keras.optimizers.SGD(0.1), **options)
    return model


def stages(**options):
    return keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(200,), **options).encoder_stages


@pytest.mark.parametrize(
    ("samples", "lengths", "pays"),
    [
        (1000, {"batch_size": 100, "epochs": 74}, False),  # 20,000 neurons in a batch: half of STEPS
        (1000, {"batch_size": 100, "epochs": 75}, True),
        (1000, {"batch_size": 100, "epochs": 75, "initial_epoch": 1}, False),
        (901, {"batch_size": 100, "epochs": 75}, True),  # the last batch of an epoch is a step as well
        (1000, {"batch_size": 100, "epochs": 1, "steps_per_epoch": 750}, True),
        (1000, {"epochs": 35}, False),  # Keras's batches of 32
        (1000, {"epochs": 36}, True),
    ],
)
def test_long_trainings_pay(samples, lengths, pays):
    assert xla_pays(stages(), np.zeros((samples, 8, 8, 1)), **lengths) == pays


def test_elements_of_sequences_count():
    model = keras_bsd.applications.SpikingForecaster(10, 1, 3, units=(200,))
    windows = np.zeros((10, 10, 3))  # 20,000 neurons in a batch
    assert not xla_pays(model.encoder_stages, windows, 10, epochs=749)
    assert xla_pays(model.encoder_stages, windows, 10, epochs=750)


def test_convolutions_do_not_pay():
    model = keras_bsd.applications.SpikingConvNet((8, 8, 1), 10, filters=(4, 4), pool_sizes=(2, 1))
    assert not xla_pays(model.encoder_stages, np.zeros((1000, 8, 8, 1)), epochs=10**6)


def test_streams_of_known_shape_pay():
    x, y = np.zeros((1000, 8, 8, 1), "float32"), np.zeros(1000)
    batches = keras_bsd.datasets.Batches(x, y, batch_size=100)
    assert not xla_pays(stages(), batches, epochs=74)
    assert xla_pays(stages(), batches, epochs=75)
    assert not xla_pays(stages(), (batches[i] for i in range(10)), epochs=10**6)
    assert not xla_pays(stages(), (batches[i] for i in range(10)), epochs=1, steps_per_epoch=10**6)


def test_tensorflow_data_sets_pay():
    tf = pytest.importorskip("tensorflow")
    x, y = np.zeros((1000, 8, 8, 1), "float32"), np.zeros(1000)
    whole = tf.data.Dataset.from_tensor_slices((x, y)).batch(100, drop_remainder=True)
    assert not xla_pays(stages(), whole, epochs=74)
    assert xla_pays(stages(), whole, epochs=75)
    assert not xla_pays(stages(), whole.repeat(), epochs=10**6)  # of unknown length
    assert xla_pays(stages(), whole.repeat(), epochs=1, steps_per_epoch=750)
    spec = (tf.TensorSpec((None, 8, None, 1)), tf.TensorSpec((None,)))
    varying = tf.data.Dataset.from_generator(lambda: iter([(x, y)]), output_signature=spec)
    assert not xla_pays(stages(), varying, epochs=1, steps_per_epoch=10**6)


@on_tensorflow
def test_fit_compiles_with_xla_where_it_pays(monkeypatch):
    model = compiled()
    x, y = pairs.samples(model, 12)
    model.fit(x, y, batch_size=6, verbose=0)
    assert model.jit_compile is False
    monkeypatch.setattr(_compilation, "STEPS", 1)
    model.fit(x, y, batch_size=6, verbose=0)
    assert model.jit_compile is True
    assert model.evaluate(x, y, verbose=0) == pytest.approx(compiled_alike(model).evaluate(x, y, verbose=0))


def compiled_alike(model):
    """Return a model with the same weights that XLA does not compile."""
    other = compiled(jit_compile=False)
    other.set_weights(model.get_weights())
    return other


@on_tensorflow
def test_a_model_that_xla_has_trained_predicts_what_it_does_without(pays_at_once):
    """XLA rounds otherwise, by which spikes can change: a saved and loaded model must predict the same."""
    model = compiled(lambda: keras_bsd.applications.SpikingMLP((4,), 3, units=(256, 256)))
    x, y = pairs.samples(model, 500)
    model.fit(x, y, epochs=3, verbose=0)
    assert model.jit_compile is True
    other = compiled(lambda: keras_bsd.applications.SpikingMLP((4,), 3, units=(256, 256)), jit_compile=False)
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))


@on_tensorflow
def test_xla_learns_the_same(pays_at_once):
    weights = []
    for options in ({}, {"jit_compile": False}):
        model = compiled(**options)
        x, y = pairs.samples(model, 12)
        model.fit(x, y, batch_size=6, epochs=2, shuffle=False, verbose=0)
        assert model.jit_compile is (not options)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("options", [{"jit_compile": False}, {"run_eagerly": True}])
def test_what_compile_says_holds(options, pays_at_once):
    model = compiled(**options)
    before = model.jit_compile
    model.fit(*pairs.samples(model, 6), verbose=0)
    assert model.jit_compile is before


def test_the_surrogate_rule_is_left_alone(pays_at_once):
    """XLA cannot compile the gradient of a loop over time."""
    model = compiled(lambda: keras_bsd.applications.SpikingCharRNN("abc ", units=(4,), rule="surrogate"))
    before = model.jit_compile
    model.fit(np.zeros((4, 6), "int32"), np.ones((4, 6), "int32"), verbose=0)
    assert model.jit_compile is before


@on_tensorflow
def test_layers_that_xla_does_not_support_are_left_alone(pays_at_once):
    model = compiled()
    model.encoder_stages[0].supports_jit = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*pairs.samples(model, 6), verbose=0)
    assert model.jit_compile is False


@pytest.mark.parametrize("options", [{}, {"jit_compile": False}, {"jit_compile": "auto"}])
def test_the_choice_is_saved(options, tmp_path, pays_at_once):
    model = compiled(**options)
    model.fit(*pairs.samples(model, 6), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    saved = loaded.get_compile_config()["jit_compile"]
    assert saved == model.get_compile_config()["jit_compile"] == options.get("jit_compile", "auto")
    loaded.fit(*pairs.samples(model, 6), verbose=0)
    assert loaded.jit_compile is model.jit_compile


def test_fit_needs_compile():
    model = pairs.small_pair()
    with pytest.raises(ValueError, match="compile"):
        model.fit(*pairs.samples(model, 6), verbose=0)
