"""The contract of layer losses."""

import numpy as np
import pytest
from keras import ops

from keras_bsd.losses import FrequencyReCo, LayerLoss, Pairing, ReCo, SimilarityMatching
from tests.gradients import gradients

LOSSES = {
    "reco": ReCo,
    "frequency": FrequencyReCo,
    "similarity": SimilarityMatching,
    "gaussian": lambda: SimilarityMatching(kernel="gaussian"),
    "sharpened": lambda: SimilarityMatching(sharpening=0.5),
}
CLASSES = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 0]]
IMAGES = np.random.default_rng(1).random((6, 4, 6, 2)).astype("float32")
# Arguments of `pairing`, and the number of prototypes.
SETTINGS = {
    "codebook": (lambda loss: loss.pairing(CLASSES, np.eye(3, dtype="float32"), classes=True), 3),
    "classes": (lambda loss: loss.pairing(CLASSES, classes=True), 6),
    "all classes": (lambda loss: loss.pairing(CLASSES, classes=True, negatives="all"), 6),
    "values": (lambda loss: loss.pairing(CLASSES - 0.3), 6),
    "images": (lambda loss: loss.pairing(IMAGES), 6),
}


def representations(prototypes, features, dtype="float32"):
    generator = np.random.default_rng(0)
    return [
        ops.cast(ops.convert_to_tensor(generator.random((count, *features)).astype("float32")), dtype)
        for count in (6, prototypes)
    ]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", LOSSES)
def test_shapes_and_dtypes(name, setting):
    loss, (make_pairing, prototypes) = LOSSES[name](), SETTINGS[setting]
    pairing = make_pairing(loss)
    assert tuple(pairing.positives.shape) == (6, prototypes)
    for features, dtype in (((7,), "float32"), ((8, 6, 3), "float32"), ((7,), "bfloat16")):
        losses, affinity = loss.compare(*representations(prototypes, features, dtype), pairing)
        assert tuple(losses.shape) == (6,)
        assert tuple(affinity.shape) == (6, prototypes)
        for values in map(ops.convert_to_numpy, (losses, affinity)):
            assert values.dtype == "float32"
            assert np.isfinite(values).all()


@pytest.mark.parametrize("silent", [False, True])
@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_reach_both_stages(name, setting, silent):
    """They are finite also for a stage without spikes."""
    loss, (make_pairing, prototypes) = LOSSES[name](), SETTINGS[setting]
    pairing = make_pairing(loss)
    rates, teacher = representations(prototypes, (7,))
    by_both = gradients(
        lambda *both: ops.sum(loss.compare(*both, pairing)[0]), [rates * (0.0 if silent else 1.0), teacher]
    )
    for gradient in by_both:
        assert np.isfinite(gradient).all()
    if not silent:
        assert all(np.abs(gradient).max() > 1e-4 for gradient in by_both)


@pytest.mark.parametrize("name", LOSSES)
def test_as_a_keras_loss_it_compares_rows(name):
    loss = LOSSES[name]()
    rates, teacher = representations(6, (7,))
    expected, _ = loss.compare(rates, teacher, loss.pairing(teacher, negatives="all"))
    expected = ops.convert_to_numpy(expected)
    assert float(loss(teacher, rates)) == pytest.approx(expected.mean(), rel=1e-5)
    weights = np.arange(1, 7, dtype="float32")
    assert float(loss(teacher, rates, weights)) == pytest.approx((weights * expected).mean(), rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_negatives(name):
    message = "Unknown `negatives`: choose one of 'dissimilar', 'all'. Received: negatives='some'"
    with pytest.raises(ValueError, match=message):
        LOSSES[name]().pairing(CLASSES, negatives="some")


def test_reco_weights_negatives_by_their_targets():
    """Prototypes of other classes, samples of other classes, all other samples, or dissimilar values."""
    loss = ReCo()
    same = CLASSES @ CLASSES.T
    expected = {"codebook": (CLASSES, 1 - CLASSES)}
    expected |= {"classes": (np.eye(6), 1 - same), "all classes": (np.eye(6), 1 - np.eye(6))}
    for setting, (positives, negatives) in expected.items():
        pairing = SETTINGS[setting][0](loss)
        np.testing.assert_array_equal(ops.convert_to_numpy(pairing.positives), positives)
        np.testing.assert_array_equal(ops.convert_to_numpy(pairing.terms), negatives)
    pairing = SETTINGS["values"][0](loss)
    distances = np.square(CLASSES[:, None] - CLASSES[None]).sum(axis=-1)
    dissimilarity = 1 - np.exp(-distances / distances.mean())
    np.testing.assert_array_equal(ops.convert_to_numpy(pairing.positives), np.eye(6))
    np.testing.assert_allclose(ops.convert_to_numpy(pairing.terms), dissimilarity, atol=1e-6)


def test_a_subclass_implements_both_methods():
    rates, teacher = representations(6, (7,))
    with pytest.raises(NotImplementedError):
        LayerLoss().pairing(CLASSES)
    with pytest.raises(NotImplementedError):
        LayerLoss().compare(rates, teacher, Pairing(CLASSES))
