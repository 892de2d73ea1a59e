"""The published form of BSD as one configuration."""

from keras_bsd._types import Config
from keras_bsd.losses._reco import ReCo


def paper_configuration() -> Config:
    """Return arguments of `BSDModel` that follow arXiv 2509.20284 where this library's defaults do not.

    As in the paper, each stage's gradient passes through its own timesteps (`rule="surrogate"`); the decoder
    runs on the batch, and every sample is compared with every other (`codebook=False`, `negatives="all"`); ReCo
    takes plain cosines of the flattened rates, whole maps of them, with margin 1 and lambda 0.6. Threshold 0.6
    and AdamW are the library's defaults too.

    The paper leaves open, and this library decides: the spike train of a class (a constant current into the
    decoder's first stage), the decoder's last layer (it learns the stimulus by mean squared error), the leak
    (0.5), and the representation of a spike train (its mean over time).

    One departure remains: cross-entropy is computed from a readout of the top stage's rates, and the predicted
    class has the largest score. In the paper the predicted class is the one whose spike train is nearest.

    Returns:
        Dict of keyword arguments.

    Example:

    >>> model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, **keras_bsd.paper_configuration())
    >>> model.rule, model.codebook, model.layer_loss.margin
    ('surrogate', False, 1.0)
    """
    return {
        "rule": "surrogate",
        "codebook": False,
        "negatives": "all",
        "teacher_signal": "rate",
        "layer_loss": ReCo(margin=1.0, negative_weight=0.6, centring=None, grid=None),
    }
