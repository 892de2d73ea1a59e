import keras
import numpy as np
import pytest

from keras_bsd import datasets
from keras_bsd.applications import SpikingCharRNN
from keras_bsd.losses import InfoNCE, ReCo

ALPHABET = "abc "


def small_model(**kwargs):
    return SpikingCharRNN(ALPHABET, units=(8,), delays=3, **kwargs)


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x))


def test_sizes_by_default():
    model = SpikingCharRNN(ALPHABET)
    assert [stage.output_features for stage in model.decoder_stages] == [(256,)]
    kernels = 8 * 4 * 256 + 256 * 256
    assert model.encoder.count_params() == kernels + 2 * 256 + 257 * 4


def test_compares_currents_by_info_nce_by_default():
    model = small_model()
    assert (type(model.layer_loss), model.teacher_signal) == (InfoNCE, "current")
    assert type(small_model(layer_loss=None).layer_loss) is InfoNCE
    assert small_model(teacher_signal="rate").teacher_signal == "rate"
    other = small_model(layer_loss=ReCo(centring=None))
    assert (type(other.layer_loss), other.teacher_signal) == (ReCo, "rate")


def test_recalls_what_precedes_a_character():
    assert small_model().recall([0, 3]).shape == (2, 4)


def test_token_ids():
    model = small_model()
    ids = model.encode("cab a")
    assert ids.dtype == "int32"
    assert ids.tolist() == [2, 0, 1, 3, 0]
    assert model.decode(ids) == "cab a"
    assert model.decode([]) == ""


def test_generated_text_follows_from_the_seed():
    model = small_model()
    text = model.generate("abc", 12, temperature=1.5, seed=3)
    assert len(text) == 12
    assert {*text} <= {*ALPHABET}
    assert text == model.generate("abc", 12, temperature=1.5, seed=3)
    assert text != model.generate("abc", 12, temperature=1.5, seed=4)
    assert model.generate("abc", 0) == ""


def test_without_temperature_the_most_probable_character():
    model = small_model()
    ids = model.encode("abc cab")
    (probabilities,) = outputs(model, ids[None])
    assert model.generate("abc cab", 1, temperature=0) == ALPHABET[probabilities[-1].argmax()]


@pytest.mark.slow
def test_learns_and_generates_a_text():
    model = SpikingCharRNN(ALPHABET, units=(24,), delays=3)
    model.compile(keras.optimizers.AdamW(1.5e-2), metrics=["accuracy"])
    text = "abc cab " * 60  # the last two letters determine the next
    batches = datasets.TextWindows(model.encode(text), window=16, batch_size=4)
    model.fit(batches, epochs=8, shuffle=False, verbose=0)
    assert model.generate("abc cab ", 16, temperature=0) == "abc cab " * 2


def test_elements_of_weight_zero_have_no_influence():
    model = small_model()
    model.compile()
    generator = np.random.default_rng(0)
    x, other = generator.integers(0, 4, (2, 4, 6))
    weights = np.ones((4, 6), "float32")
    weights[:, 3:] = 0
    y = np.where(weights, x, other)
    distillations = [model.distil(x, x, weights), model.distil(x, y, weights), model.distil(x, y)]
    losses = np.array(
        [
            [keras.ops.convert_to_numpy(loss) for loss in (step.task_loss, step.stage_losses[0])]
            for step in distillations
        ]
    )
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert not np.isclose(losses[0], losses[2], rtol=1e-3).any()


def test_saved_and_loaded(tmp_path):
    model, x = small_model(), np.random.default_rng(0).integers(0, 4, (4, 6))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for other in (loaded, small_model(weights=tmp_path / "model.keras")):
        np.testing.assert_array_equal(outputs(other, x), outputs(model, x))
    assert loaded.alphabet == ALPHABET
    assert loaded.layer_loss.get_config() == model.layer_loss.get_config()
    assert loaded.encode("cab").tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikingCharRNN("aba"), "at least two characters, each once. Received: 'aba'"),
        (lambda: SpikingCharRNN(ALPHABET, units=()), "at least one stage"),
        (lambda: SpikingCharRNN(ALPHABET, timesteps=0), "Received: timesteps=0"),
        (lambda: small_model().encode("abxyx"), "Received: unknown characters 'xy' in text='abxyx'"),
        (lambda: small_model().generate("", 3), "at least one character"),
        (lambda: small_model().generate("a", -1), "`length` must be"),
        (lambda: small_model().generate("a", 1, temperature=-1), "`temperature` must"),
        (
            lambda: small_model().fit(np.zeros((2, 3)), np.full((2, 3), 4)),
            r"Classes must lie in \[0, 3\]. Received: values from 4 to 4",
        ),
        (
            lambda: small_model().fit(np.zeros((2, 3)), np.zeros(2)),
            r"\(batch, elements\) or of shape \(batch, elements, 4\). Received: shape=\(2,\)",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unknown_ids_and_texts():
    model = SpikingCharRNN("abc", units=(4,))
    for ids, message in (
        ([0, -1], "Received: values from -1 to 0"),
        ([3], r"lie in \[0, 2\]"),
        ([0.5], "must be integers. Received: float64 such as 0.5"),
    ):
        with pytest.raises(ValueError, match=message):
            model.decode(ids)
    with pytest.raises(ValueError, match=r"`text` must be a string. Received: <class 'list'>"):
        model.encode(["a", "b"])
    assert model.decode(np.array([2, 0])) == "ca"
    assert model.decode([]) == ""
