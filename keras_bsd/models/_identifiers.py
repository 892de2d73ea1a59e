"""Losses of a pair by name, class or function, as Keras takes them."""

import inspect
from typing import Any

import keras

from keras_bsd.losses._frequency_reco import FrequencyReCo
from keras_bsd.losses._info_nce import InfoNCE
from keras_bsd.losses._layer_loss import LayerLoss, check_layer_loss
from keras_bsd.losses._reco import ReCo
from keras_bsd.losses._similarity_matching import SimilarityMatching

_LAYER_LOSSES = {
    name: loss
    for loss, names in {
        InfoNCE: ("InfoNCE", "info_nce"),
        ReCo: ("ReCo", "reco"),
        FrequencyReCo: ("FrequencyReCo", "frequency_reco"),
        SimilarityMatching: ("SimilarityMatching", "similarity_matching"),
    }.items()
    for name in names
}


@keras.saving.register_keras_serializable("keras_bsd")
class FunctionLoss(keras.losses.Loss):
    """A function of targets and outputs as a `keras.losses.Loss`, which can weight samples."""

    def __init__(self, function: Any, name: str = "function_loss", **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self.function = function

    def call(self, y_true, y_pred):
        return self.function(y_true, y_pred)

    def get_config(self):
        return {**super().get_config(), "function": keras.saving.serialize_keras_object(self.function)}

    @classmethod
    def from_config(cls, config):
        function = keras.saving.deserialize_keras_object(config["function"])
        return cls(**{**config, "function": function})


def recall_loss_of(identifier: Any) -> keras.losses.Loss:
    """Return the Keras loss of an identifier: a `Loss`, its class, name or config, or a function.

    Raises:
        ValueError: there is no such loss.
    """
    if identifier is None:
        return keras.losses.MeanSquaredError()
    try:
        loss = keras.losses.get(identifier)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`recall_loss` must be a Keras loss, its name such as 'mse', or a function of targets and outputs. "
            f"Received: recall_loss={identifier!r}. {error}"
        ) from error
    return loss if isinstance(loss, keras.losses.Loss) else FunctionLoss(loss)


def layer_loss_of(identifier: Any) -> LayerLoss:
    """Return the layer loss of an identifier: a `LayerLoss`, its class without arguments, or its name.

    Raises:
        ValueError: there is no such layer loss.
    """
    if isinstance(identifier, str):
        if identifier not in _LAYER_LOSSES:
            raise ValueError(
                f"Unknown `layer_loss`: choose one of {', '.join(map(repr, _LAYER_LOSSES))}, or pass a "
                f"keras_bsd.losses.LayerLoss. Received: layer_loss={identifier!r}"
            )
        identifier = _LAYER_LOSSES[identifier]
    if inspect.isclass(identifier) and issubclass(identifier, LayerLoss):
        identifier = identifier()
    return check_layer_loss(ReCo() if identifier is None else identifier)
