"""Updates of rival rules in plain NumPy, for two stages of leaky integrate-and-fire neurons and a readout."""

import keras
import numpy as np
from keras import ops

from keras_bsd.layers import Readout, SpikingStage
from tests.gradients import weight_gradients
from tests.layers import lif_reference

STEPS, BETA, THRESHOLD, BATCH = 4, 0.5, 0.6, 6


def small_encoder():
    """Return four inputs, stages of six and seven neurons without normalisation, and three classes."""
    return keras.Sequential(
        [
            keras.Input((4,)),
            SpikingStage(keras.layers.Dense(6), timesteps=STEPS, name="lower"),
            SpikingStage(keras.layers.Dense(7), name="upper"),
            Readout(keras.layers.Dense(3), "softmax", name="scores"),
        ]
    )


def small_batch():
    """Return stimuli, of which most neurons spike at some time steps, and classes."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(BATCH, 4)).astype("float32") * 2, np.arange(BATCH) % 3


def updates_of(model):
    """Return the gradients of the kernels of both stages and of the readout in a training step of a model."""
    model.compile(loss="sparse_categorical_crossentropy")
    x, y = map(ops.convert_to_tensor, small_batch())
    kernels = [layer.synapse.layers[0].kernel for layer in model.encoder.layers]
    return weight_gradients(lambda: model.compute_step(x, y).total, kernels)


def derivative(distance):
    """Return the default surrogate's, of arctangent with slope 2."""
    return 1 / (1 + (np.pi * distance) ** 2)


class Forward:
    """All signals of a network of `small_encoder` on the batch of `small_batch`."""

    def __init__(self, encoder):
        weights = [ops.convert_to_numpy(weight).astype("float64") for weight in encoder.weights]
        self.kernels, biases = weights[::2], weights[1::2]
        x, y = small_batch()
        self.inputs = np.repeat(x[:, None].astype("float64"), STEPS, axis=1)
        self.onehot = np.eye(3)[y]
        self.currents, self.spikes, signal = [], [], self.inputs
        for kernel, bias in zip(self.kernels[:2], biases[:2], strict=True):
            self.currents.append(signal @ kernel + bias)
            signal, _ = lif_reference.forward(self.currents[-1], BETA, THRESHOLD)
            self.spikes.append(signal)
        self.before = [self.inputs, self.spikes[0]]
        self.rates = [spikes.mean(axis=1) for spikes in self.spikes]
        self.probabilities = softmax(self.rates[1] @ self.kernels[2] + biases[2])
        self.probabilities_by_step = softmax(self.spikes[1] @ self.kernels[2] + biases[2])

    def through_time(self, stage, by_spikes):
        """Return the gradients of currents from those of spikes, through all time steps."""
        return lif_reference.gradient(self.currents[stage], by_spikes, BETA, THRESHOLD, derivative)

    def at_each_step(self, stage, by_spikes):
        """Return the gradients of currents from those of spikes, each time step by itself."""
        membrane, slopes = np.zeros_like(self.currents[stage][:, 0]), []
        for t in range(STEPS):
            charged = BETA * membrane + self.currents[stage][:, t]
            slopes.append(derivative(charged - THRESHOLD))
            membrane = charged * (charged < THRESHOLD)
        return by_spikes * np.stack(slopes, axis=1)

    def kernel_update(self, stage, by_currents):
        """Return the sum over samples and time steps of inputs times errors."""
        return np.einsum("bti,btj->ij", self.before[stage], by_currents)


def softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def held(by_rates):
    """Return gradients of the spikes of each time step from those of rates."""
    return np.repeat(by_rates[:, None], STEPS, axis=1) / STEPS


def updates_through_stages(forward, feedback):
    """Return kernel updates by errors that pass through time, and from layer to layer through `feedback`."""
    errors = (forward.probabilities - forward.onehot) / BATCH
    upper = forward.through_time(1, held(errors @ feedback[1].T))
    lower = forward.through_time(0, upper @ feedback[0].T)
    return [
        forward.kernel_update(0, lower),
        forward.kernel_update(1, upper),
        forward.rates[1].T @ errors,
    ]


def updates_by_rates(forward, by_rates):
    """Return kernel updates of both stages from the gradients of their rates, `(batch, neurons)` each."""
    return [forward.kernel_update(i, forward.through_time(i, held(by_rates[i]))) for i in range(2)]
