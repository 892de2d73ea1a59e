"""What a spiking network costs: operations layer by layer, and energy by published figures."""

import keras
import numpy as np

from keras_bsd import _checks
from keras_bsd.audit import _costs as known_costs
from keras_bsd.audit._counter import Counter
from keras_bsd.audit._crossings import fits
from keras_bsd.audit._energy_report import EnergyReport
from keras_bsd.audit._training_costs import count_training
from keras_bsd.layers._recurrent import SpikingRecurrent
from keras_bsd.layers._stage import SpikingStage, flatten_stages, walk
from keras_bsd.models._pair import BSDModel


def energy(model, x, costs="45nm", batch_size=128):
    """Count the operations of a spiking network on real stimuli, and price them.

    Counted is what the network's spikes set off, layer by layer; `keras_bsd.audit.operations` says what
    counts as what. Inputs that are not 0 or 1, such as a stimulus held as a current, take
    multiply-accumulates, once for a held one. Beside it stands the network of the same shape with ReLU and
    no time. Of a pair, training is counted too: products of weights with signals and errors, by
    backpropagation through time and by the rules of BSD, whose decoder runs on the codebook once a batch;
    but not of one with recurrent stages.

    Args:
        model: `keras_bsd.BSDModel`, whose encoder is counted, or a built Keras model of stages.
        x: stimuli `(samples, ...)`.
        costs: `"45nm"`, `"loihi"` or `keras_bsd.audit.Costs` of your own. Presets stand for different
            hardware, precision and parts of it: never compare the energies of one with those of another.
        batch_size: positive int, samples in a training batch, and counted at a time.

    Returns:
        `EnergyReport`, all numbers for one sample, the mean of those given.

    Raises:
        ValueError: the model is not built or has no stages, there are no samples or of another shape, or
            the costs are unknown.

    Example:

    >>> report = keras_bsd.audit.energy(model, x[:100])
    >>> print(report)

    Source: figures as `Costs.source` says; the custom of pricing spikes as accumulates goes back to
    Rueckauer et al., "Conversion of continuous-valued deep networks to efficient event-driven networks",
    Frontiers in Neuroscience 2017.
    """
    costs = known_costs.get(costs)
    _checks.integer("batch_size", batch_size, low=1)
    network = getattr(model, "encoder", model)
    x = _checked(network, x)
    encoder = Counter(network)
    outputs = encoder.run(x, batch_size)
    training, unknown = {}, encoder.unknown()
    if isinstance(model, BSDModel) and not flatten_stages(network, SpikingRecurrent):
        decoder = Counter(model.decoder)
        decoder.run(np.eye(outputs.shape[-1], dtype="float32") if model.codebook else outputs, batch_size)
        runs = outputs.shape[-1] / batch_size if model.codebook else 1
        training = count_training(encoder.layers(), decoder.layers(), runs)
        if model.local_readout_weight:
            unknown = (*unknown, "the local readouts, in training")
    return EnergyReport(network.name, len(x), costs, encoder.layers(), unknown, training)


def _checked(network, x):
    if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
        raise ValueError(f"`model` must be a built Keras model of stages. Received: model={network!r}")
    if not any(isinstance(layer, SpikingStage) for layer in walk(network)):
        raise ValueError(f"'{network.name}' has no spiking stage. Received: {[x.name for x in network.layers]}")
    x = np.asarray(x)
    if not len(x) or not fits(x, network):
        shape = ", ".join(map(str, network.input_shape[1:]))
        raise ValueError(f"Give one stimulus at least, (samples, {shape}). Received: shape={x.shape}")
    return x
