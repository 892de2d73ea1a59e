import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.losses import SimilarityMatching
from keras_bsd.losses.similarity import centred

PAIRS = np.eye(2, dtype="float32")


def test_centred():
    """Of two samples half alike each is the other's opposite, once their mean is taken away."""
    similarity = np.array([[1, 0.5], [0.5, 1]], "float32")
    np.testing.assert_allclose(centred(ops.array(similarity)), [[1, -1], [-1, 1]], rtol=1e-5)
    three = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], "float32")
    np.testing.assert_allclose(centred(ops.array(three)), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], rtol=1e-5)


def test_by_hand():
    ahead, back = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[0.0, 2.0], [0.0, -2.0]])
    loss, affinity = SimilarityMatching().compare(ahead, back, PAIRS, 1 - PAIRS)
    np.testing.assert_allclose(affinity, np.zeros((2, 2)), atol=1e-6)
    np.testing.assert_allclose(loss, [2, 2], rtol=1e-5)  # (0 - 1)^2 + (0 + 1)^2
    loss, _ = SimilarityMatching().compare(ahead, ahead, PAIRS)
    np.testing.assert_allclose(loss, [0, 0], atol=1e-6)


def test_targets_all_alike_give_a_finite_loss():
    loss, _ = SimilarityMatching().compare(np.ones((3, 4)), np.ones((3, 4)), np.eye(3), np.zeros((3, 3)))
    assert np.isfinite(ops.convert_to_numpy(loss)).all()


def test_config():
    loss = SimilarityMatching(centring="sample", grid=2)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()
    with pytest.raises(ValueError, match="Unknown `centring`"):
        SimilarityMatching(centring="none")
