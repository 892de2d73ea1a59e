import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd.layers import Readout, SequenceReadout


def numpy(tensors):
    return keras.tree.map_structure(ops.convert_to_numpy, tensors)


def test_step_by_hand():
    """Sum of the two neurons' rates so far: 1 / 1, 3 / 2 and 4 / 3."""
    readout = Readout(keras.layers.Dense(1, use_bias=False, kernel_initializer="ones"))
    spikes = np.array([[[1, 0], [1, 1], [0, 1]]], "float32")
    readout.build(spikes.shape)
    states, outputs = readout.get_initial_state(1), []
    for t in range(3):
        output, states = readout.step(ops.convert_to_tensor(spikes[:, t]), states)
        outputs.append(numpy(output)[0, 0])
    np.testing.assert_allclose(outputs, [1, 3 / 2, 4 / 3], rtol=1e-6)
    steps, counts = numpy(states)
    np.testing.assert_array_equal(steps, [3])
    np.testing.assert_array_equal(counts, [[2, 2]])
    np.testing.assert_allclose(outputs[-1], numpy(readout(spikes))[0, 0], rtol=1e-6)


@pytest.mark.parametrize("targets", ["all", "last"])
def test_sequence_readout_by_hand(targets):
    readout = SequenceReadout(keras.layers.Dense(1, kernel_initializer="ones"), targets=targets)
    spikes = np.array([[[[1, 0], [1, 1]], [[0, 1], [0, 0]]]], "float32")  # rates (1, 1/2), then (0, 1/2)
    outputs = numpy(readout(spikes))
    np.testing.assert_allclose(outputs, [[[1.5], [0.5]]] if targets == "all" else [[0.5]])


def test_config_of_version_0_1():
    config = SequenceReadout(keras.layers.Dense(2), "softmax", targets="last").get_config()
    config["elements"] = config.pop("targets")
    readout = SequenceReadout.from_config(config)
    assert readout.targets == "last"
    assert readout.activation is keras.activations.softmax


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"choose one of 'all', 'last', 'mean'. Received: targets='first'"):
        SequenceReadout(keras.layers.Dense(2), targets="first")
    with pytest.raises(ValueError, match=r"\(batch, elements, time, features\). Received: shape=\(2, 3, 4\)"):
        SequenceReadout(keras.layers.Dense(2))(np.zeros((2, 3, 4), "float32"))
