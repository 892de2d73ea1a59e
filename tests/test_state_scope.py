import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import StateScope, Streamer
from keras_bsd.layers import SpikingRecurrent, SpikingStage

SERIES = np.random.default_rng(0).random((2, 6, 3)).astype("float32")


def run(layer, states=None, series=SERIES):
    with StateScope(states) as scope:
        layer(series)
    return scope.states


@pytest.fixture
def stage():
    return SpikingRecurrent(4, delays=2, timesteps=2, name="rec")


def test_states_of_another_batch_size(stage):
    states = run(stage)
    for count in (1, 3):
        wrong = {"rec": [np.ones((count, *state.shape[1:]), "float32") for state in states["rec"]]}
        message = f"state of layer 'rec' must have a row for each sample.* Received: a batch of {count} for 2"
        with pytest.raises(ValueError, match=message):
            run(stage, wrong)


def test_states_of_another_shape(stage):
    states = run(stage)["rec"]

    for wrong in (states[:2], [*states[:1], states[0], states[2]]):
        with pytest.raises(ValueError, match=r"layer 'rec' must be tensors \(batch, 1, 3\) and \(batch, 4\)"):
            run(stage, {"rec": wrong})


def test_states_that_are_not_finite():
    with pytest.raises(
        ValueError, match=r"`states\['stage'\]` must be finite\. Received: .* the first at index 1"
    ):
        StateScope({"stage": [ops.zeros((2, 3)), ops.convert_to_tensor([[0.0], [np.nan]])]})


def test_states_of_a_layer_that_is_not_called(stage):
    message = (
        "of layers that are called in the scope, by path. Received: states of 'other'; layers called: 'rec'"
    )
    with pytest.raises(ValueError, match=message):
        run(stage, {**run(stage), "other": []})


def test_an_error_within_the_scope_is_not_hidden():
    with pytest.raises(RuntimeError, match="within"), StateScope({"other": []}):
        raise RuntimeError("within")


def test_layers_of_the_same_path_have_states_of_their_own(stage):
    other = SpikingRecurrent(4, delays=2, timesteps=2, name="rec")
    both = lambda series: (stage(series), other(series))  # noqa: E731
    states = run(both)
    assert list(states) == ["rec", "rec_2"]
    for layer, key in ((stage, "rec"), (other, "rec_2")):
        for state, expected in zip(states[key], run(layer)["rec"], strict=True):
            np.testing.assert_array_equal(ops.convert_to_numpy(state), ops.convert_to_numpy(expected))
    whole = [ops.convert_to_numpy(spikes) for spikes in both(SERIES)]
    with StateScope(run(both, series=SERIES[:, :4])):
        ends = [ops.convert_to_numpy(spikes) for spikes in both(SERIES[:, 4:])]
    for end, spikes in zip(ends, whole, strict=True):
        np.testing.assert_array_equal(end, spikes[:, 4:])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="other backends know all shapes")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_compiled_function_checks_batches_of_unknown_size(stage, jit_compile):
    import tensorflow as tf

    states = run(stage)["rec"]
    signature = [tf.TensorSpec((None, *state.shape[1:])) for state in states]
    function = tf.function(
        lambda series, states: run(stage, {"rec": states}, series)["rec"],
        input_signature=[tf.TensorSpec((None, 6, 3)), signature],
        jit_compile=jit_compile,
    )
    for state, expected in zip(function(SERIES, states), run(stage, {"rec": states})["rec"], strict=True):
        np.testing.assert_allclose(state, expected, atol=1e-6)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"batch_size_of_state|a row .* \[1\] \[for\] \[2\]"
    ):
        function(SERIES, [state[:1] for state in states])


def test_a_streamer_takes_stages_of_elements():
    encoder = keras.Sequential([keras.Input((5, 4)), SpikingStage(keras.layers.Dense(3), name="steps")])
    with pytest.raises(ValueError, match=r"stages that take the elements of a sequence.* Received: steps"):
        Streamer(encoder)
