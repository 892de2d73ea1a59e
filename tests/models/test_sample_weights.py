"""A row of weight 0 is no sample: whatever it holds, all losses, updates and logs are the same."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import keras_bsd
from keras_bsd.layers import Readout, SequenceReadout, SpikingDense, SpikingRecurrent
from keras_bsd.losses import FrequencyReCo, LayerLoss, Pairing, ReCo, SimilarityMatching, cosine_affinity
from tests.gradients import weight_gradients_of_each
from tests.models import pairs

Dense = keras.layers.Dense
LOSSES = {
    "reco": ReCo,
    "paper": lambda: ReCo(margin=1.0, centring=None),
    "by sample": lambda: ReCo(centring="sample"),
    "frequency": FrequencyReCo,
    "similarity": SimilarityMatching,
    "gaussian": lambda: SimilarityMatching(kernel="gaussian"),
    "sharpened": lambda: SimilarityMatching(sharpening=0.5),
}


class OwnLoss(LayerLoss):
    """A loss of single pairs, whose `pairing` does not know of rows without weight."""

    def pairing(self, targets, concepts=None, classes=False, negatives="dissimilar"):
        return Pairing(ops.eye(ops.shape(targets)[0]) if concepts is None else targets)

    def compare(self, representations, teacher, pairing):
        errors = ops.mean(ops.square(representations[:, None] - teacher[None]), axis=-1)
        return ops.sum(pairing.positives * errors, axis=1), cosine_affinity(representations, teacher, None)


def dense(outputs, activation=None, **kwargs):
    """Return a pair without batch normalisation, whose statistics would depend on all rows."""
    stage = SpikingDense(7, normalization="layer", timesteps=3, name="stage")
    encoder = keras.Sequential([keras.Input((4,)), stage, Readout(Dense(outputs), activation)])
    decoder = keras_bsd.mirror(encoder, normalization="layer")
    return keras_bsd.BSDModel(encoder, decoder, local_readout_weight=0.5, **kwargs)


def classifier(**kwargs):
    return dense(3, "softmax", **kwargs)


def regressor(**kwargs):
    return dense(2, task="regression", **kwargs)


def autoencoder(**kwargs):
    stages = [SpikingDense(units, normalization="layer", name=f"stage_{units}") for units in (3, 6)]
    first = SpikingDense(6, normalization="layer", timesteps=3)
    encoder = keras.Sequential([keras.Input((5,)), first, *stages, Readout(Dense(5))])
    decoder = keras_bsd.mirror(encoder, normalization="layer")
    return keras_bsd.BSDAutoencoder(encoder, decoder, "stage_3", local_readout_weight=0.5, **kwargs)


def images(**kwargs):
    """Return a pair whose targets and outputs are images."""
    first = SpikingDense(6, normalization="layer", timesteps=3)
    encoder = keras.Sequential(
        [keras.Input((5,)), first, Readout([Dense(24), keras.layers.Reshape((4, 3, 2))])]
    )
    first = SpikingDense(6, normalization="layer", timesteps=3)
    decoder = keras.Sequential([keras.Input((4, 3, 2)), first, Readout(Dense(5))])
    return keras_bsd.BSDModel(encoder, decoder, task="regression", local_readout_weight=0.5, **kwargs)


def forecaster(**kwargs):
    stage = SpikingRecurrent(7, delays=2, timesteps=2, targets="last", name="stage")
    values = [Dense(6), keras.layers.Reshape((3, 2))]
    encoder = keras.Sequential([keras.Input((5, 2)), stage, SequenceReadout(values, targets="last")])
    window = [Dense(10), keras.layers.Reshape((5, 2))]
    stage = SpikingDense(7, normalization="layer", timesteps=2)
    decoder = keras.Sequential([keras.Input((3, 2)), stage, Readout(window)])
    return keras_bsd.BSDForecastModel(encoder, decoder, local_readout_weight=0.5, **kwargs)


def characters(**kwargs):
    tokens = keras.Input((5,), dtype="int32")
    spikes = SpikingRecurrent(7, delays=2, timesteps=2)(keras_bsd.encoding.OneHotEncoder(3)(tokens))
    encoder = keras.Model(tokens, SequenceReadout(Dense(3), "softmax")(spikes))
    stage = SpikingDense(7, normalization="layer", timesteps=2)
    decoder = keras.Sequential([keras.Input((3,)), stage, Readout(Dense(3))])
    return keras_bsd.BSDSequenceModel(encoder, decoder, local_readout_weight=0.5, **kwargs)


MAKERS = {f.__name__: f for f in (classifier, regressor, autoencoder, images, forecaster, characters)}
PAIRS = {
    **{f"classifier, {loss}": ("classifier", loss, {}) for loss in LOSSES},
    **{f"classifier, {loss}, batch": ("classifier", loss, {"codebook": False}) for loss in LOSSES},
    "classifier, all": ("classifier", "reco", {"codebook": False, "negatives": "all"}),
    "classifier, surrogate": ("classifier", "reco", {"codebook": False, "rule": "surrogate"}),
    **{f"regressor, {loss}": ("regressor", loss, {}) for loss in LOSSES},
    **{f"images, {loss}": ("images", loss, {}) for loss in ("frequency", "sharpened")},
    "autoencoder, similarity": ("autoencoder", "similarity", {}),
    "forecaster, reco": ("forecaster", "reco", {}),
    "characters, reco": ("characters", "reco", {}),
    "characters, reco, batch": ("characters", "reco", {"codebook": False}),
}


def scalars(step):
    return [step.task_loss, step.recall_loss, *step.stage_losses, *step.alignments, *step.firing_rates]


def gradients_and_logs(model, x, y, weights):
    """Return the gradients of all losses of one step by all weights, and each loss and log."""
    x, y, weights = map(ops.convert_to_tensor, (x, y, weights))

    def values():
        step = model.distil(x, y, weights)
        return [step.total, *scalars(step)]

    (_, *alone), gradients = weight_gradients_of_each(values, model.trainable_variables)
    return next(gradients), np.array(alone)


def logs(model, x, y, weights):
    step = model.distil(ops.convert_to_tensor(x), ops.convert_to_tensor(y), weights)
    return np.array([float(ops.convert_to_numpy(value)) for value in scalars(step)])


def other_rows(model, x, y, absent, seed):
    """Return the data with other values in the rows that are `absent`."""
    other_x, other_y = pairs.samples(model, len(x), seed)
    rows = absent.reshape(absent.shape + (1,) * (x.ndim - absent.ndim))
    targets = absent.reshape(absent.shape + (1,) * (y.ndim - absent.ndim))
    return np.where(rows, other_x, x), np.where(targets, other_y, y)


@pytest.mark.parametrize("name", PAIRS)
def test_what_stands_in_rows_of_weight_zero_changes_nothing(name):
    make, loss, options = PAIRS[name]
    keras.utils.set_random_seed(0)
    model = MAKERS[make](layer_loss=LOSSES[loss](), **options)
    model.compile()
    x, y = pairs.samples(model, 8)
    kept = np.array([1, 0, 1, 1, 0, 1, 1, 0], "bool")
    weights = kept * np.array([1, 1, 2, 1, 1, 0.5, 1, 1], "float32")
    x_other, y_other = other_rows(model, x, y, ~kept, seed=1)
    weights = weights[:, None].repeat(5, axis=1) if make == "characters" else weights  # of each element
    assert not np.array_equal(x, x_other)
    expected, expected_logs = gradients_and_logs(model, x, y, weights)
    values, other_logs = gradients_and_logs(model, x_other, y_other, weights)
    for a, b in zip(expected, values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6)
    np.testing.assert_allclose(expected_logs, other_logs, rtol=1e-5)

    alone, _ = gradients_and_logs(model, x[kept], y[kept], weights[kept])
    assert any(np.abs(gradient).max() > 1e-3 for gradient in alone)
    for a, b in zip(expected, alone, strict=True):
        np.testing.assert_allclose(a * len(kept) / kept.sum(), b, rtol=1e-4, atol=5e-6)  # Keras's mean


@pytest.fixture(scope="module")
def gaussian_pairs():
    """A pair with a codebook, and one without."""
    keras.utils.set_random_seed(0)
    loss = SimilarityMatching(kernel="gaussian")
    made = [classifier(layer_loss=loss, codebook=codebook) for codebook in (True, False)]
    for model in made:
        model.compile()
    return made


@settings(max_examples=5, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=6, max_size=6), st.integers(1, 1000))
def test_any_weights(gaussian_pairs, weights, seed):
    weights = np.array(weights, "float32")
    for model in gaussian_pairs:
        x, y = pairs.samples(model, 6)
        expected = logs(model, x, y, weights)
        assert np.isfinite(expected).all()
        values = logs(model, *other_rows(model, x, y, weights == 0, seed), weights)
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_elements_of_weight_zero():
    """What is to follow an element of weight 0 changes nothing. The element itself is the context of others."""
    model = characters(codebook=False)
    model.compile()
    x, y = pairs.samples(model, 4)
    weights = np.random.default_rng(0).integers(0, 2, y.shape).astype("float32")
    _, y_other = other_rows(model, x, y, weights == 0, seed=1)
    assert not np.array_equal(y, y_other)
    results = [gradients_and_logs(model, x, targets, weights)[0] for targets in (y, y_other)]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("codebook", [True, False])
def test_updates_and_logs_of_training(codebook):
    results = []
    for seed in (0, 1):
        keras.utils.set_random_seed(0)
        model = classifier(codebook=codebook)
        model.compile("sgd", weighted_metrics=["accuracy"], run_eagerly=True)
        x, y = pairs.samples(model, 6)
        weights = np.array([1, 0, 1, 1, 0, 1], "float32")
        x, y = other_rows(model, x, y, weights == 0, seed)
        history = model.fit(
            x, y, sample_weight=weights, batch_size=6, epochs=2, verbose=0, shuffle=False
        ).history
        results.append((history, [ops.convert_to_numpy(w) for w in model.weights]))
    (history, values), (other_history, other_values) = results
    assert history.keys() == other_history.keys()
    for name in history:
        np.testing.assert_allclose(history[name], other_history[name], rtol=1e-5)
    for a, b in zip(values, other_values, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("codebook", [True, False])
def test_a_loss_of_ones_own_need_not_know_of_weights(codebook):
    model = classifier(layer_loss=OwnLoss(name="own"), codebook=codebook)
    model.compile()
    x, y = pairs.samples(model, 6)
    weights = np.array([1, 0, 1, 1, 0, 1], "float32")
    expected = logs(model, x, y, weights)
    np.testing.assert_allclose(
        logs(model, *other_rows(model, x, y, weights == 0, 1), weights), expected, rtol=1e-5
    )


@pytest.mark.parametrize("name", LOSSES)
def test_a_layer_loss_as_a_keras_loss(name):
    loss, generator = LOSSES[name](), np.random.default_rng(0)
    teacher, rates = generator.random((2, 5, 4, 3, 2)).astype("float32")
    weights = np.array([1, 0, 2, 1, 0], "float32")
    absent = (weights == 0)[:, None, None, None]
    other_teacher, other_rates = (np.where(absent, 1 - values, values) for values in (teacher, rates))
    expected = float(loss(teacher, rates, weights))
    assert float(loss(other_teacher, other_rates, weights)) == pytest.approx(expected, rel=1e-5)
    kept = weights != 0
    alone = float(loss(teacher[kept], rates[kept], weights[kept]))
    assert alone * kept.sum() / len(kept) == pytest.approx(expected, rel=1e-5)


def test_weights_of_pixels_are_an_error():
    model = autoencoder()
    model.compile()
    x, y = pairs.samples(model, 2)
    with pytest.raises(
        ValueError, match=r"one weight for each sample, \(batch,\). Received: shape=\(2, 4, 3\)"
    ):
        model.distil(x, y, np.ones((2, 4, 3), "float32"))


def test_a_batch_without_a_weight_has_no_losses():
    for codebook in (True, False):
        model = classifier(codebook=codebook)
        model.compile()
        x, y = pairs.samples(model, 4)
        np.testing.assert_array_equal(logs(model, x, y, np.zeros(4, "float32")), 0)


@pytest.mark.parametrize("make", [name for name in MAKERS if name != "characters"])
def test_evaluation_takes_a_weight_for_each_sample(make):
    model = MAKERS[make]()
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model, 4)
    losses = [model.evaluate(x, y, sample_weight=np.full(4, weight), verbose=0) for weight in (1, 2)]
    assert losses[1] == pytest.approx(2 * losses[0], rel=1e-5)
    model.fit(x, y, sample_weight=np.ones(4), verbose=0)
