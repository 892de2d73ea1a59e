import keras
import numpy as np
import pytest

import keras_bsd
from tests.models import pairs


def series(count=1, elements=6, seed=0):
    walk = np.random.default_rng(seed).normal(size=(count, elements, 3)).cumsum(axis=1)
    return walk.astype("float32")


@pytest.mark.parametrize("normalization", ["instance", "none"])
def test_a_forecaster_element_by_element(normalization):
    model, x = pairs.forecast_pair(normalization=normalization), series()
    stream = model.streamer()
    for n, element in enumerate(x[0]):
        forecast = stream.push(element)
        assert forecast.shape == (2, 3)
        if n == 2:
            early = forecast
    np.testing.assert_allclose(forecast, model.predict(x, verbose=0)[0], rtol=1e-5, atol=1e-6)
    stream.reset()
    np.testing.assert_array_equal([stream.push(element) for element in x[0, :3]][-1], early)


def test_characters_of_parallel_streams():
    model = pairs.character_pair()
    text = np.random.default_rng(0).integers(0, 3, (2, 9))
    stream = model.streamer(streams=2)
    scores = np.stack([stream.push(ids) for ids in text.T], axis=1)
    np.testing.assert_allclose(scores, model.predict(text, verbose=0), rtol=1e-5, atol=1e-6)


def test_a_stream_longer_than_a_window_carries_its_state():
    """Its output equals that of one pass over the whole sequence."""
    model, x = pairs.forecast_pair(), series(elements=20)
    stream = model.streamer()
    forecasts = [stream.push(element) for element in x[0]]
    of_any_length = keras.Input((None, 3))
    whole = keras.models.clone_model(model.encoder, of_any_length, clone_function=lambda layer: layer)
    np.testing.assert_allclose(forecasts[-1], whole.predict(x, verbose=0)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (np.zeros(4), r"must have shape \(3,\). Received: shape=\(4,\). The stream's state is unchanged"),
        (np.zeros((1, 3)), r"Received: shape=\(1, 3\)"),
        (np.array([0.0, np.nan, 0.0]), "must be finite. Received: .* fill the gap"),
    ],
)
def test_a_bad_element_leaves_the_state_unchanged(element, message):
    model, x = pairs.forecast_pair(), series()
    stream, untouched = model.streamer(), model.streamer()
    for value in x[0, :3]:
        stream.push(value), untouched.push(value)
    with pytest.raises(ValueError, match=message):
        stream.push(element)
    np.testing.assert_array_equal(stream.push(x[0, 3]), untouched.push(x[0, 3]))


def test_bad_characters_and_streams():
    model = pairs.character_pair()
    for token_id in (3, -1):
        with pytest.raises(ValueError, match=r"must be a token id in \[0, 2\]. Received: "):
            model.streamer().push(token_id)
    with pytest.raises(ValueError, match="Received: streams=0"):
        model.streamer(streams=0)


@pytest.mark.parametrize("element", [3, -1, 0.5])
def test_unknown_tokens(element):
    for stream in (keras_bsd.Streamer(pairs.character_pair()), pairs.character_pair().streamer()):
        with pytest.raises(ValueError, match=r"must be a token id in \[0, 2\]. Received: "):
            stream.push(element)


@pytest.mark.parametrize("encoder", [None, "encoder"])
def test_encoders_that_are_none(encoder):
    with pytest.raises(
        ValueError, match=f"`encoder` must be a built .*keras.Model. Received: encoder={encoder!r}"
    ):
        keras_bsd.Streamer(encoder)
