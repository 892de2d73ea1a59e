"""Counter-current learning: an encoder of stimuli and a decoder of classes that teach each other."""

from typing import Any, ClassVar

import keras
from keras import ops

from keras_bsd import _checks
from keras_bsd._types import Config, Model, Tensor
from keras_bsd.baselines._base import require_trainable, without_classes
from keras_bsd.layers._base import Stage
from keras_bsd.layers._readout import Readout
from keras_bsd.layers._stage import SpikingStage, flatten_stages
from keras_bsd.losses._layer_loss import LayerLoss, Negatives, Pairing
from keras_bsd.losses._present import mean_of_present
from keras_bsd.losses._reco import CENTRINGS, GRID, Centring, mean_of_present_pairs, pool_maps, unit_rows
from keras_bsd.models._mirror import mirror
from keras_bsd.models._pair import BSDModel
from keras_bsd.models._spiking_model import Task
from keras_bsd.models._structure import check_built


@keras.saving.register_keras_serializable("keras_bsd")
class CounterCurrent(BSDModel):
    """Counter-current learning: each stage and the decoder's stage of the same depth learn to be alike.

    As in BSD, a decoder runs from the class to the stimulus, and each of its stages teaches one of the encoder
    and learns from it. The loss of a pair of stages is `CounterCurrentLoss`: the affinities of representations
    and prototypes are to be 1 for the same class and 0 for others, and those within each network 0. What BSD
    adds is not there: no stage of the decoder receives the class beside the spikes from above, the decoder
    teaches by its firing rates, its initial kernels are those of Keras, and no margin ends the attraction.

    Args:
        encoder: see `keras_bsd.BSDModel`, with outputs `(batch, classes)`.
        decoder: see `keras_bsd.BSDModel` (default: `keras_bsd.mirror(encoder, broadcast_concept=False)`).
        task: `"classification"`, the only one.
        layer_loss: `keras_bsd.losses.LayerLoss` between a stage and its teacher (default:
            `CounterCurrentLoss()`).
        **kwargs: further arguments of `keras_bsd.BSDModel`.

    Raises:
        ValueError: the encoder cannot be mirrored, or the task has no classes; the error names the stage, and
            rules that can train the encoder.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.CounterCurrent(encoder)
    >>> [(stage.name, stage.output_features) for stage in model.decoder_stages]
    [('dense_1_mirror', (8,)), ('dense_2_mirror', (6,))]

    Source: Kao and Hariharan, "Counter-current learning: a biologically plausible dual network approach for
    deep learning", NeurIPS 2024.
    """

    title: ClassVar[str] = "counter-current learning"

    def __init__(
        self,
        encoder: Model,
        decoder: Model | None = None,
        task: Task = "classification",
        layer_loss: LayerLoss | str | None = None,
        **kwargs: Any,
    ) -> None:
        check_built(encoder, "encoder")
        if decoder is None or task != "classification":
            require_trainable(type(self), encoder, task)
        decoder = mirror(encoder, broadcast_concept=False) if decoder is None else decoder
        super().__init__(encoder, decoder, task, layer_loss=layer_loss or CounterCurrentLoss(), **kwargs)

    @classmethod
    def obstacle(cls, encoder: Model, task: Task) -> str | None:
        """Return why the rule cannot train an encoder, in words that name the stage, or None if it can."""
        return without_classes(encoder, task) or _not_mirrored(encoder)


def _not_mirrored(encoder):
    """Return an obstacle for encoders that `mirror` has no decoder for, or None."""
    spiking, readouts = (flatten_stages(encoder, kind) for kind in (SpikingStage, Readout))
    if len(encoder.output_shape) != 2 or len(readouts) != 1:
        return f"readout '{readouts[-1].name}' is not the only one, or outputs no (batch, classes)"
    for stage in (*spiking, *readouts):
        if type(stage).backward_synapse is Stage.backward_synapse:
            return f"stage '{stage.name}' has no `backward_synapse`, by which a decoder would mirror it"
    held = [stage.name for stage in spiking[1:] if stage.timesteps is not None]
    return (
        f"stage '{held[0]}' holds its input, and a decoder mirrors only a first one that does" if held else None
    )


@keras.saving.register_keras_serializable("keras_bsd")
class CounterCurrentLoss(LayerLoss):
    """Squared errors of the affinities across and within the two networks.

    The loss of sample `k` is

        mean_j (C_kj - S_kj)^2 + o [mean_l (G_kl - I_kl)^2 + mean_ij (H_ij - I_ij)^2]

    where `C` are the cosines of representations and prototypes (the affinity), `S` is 1 for the same class and
    0 otherwise, `G` are the cosines of the representations with each other, `H` those of the prototypes with
    each other, and `I` is the identity.

    Args:
        own_weight: non-negative float `o`, the weight of the affinities within each network.
        centring: what is subtracted from the vectors first, see `cosine_affinity`.
        grid: see `ReCo`.

    Raises:
        ValueError: an argument is out of range or unknown.

    Example:

    >>> loss = keras_bsd.baselines.CounterCurrentLoss(own_weight=0.0, centring=None)
    >>> round(float(loss(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]]))), 4)  # of the second row (1 + 1) / 2
    0.5

    Source: Kao and Hariharan, "Counter-current learning: a biologically plausible dual network approach for
    deep learning", NeurIPS 2024, the loss of its convolutional networks.
    """

    def __init__(
        self,
        own_weight: float = 0.5,
        centring: Centring = "batch",
        grid: int | None = GRID,
        name: str = "counter_current",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.own_weight = _checks.real("own_weight", own_weight, low=0.0)
        self.centring = _checks.one_of("centring", centring, CENTRINGS)
        self.grid = None if grid is None else _checks.integer("grid", grid, low=1)

    @property
    def smallest_batch(self) -> int:
        return 2 if self.centring == "batch" else 1

    def pairing(
        self,
        targets: Tensor,
        concepts: Tensor | None = None,
        classes: bool = False,
        negatives: Negatives = "dissimilar",
        present: Tensor | None = None,
    ) -> Pairing:
        """See `LayerLoss.pairing`; `terms` are `S`. Without a codebook `negatives="all"` makes it `I`."""
        if concepts is not None:
            return Pairing(targets, targets)
        own = ops.eye(ops.shape(targets)[0])
        same = classes and negatives == "dissimilar"
        return Pairing(own, ops.matmul(targets, ops.transpose(targets)) if same else own)

    def compare(self, representations: Tensor, teacher: Tensor, pairing: Pairing) -> tuple[Tensor, Tensor]:
        present, known = pairing.present, pairing.present_prototypes
        rows = unit_rows(pool_maps(representations, self.grid), self.centring, present)
        prototypes = unit_rows(pool_maps(teacher, self.grid), self.centring, known)
        affinity = ops.matmul(rows, ops.transpose(prototypes))
        loss = mean_of_present(ops.square(affinity - ops.cast(pairing.terms, "float32")), known, axis=1)
        if self.own_weight:
            among_prototypes = mean_of_present_pairs(_squared_errors(prototypes), known, known)
            among_samples = mean_of_present(_squared_errors(rows), present, axis=1)
            loss += self.own_weight * (among_samples + among_prototypes)
        return loss, affinity

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "own_weight": self.own_weight,
            "centring": self.centring,
            "grid": self.grid,
        }


def _squared_errors(rows):
    """Return the squared differences of the cosines of unit vectors from the identity, `(rows, rows)`."""
    return ops.square(ops.matmul(rows, ops.transpose(rows)) - ops.eye(ops.shape(rows)[0]))
