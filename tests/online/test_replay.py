"""What is kept of the stream, and what is rehearsed of it."""

import types

import numpy as np
import pytest

from keras_bsd.online._replay import Recall, Stored


def decoder_of(stimuli):
    """Return what a replay needs of a model: shapes, and recalled stimuli by class."""
    encoder = types.SimpleNamespace(input_shape=(None, *stimuli.shape[1:]))
    return types.SimpleNamespace(
        encoder=encoder, _class_count=len(stimuli), recall=lambda labels: stimuli[labels]
    )


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def replay(classes=(), recent=3):
    return Recall(decoder_of(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "float32")), list(classes), recent)


def updated(kept, *batches, generator=None):
    for x, y in batches:
        kept.arrays = kept.updated(np.array(x, "float32"), np.array(y), generator)
    return kept.arrays


def test_a_typical_stimulus_is_the_mean_of_its_class():
    arrays = updated(replay(), ([[1, 0], [3, 0], [7, 7]], [0, 0, 2]), ([[5, 9]], [0]))
    np.testing.assert_allclose(arrays["typical"], [[3, 3], [0, 0], [7, 7]])
    assert arrays["counts"].tolist() == [3, 0, 1]


def test_a_recalled_stimulus_counts_as_twenty_samples():
    arrays = updated(replay([1]), ([[24, 4]], [1]))
    np.testing.assert_allclose(arrays["typical"][1], [3 + 21 / 21, 4])


def test_a_typical_stimulus_follows_the_last_fifty_samples():
    kept = replay()
    arrays = updated(kept, (np.zeros((1000, 2)), np.zeros(1000, "int64")), ([[50, 100]], [0]))
    np.testing.assert_allclose(arrays["typical"][0], [1, 2], rtol=1e-6)


def test_the_last_deviations_are_kept_and_added(generator):
    kept = replay(recent=2)
    arrays = updated(kept, ([[0, 0], [2, 4]], [0, 0]), ([[9, 9]], [2]))
    np.testing.assert_allclose(arrays["deviations"], [[1, 2], [0, 0]])
    drawn = kept.draw(np.array([0] * 50), generator)
    assert {tuple(row) for row in drawn} == {(1.0, 2.0), (2.0, 4.0)}


def test_without_deviations_typical_stimuli_are_rehearsed(generator):
    np.testing.assert_array_equal(replay([2]).draw(np.array([2]), generator), [[5, 6]])


def test_only_classes_with_a_typical_stimulus_are_rehearsed():
    kept = replay([2])
    assert kept.classes().tolist() == [2]
    updated(kept, ([[0, 0]], [0]))
    assert kept.classes().tolist() == [0, 2]


def stored(size, *batches, generator):
    kept = Stored(decoder_of(np.zeros((3, 1), "float32")), size)
    updated(kept, *batches, generator=generator)
    return kept


def test_as_many_samples_of_each_class_are_stored(generator):
    numbers = np.arange(60)[:, None]
    batches = (numbers[:40], np.zeros(40, "int64")), (numbers[40:], [1] * 18 + [2] * 2)
    kept = stored(7, *batches, generator=generator)
    assert np.bincount(kept.arrays["y"]).tolist() in ([3, 2, 2], [2, 3, 2])
    assert kept.classes().tolist() == [0, 1, 2]
    of_class = np.repeat([0, 1, 2], [40, 18, 2])
    np.testing.assert_array_equal(of_class[kept.arrays["x"][:, 0].astype(int)], kept.arrays["y"])


def test_each_sample_of_a_class_is_stored_as_often(generator):
    times = np.zeros(10)
    for _ in range(2000):
        batches = [([[i]], [0]) for i in range(10)]
        times[stored(3, *batches, generator=generator).arrays["x"].astype(int)[:, 0]] += 1
    np.testing.assert_allclose(times, 600, atol=80)  # four standard deviations of 2,000 draws at 0.3


def test_a_stored_sample_of_the_class_is_drawn(generator):
    kept = stored(4, ([[1], [2], [3], [4]], [0, 2, 0, 2]), generator=generator)
    drawn = kept.draw(np.array([0, 2] * 30), generator)
    assert set(drawn[::2, 0]) == {1, 3}
    assert set(drawn[1::2, 0]) == {2, 4}
