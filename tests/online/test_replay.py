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


def replay(classes=(), size=3):
    return Recall(decoder_of(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "float32")), list(classes), size)


def updated(kept, *batches, generator=None):
    generator = np.random.default_rng(0) if generator is None else generator
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


def test_deviations_are_from_the_mean_before_the_sample():
    arrays = updated(replay(size=9), ([[2, 4]], [0]), ([[4, 4]], [0]), ([[9, 9]], [0]))
    # The first sample has none. Means before the others: (2, 4) and (3, 4).
    np.testing.assert_allclose(arrays["x"], [[2, 0], [6, 5]])
    assert arrays["y"].tolist() == [0, 0]


def test_deviations_of_a_recalled_class_are_from_what_the_decoder_recalls():
    arrays = updated(replay([1]), ([[24, 4], [3, 4]], [1, 1]))
    np.testing.assert_allclose(arrays["x"], [[21, 0]])  # the second sample equals the recalled one


def test_deviations_of_a_new_class_are_from_the_mean_of_its_batch():
    arrays = updated(replay(), ([[0, 0], [7, 7], [2, 4]], [0, 2, 0]))
    np.testing.assert_allclose(arrays["x"], [[-1, -2], [1, 2]])


def test_copies_of_one_sample_have_no_deviation():
    kept, copies = replay(size=9), ([[0.1, 0.7]] * 10, [0] * 10)  # a mean of ten times 0.1 is rounded
    assert len(updated(kept, *[copies] * 20)["x"]) == 0


def test_few_samples_of_a_new_class_replace_its_share_of_the_deviations_only():
    kept = replay(size=6)
    updated(kept, (np.arange(80).reshape(40, 2), [0, 1] * 20))
    before = kept.arrays
    arrays = updated(kept, *[([[0, 0], [4, 2]], [2, 2])] * 30)
    assert np.bincount(before["y"]).tolist() == [3, 3]
    assert np.bincount(arrays["y"]).tolist() == [2, 2, 2]
    earlier = {tuple(row) for row in before["x"]}
    assert {tuple(row) for row in arrays["x"][arrays["y"] < 2]} <= earlier


def test_deviations_of_any_class_are_added_to_typical_stimuli(generator):
    kept = replay([1])
    updated(kept, ([[0, 0]], [0]), ([[1, 2]], [0]), ([[3, 5]], [1]))  # deviations (1, 2) and (0, 1)
    typical = kept.arrays["typical"][0]
    drawn = {tuple(row) for row in kept.draw(np.array([0] * 50), generator) - typical}
    assert drawn == {(1.0, 2.0), (0.0, 1.0)}


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
    for _ in range(500):
        batches = [([[i]], [0]) for i in range(10)]
        times[stored(3, *batches, generator=generator).arrays["x"].astype(int)[:, 0]] += 1
    np.testing.assert_allclose(times, 150, atol=41)  # four standard deviations of 500 draws at 0.3


def test_a_stored_sample_of_the_class_is_drawn(generator):
    kept = stored(4, ([[1], [2], [3], [4]], [0, 2, 0, 2]), generator=generator)
    drawn = kept.draw(np.array([0, 2] * 30), generator)
    assert set(drawn[::2, 0]) == {1, 3}
    assert set(drawn[1::2, 0]) == {2, 4}


def test_a_batch_of_which_nothing_is_stored_copies_nothing():
    class Last:  # keys of samples that come too late
        def random(self, size):
            return np.ones(size)

    kept = stored(2, ([[1], [2], [3]], [0, 0, 0]), generator=np.random.default_rng(0))
    before = kept.arrays
    after = updated(kept, ([[4], [5]], [0, 0]), generator=Last())
    assert all(after[name] is before[name] for name in before)
