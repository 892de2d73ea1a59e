"""Operations of a spiking network, layer by layer, and their energy by published figures."""

from typing import Literal

from keras_bsd import _checks
from keras_bsd._types import ArrayLike, Model
from keras_bsd.audit._costs import Costs, get_costs
from keras_bsd.audit._counter import Counter
from keras_bsd.audit._energy_report import EnergyReport
from keras_bsd.audit._networks import checked_spiking_network
from keras_bsd.audit._training_costs import count_baseline, count_pair
from keras_bsd.baselines import Baseline
from keras_bsd.layers import SpikingRecurrent, flatten_stages
from keras_bsd.models import BSDModel
from keras_bsd.models._data_checks import checked_stimuli


def energy(
    model: Model,
    x: ArrayLike,
    costs: Literal["45nm", "45nm-memory", "loihi"] | Costs = "45nm",
    batch_size: int = 128,
) -> EnergyReport:
    """Count the operations of a spiking network on real stimuli, and price them.

    Operations depend on the network's spikes; `keras_bsd.audit.LayerCost` has the rules of counting. Single
    values decide: products with 1 and -1 are accumulates, with 0 nothing, with others multiply-accumulates, for
    a stimulus that is held as a current only once. Which samples share a batch changes nothing but the number
    of the decoder's runs in training. Operations that the costs do not price, such as multiplications by
    Loihi's, are reported as `unpriced`. The report also counts the equivalent network with ReLU and without
    time. Without recurrent stages it counts one training step, too: products of weights with signals and
    errors, of a pair by backpropagation through time and by the rules of BSD, whose decoder processes the
    codebook once for each batch, and of a model of `keras_bsd.baselines` by backpropagation and by its rule.

    Args:
        model: a pair or a model of `keras_bsd.baselines`, whose encoder is counted, or a built Keras model of
            stages.
        x: stimuli `(samples, ...)`.
        costs: `"45nm"` for arithmetic, `"45nm-memory"` for accesses to memory besides, `"loihi"`, or your own
            `keras_bsd.audit.Costs`. The presets differ in hardware, in precision and in what they include:
            never compare energies of different costs.
        batch_size: positive int, number of samples in a training batch, and of those counted at a time.

    Returns:
        `EnergyReport`, in which all numbers are for one sample, the mean of `x`.

    Raises:
        ValueError: the model is not built or has no spiking stage, `x` is empty or has another shape, or the
            costs are unknown or incomplete.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6))
    >>> report = keras_bsd.audit.energy(model, np.ones((2, 4)))
    >>> [layer.name for layer in report.layers if layer.neurons]
    ['dense_1/spiking_lif...', 'dense_2/spiking_lif...']
    >>> report.energy() > 0
    True

    Source: prices, see `Costs.source`; spikes priced as accumulates, Rueckauer et al., "Conversion of
    continuous-valued deep networks to efficient event-driven networks", Frontiers in Neuroscience 2017.
    """
    prices = get_costs(costs)
    _checks.integer("batch_size", batch_size, low=1)
    network: Model = checked_spiking_network(model)
    stimuli = checked_stimuli(model, x)
    encoder = Counter(network)
    outputs = encoder.run(stimuli, batch_size)
    training, unknown = {}, encoder.unknown()
    if isinstance(model, BSDModel) and not flatten_stages(network, SpikingRecurrent):
        decoder = Counter(model.decoder)
        concepts = model.class_concepts if model.codebook else outputs
        decoder.run(concepts, batch_size)
        runs = len(concepts) / batch_size if model.codebook else 1
        training = count_pair(encoder.layers(), decoder.layers(), runs, model.stage_readouts)
    elif isinstance(model, Baseline) and not flatten_stages(network, SpikingRecurrent):
        training, unknown = count_baseline(encoder.layers(), model), (*unknown, *model.uncounted)
    return EnergyReport(network.name, len(stimuli), prices, encoder.layers(), unknown, training)
