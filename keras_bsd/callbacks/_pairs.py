"""What callbacks for pairs check before training."""

from keras_bsd._types import Model
from keras_bsd.models import BSDModel


def require_pair(name: str, model: Model) -> Model:
    """Return the model that a callback is used with, or raise unless it is a pair."""
    if not isinstance(model, BSDModel):
        raise ValueError(f"`{name}` is for the `fit` of a keras_bsd.BSDModel. Received: model={model!r}")
    return model
