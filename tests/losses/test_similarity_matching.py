import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.losses import Pairing, SimilarityMatching, cosine_affinity, target_similarity


def centred_cosines(rows, others):
    rows, others = (x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(0) for x in (rows, others))
    return rows @ others.T / np.outer(np.linalg.norm(rows, axis=1), np.linalg.norm(others, axis=1))


def similarity(loss, targets):
    return ops.convert_to_numpy(loss.similarity(targets, targets))


def test_by_hand():
    """Two samples are opposite once centred; their prototypes are interchanged."""
    rates, teacher = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    targets = np.array([[1.0, 0.5], [0.5, 1.0]])
    pairing = Pairing(np.eye(2), (targets, targets, targets))
    loss, affinity = SimilarityMatching(pair_weight=3.0).compare(rates, teacher, pairing)
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), [[-1, 1], [1, -1]], atol=1e-6)
    # 3 (1 + 1)^2, then (-1 - 1)^2 + (1 - 0.5)^2 with the teacher, and twice (1 - 1)^2 + (-1 - 0.5)^2
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [12 + 4.25 + 4.5] * 2, rtol=1e-5)
    loss, _ = SimilarityMatching(pair_weight=0.0, own_weight=0.1).compare(rates, teacher, pairing)
    np.testing.assert_allclose(ops.convert_to_numpy(loss), [4.25 + 0.45] * 2, rtol=1e-5)


def reference(rates, prototypes, targets, concepts, own_prototype, pair_weight, own_weight):
    """Return the docstring's formula, term by term, in NumPy."""
    affinity, samples, teachers = (
        centred_cosines(*two) for two in ((rates, prototypes), (rates, rates), (prototypes, prototypes))
    )
    across, among_samples, among_concepts = (
        centred_cosines(*two) for two in ((targets, concepts), (targets, targets), (concepts, concepts))
    )
    losses = []
    for k, own in enumerate(own_prototype):
        loss = pair_weight * (1 - affinity[k, own]) ** 2
        for j in range(len(prototypes)):
            loss += (affinity[k, j] - across[k, j]) ** 2
            loss += own_weight * (teachers[own, j] - among_concepts[own, j]) ** 2
        for other in range(len(rates)):
            loss += own_weight * (samples[k, other] - among_samples[k, other]) ** 2
        losses.append(loss)
    return losses


@pytest.mark.parametrize("own_weight", [0.0, 0.4])
def test_equals_the_formula_without_a_codebook(own_weight):
    rates, teacher, targets = np.random.default_rng(0).random((3, 6, 5)).astype("float32")
    loss = SimilarityMatching(pair_weight=1.5, own_weight=own_weight)
    losses, _ = loss.compare(rates, teacher, loss.pairing(targets))
    expected = reference(rates, teacher, targets, targets, range(6), 1.5, own_weight)
    np.testing.assert_allclose(ops.convert_to_numpy(losses), expected, rtol=1e-4)


@pytest.mark.parametrize("own_weight", [0.0, 0.4])
def test_equals_the_formula_with_a_codebook(own_weight):
    generator = np.random.default_rng(0)
    rates, prototypes = generator.random((7, 5)).astype("float32"), generator.random((3, 5)).astype("float32")
    concepts, classes = np.eye(3, dtype="float32"), np.array([0, 2, 1, 1, 0, 2, 2])
    loss = SimilarityMatching(pair_weight=1.5, own_weight=own_weight)
    losses, affinity = loss.compare(rates, prototypes, loss.pairing(concepts[classes], concepts, classes=True))
    expected = reference(rates, prototypes, concepts[classes], concepts, classes, 1.5, own_weight)
    np.testing.assert_allclose(ops.convert_to_numpy(losses), expected, rtol=1e-4)
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), centred_cosines(rates, prototypes), atol=1e-5)


@pytest.mark.parametrize("kernel", ["cosine", "gaussian"])
def test_a_codebook_by_hand(kernel):
    """Balanced classes: similarity 1 within a class and -1/2 between three of them, by either kernel.

    Rates that equal the prototypes of their classes, with the similarities of the concepts, have no loss. If
    two classes have each other's prototypes, the loss of a sample of either is 1.5^2 for the attraction, and
    twice 1.5^2 for its affinities with the two prototypes.
    """
    concepts = np.eye(3, dtype="float32")
    targets = np.concatenate([concepts, concepts])
    loss = SimilarityMatching(kernel=kernel)
    pairing = loss.pairing(targets, concepts, classes=True)
    same = 1.5 * targets @ concepts.T - 0.5
    np.testing.assert_allclose(ops.convert_to_numpy(pairing.terms[0]), same, atol=1e-5)
    losses, _ = loss.compare(4 * targets, concepts, pairing)
    np.testing.assert_allclose(ops.convert_to_numpy(losses), np.zeros(6), atol=1e-5)
    losses, _ = loss.compare(4 * targets, concepts[[1, 0, 2]], pairing)
    np.testing.assert_allclose(ops.convert_to_numpy(losses), [6.75, 6.75, 0] * 2, atol=1e-4)


