import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.losses import FrequencyReCo, Pairing, ReCo, target_similarity


def waves(cycles, samples=4, seed=0):
    """Return images of one spatial frequency, of random phase and amplitude."""
    generator = np.random.default_rng(seed)
    phase, amplitude = generator.uniform(0, 6, (samples, 1)), generator.uniform(1, 2, (samples, 1))
    wave = amplitude * np.sin(2 * np.pi * cycles * np.arange(8) / 8 + phase)
    return np.broadcast_to(wave[:, None, :, None], (samples, 8, 8, 1)).astype("float32")


def numpy_bands(maps, cutoff):
    spectrum = np.fft.fft2(maps, axes=(1, 2))
    high = np.hypot(np.fft.fftfreq(8)[:, None], np.fft.fftfreq(8)[None]) >= cutoff
    return [np.fft.ifft2(spectrum * band[None, :, :, None], axes=(1, 2)).real for band in (~high, high)]


def test_equals_reco_in_each_band():
    generator = np.random.default_rng(0)
    maps, teacher = generator.random((2, 5, 8, 8, 3)).astype("float32")
    positives, dissimilarity = np.eye(5), generator.random((2, 5, 5)).astype("float32")
    loss, affinity = FrequencyReCo(0.8, 0.5, 3.0, cutoff=0.2).compare(
        maps, teacher, Pairing(positives, dissimilarity)
    )
    losses, affinities = zip(
        *(
            ReCo(0.8, weight, grid=None).compare(low_or_high, their, Pairing(positives, negatives))
            for low_or_high, their, negatives, weight in zip(
                numpy_bands(maps, 0.2), numpy_bands(teacher, 0.2), dissimilarity, (0.5, 3.0), strict=True
            )
        ),
        strict=True,
    )
    np.testing.assert_allclose(ops.convert_to_numpy(loss), sum(map(ops.convert_to_numpy, losses)), rtol=1e-4)
    expected = sum(map(ops.convert_to_numpy, affinities)) / 2
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), expected, atol=1e-5)


def test_targets_are_dissimilar_in_the_band_where_they_differ():
    low, high = waves(1), np.repeat(waves(3)[:1], 4, axis=0)
    dissimilarity = ops.convert_to_numpy(FrequencyReCo(cutoff=0.25).dissimilarity(low + high))
    expected = 1 - ops.convert_to_numpy(target_similarity(low))
    np.testing.assert_allclose(dissimilarity[0], expected, atol=1e-4)
    np.testing.assert_allclose(dissimilarity[1], np.zeros((4, 4)), atol=1e-3)


def test_vectors_are_compared_whole_in_both_bands():
    generator = np.random.default_rng(0)
    rates, teacher = generator.random((2, 5, 7))
    dissimilarity = generator.random((2, 5, 5)).astype("float32")
    loss, affinity = FrequencyReCo(0.8, 0.5, 3.0).compare(rates, teacher, Pairing(np.eye(5), dissimilarity))
    low, expected = ReCo(0.8, 0.5).compare(rates, teacher, Pairing(np.eye(5), dissimilarity[0]))
    high, _ = ReCo(0.8, 3.0).compare(rates, teacher, Pairing(np.eye(5), dissimilarity[1]))
    np.testing.assert_allclose(ops.convert_to_numpy(loss), ops.convert_to_numpy(low + high), rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(affinity), ops.convert_to_numpy(expected), rtol=1e-5)


def test_config_round_trip():
    loss = FrequencyReCo(0.7, 2.0, 4.0, 0.3, "sample")
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    assert (copy.high_weight, copy.cutoff, copy.centring) == (4.0, 0.3, "sample")


@pytest.mark.parametrize("arguments", [{"cutoff": 0.0}, {"cutoff": 0.6}, {"high_weight": -0.1}])
def test_bad_arguments(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        FrequencyReCo(**arguments)
