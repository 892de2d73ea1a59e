"""The criteria of biological plausibility, measured on a model."""

from keras_bsd._types import ArrayLike
from keras_bsd.audit._criteria import CRITERIA
from keras_bsd.audit._evidence import gather_evidence
from keras_bsd.audit._report import PlausibilityReport
from keras_bsd.models._data_checks import checked_samples
from keras_bsd.models._spiking_model import SpikingModel


def plausibility(model: SpikingModel, x: ArrayLike, y: ArrayLike) -> PlausibilityReport:
    """Measure the five criteria of biological plausibility on a pair, or on a rival rule.

    - **C1** The cosine of each feedforward weight and its backward twin, and after `fit` with
      `keras_bsd.callbacks.LayerAlignment` its course; whether any variable belongs to both networks. Where
      errors pass between stages, whether through the transposed feedforward weights.
    - **C2** The gradient of every loss by the weights of all other stages; whether each kernel's update
      is the product of presynaptic rates and the error of its own stage.
    - **C3** How often each stage runs in one training step; whether muting one network changes the signals of
      the other, and muting later stages of the encoder the update of a stage.
    - **C4** Whether all signals between stages are 0 or 1, errors and those of feedback layers included.
    - **C5** Whether a negative signal, or a gradient, travels between stages.

    Whatever holds only in a narrow sense is a reservation: batch normalisation, comparison with other samples,
    losses of the readouts, an analogue stimulus.

    Args:
        model: a compiled `keras_bsd.BSDModel`, or a model of `keras_bsd.baselines`. It does not change.
        x: stimuli `(batch, ...)`, at least two; a few dozen are enough.
        y: targets, as for `fit`.

    Returns:
        `PlausibilityReport`.

    Raises:
        ValueError: the model is neither or is not compiled, or the batch has another shape or fewer than two
            samples.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((4,), classes=3, timesteps=2, units=(6,))
    >>> model.compile()
    >>> report = keras_bsd.audit.plausibility(model, np.random.uniform(size=(6, 4)), [0, 1, 2, 0, 1, 2])
    >>> report.criteria["C3"].verdict
    'holds'
    >>> report.require("C1", "C4")

    Source: the criteria are those of Lv et al., arXiv 2509.20284, section 1.
    """
    stimuli, targets = _checked(model, x, y)
    evidence = gather_evidence(model, stimuli, targets)
    criteria = {name: measure(evidence) for name, measure in CRITERIA.items()}
    trained = bool(int(model.optimizer.iterations))
    return PlausibilityReport(model.name, len(stimuli), trained, criteria)


def _checked(model, x, y):
    if not isinstance(model, SpikingModel):
        raise ValueError(
            "`model` must be a keras_bsd.BSDModel or of keras_bsd.baselines, which define how it learns; a "
            f'network alone is audited as keras_bsd.baselines.get("backprop")(model). Received: model={model!r}'
        )
    if not model.compiled:
        raise ValueError(
            "`model` must be compiled, because the audit measures its losses. "
            f"Received: '{model.name}', which is not. Call `model.compile()` first."
        )
    x, y = checked_samples(model, x, y)
    if len(x) < 2:
        raise ValueError(f"`x` must be at least two samples, to be compared. Received: {len(x)} samples")
    return x, y