def test_a_batch_of_one_class_is_finite():
    concepts = np.eye(3, dtype="float32")
    rates = np.random.default_rng(0).random((4, 5)).astype("float32")
    for kernel in ("cosine", "gaussian"):
        loss = SimilarityMatching(kernel=kernel)
        losses, _ = loss.compare(rates, rates[:3], loss.pairing(concepts[[1, 1, 1, 1]], concepts, classes=True))
        assert np.isfinite(ops.convert_to_numpy(losses)).all()


def test_no_loss_where_representations_are_as_similar_as_targets():
    targets = np.random.default_rng(0).random((6, 5)).astype("float32")
    loss = SimilarityMatching()
    value, _ = loss.compare(0.3 * targets, 0.1 + targets, loss.pairing(targets))
    np.testing.assert_allclose(ops.convert_to_numpy(value), np.zeros(6), atol=1e-6)
    assert float(loss(targets, 0.3 * targets)) == pytest.approx(0, abs=1e-6)
    assert float(loss(targets, targets[::-1])) > 0.1


def test_without_sharpening_targets_are_unchanged():
    images = np.random.default_rng(0).random((5, 6, 4, 2)).astype("float32")
    cosines = centred_cosines(images, images)
    np.testing.assert_allclose(similarity(SimilarityMatching(sharpening=0.0), images), cosines, atol=1e-5)
    vectors = images.reshape(5, -1)  # have no spatial frequencies
    np.testing.assert_allclose(similarity(SimilarityMatching(sharpening=0.7), vectors), cosines, atol=1e-5)


def test_sharpening_is_a_filter_in_the_frequency_domain():
    images = np.random.default_rng(0).random((5, 6, 4, 2)).astype("float32")
    frequencies = np.hypot(np.fft.fftfreq(6)[:, None], np.fft.fftfreq(4)[None])
    gains = np.maximum(frequencies, 1 / 6) ** 0.7  # the constant term counts as the longest wave
    spectrum = np.fft.fft2(images, axes=(1, 2)) * gains[None, :, :, None]
    filtered = np.fft.ifft2(spectrum, axes=(1, 2))
    assert np.abs(filtered.imag).max() < 1e-6
    expected = centred_cosines(filtered.real, filtered.real)
    np.testing.assert_allclose(similarity(SimilarityMatching(sharpening=0.7), images), expected, atol=1e-5)


def test_gaussian_kernel_is_centred_as_cosines_are():
    targets = np.random.default_rng(0).random((6, 3)).astype("float32")
    kernel = ops.convert_to_numpy(target_similarity(targets)).astype("float64")
    centring = np.eye(6) - 1 / 6
    centred = centring @ kernel @ centring
    expected = centred / np.sqrt(np.outer(np.diag(centred), np.diag(centred)))
    np.testing.assert_allclose(similarity(SimilarityMatching(kernel="gaussian"), targets), expected, atol=1e-4)


def test_gaussian_kernel_of_two_sets():
    """In feature space, each set centred on its own mean: the cosines of kernel PCA's coordinates."""
    generator = np.random.default_rng(0)
    targets, others = generator.random((6, 3)).astype("float32"), generator.random((4, 3)).astype("float32")
    both = np.concatenate([targets, others])
    distances = np.square(both[:, None] - both[None]).sum(axis=-1)
    kernel = np.exp(-distances / distances[:6, :6].mean())
    values, vectors = np.linalg.eigh(kernel)
    coordinates = vectors * np.sqrt(values.clip(0))
    expected = centred_cosines(coordinates[:6], coordinates[6:])
    result = ops.convert_to_numpy(SimilarityMatching(kernel="gaussian").similarity(targets, others))
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_affinity_is_that_of_reco():
    generator = np.random.default_rng(0)
    rates, teacher = generator.random((2, 4, 3, 3, 2))
    zeros = np.zeros((4, 4))
    _, affinity = SimilarityMatching().compare(rates, teacher, Pairing(np.eye(4), (zeros, zeros, zeros)))
    expected = ops.convert_to_numpy(cosine_affinity(rates, teacher))
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), expected, atol=1e-6)


def test_config_round_trip():
    loss = SimilarityMatching(2.0, 0.5, "gaussian", 0.25)
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    assert (copy.pair_weight, copy.own_weight, copy.kernel, copy.sharpening) == (2.0, 0.5, "gaussian", 0.25)


@pytest.mark.parametrize("argument", ["pair_weight", "own_weight", "sharpening"])
def test_bad_arguments(argument):
    with pytest.raises(ValueError, match=f"Received: {argument}=-1"):
        SimilarityMatching(**{argument: -1})
    with pytest.raises(ValueError, match=r"choose one of 'cosine', 'gaussian'\. Received: kernel='linear'"):
        SimilarityMatching(kernel="linear")
