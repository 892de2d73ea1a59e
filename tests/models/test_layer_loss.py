"""Layer losses within a pair."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.losses import LayerLoss, Pairing, ReCo, SimilarityMatching, cosine_affinity
from tests.models import pairs


@keras.saving.register_keras_serializable("tests")
class SquaredDifference(LayerLoss):
    """A layer loss without negatives, written by a user."""

    def __init__(self, factor=1.0, name="squared_difference", **kwargs):
        super().__init__(name=name, **kwargs)
        self.factor = factor

    def pairing(self, targets, concepts=None, classes=False, negatives="dissimilar"):
        positives = ops.eye(ops.shape(targets)[0]) if concepts is None else targets
        return Pairing(positives, {"classes": classes, "negatives": negatives})

    def compare(self, representations, teacher, pairing):
        assert pairing.terms == {"classes": True, "negatives": "all"}
        errors = ops.mean(ops.square(representations[:, None] - teacher[None]), axis=-1)
        loss = self.factor * ops.sum(pairing.positives * errors, axis=1)
        return loss, cosine_affinity(representations, teacher)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def stage_losses(model, x, y):
    return [
        float(ops.convert_to_numpy(loss)) for loss in model.distil(x, ops.convert_to_tensor(y)).stage_losses
    ]


@pytest.mark.parametrize("codebook", [True, False])
def test_a_layer_loss_of_the_users_own(codebook, tmp_path):
    model = pairs.small_pair(layer_loss=SquaredDifference(2.0), codebook=codebook, negatives="all")
    model.compile(keras.optimizers.AdamW(0.01))
    x, y = pairs.samples(model)
    before = stage_losses(model, x, y)
    assert len(before) == 1
    history = model.fit(x, y, epochs=8, verbose=0).history
    assert set(history) == {"loss", "first_alignment", "first_firing_rate"}
    assert stage_losses(model, x, y) < before
    model.save(tmp_path / "pair.keras")
    loaded = keras.saving.load_model(tmp_path / "pair.keras")
    assert loaded.layer_loss.factor == 2.0
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("codebook", [True, False])
def test_a_stage_loss_is_the_mean_of_its_comparison(codebook, monkeypatch):
    """`pairing` gets the targets, the codebook and the arguments of the model once, `compare` all stages."""
    model = pairs.dense_pair(layer_loss=ReCo(), codebook=codebook, negatives="all")
    model.compile()
    calls, losses, loss = [], [], model.layer_loss
    pairing, compare = loss.pairing, loss.compare

    def record_pairing(*arguments):
        calls.append(arguments)
        return pairing(*arguments)

    def record_loss(*arguments):
        result = compare(*arguments)
        losses.append(result[0])
        return result

    monkeypatch.setattr(loss, "pairing", record_pairing)
    monkeypatch.setattr(loss, "compare", record_loss)
    x, y = pairs.samples(model)
    mean_losses = stage_losses(model, x, y)
    ((targets, concepts, classes, negatives),) = calls
    np.testing.assert_array_equal(ops.convert_to_numpy(targets), np.eye(3)[y])
    if codebook:
        np.testing.assert_array_equal(ops.convert_to_numpy(concepts), np.eye(3))
    else:
        assert concepts is None
    assert (classes, negatives) == (True, "all")
    means = [ops.convert_to_numpy(values).mean() for values in losses]
    np.testing.assert_allclose(mean_losses, means, rtol=1e-6)


def test_similarity_matching_with_a_codebook_learns_digits(digits):
    (x, y), (x_test, y_test) = digits
    model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(48,), layer_loss=SimilarityMatching())
    assert model.codebook
    model.compile(keras.optimizers.AdamW(6e-3), metrics=[pairs.accuracy()])
    before = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    history = model.fit(x, y, batch_size=64, epochs=3, verbose=0).history
    assert history["dense_1_alignment"][-1] > history["dense_1_alignment"][0] + 0.05
    after = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]
    assert before < 0.4
    assert after > 0.85


@pytest.mark.parametrize("layer_loss", [keras.losses.MeanSquaredError(), dict], ids=["Keras loss", "class"])
def test_another_loss_is_an_error(layer_loss):
    message = r"`layer_loss` must be a keras_bsd.losses.LayerLoss: .* Received: layer_loss="
    with pytest.raises(ValueError, match=message):
        pairs.small_pair(layer_loss=layer_loss)
