"""The rules by name. A new rule is a module of its own and one line here."""

from keras_bsd import _checks
from keras_bsd.baselines._backprop import Backprop
from keras_bsd.baselines._base import Baseline
from keras_bsd.baselines._class_codes import ClassCodes
from keras_bsd.baselines._counter_current import CounterCurrent
from keras_bsd.baselines._decolle import DECOLLE
from keras_bsd.baselines._direct_feedback_alignment import DirectFeedbackAlignment
from keras_bsd.baselines._eprop import EProp
from keras_bsd.baselines._feedback_alignment import FeedbackAlignment
from keras_bsd.baselines._forward_forward import ForwardForward
from keras_bsd.baselines._local_readouts import LocalReadouts
from keras_bsd.baselines._ottt import OTTT
from keras_bsd.baselines._spatial import SpatialBackprop

Rule = type[Baseline] | type[CounterCurrent]

RULES: dict[str, Rule] = {
    "backprop": Backprop,
    "spatial": SpatialBackprop,
    "ottt": OTTT,
    "fa": FeedbackAlignment,
    "dfa": DirectFeedbackAlignment,
    "decolle": DECOLLE,
    "local_readouts": LocalReadouts,
    "lls": ClassCodes,
    "forward_forward": ForwardForward,
    "ccl": CounterCurrent,
    "eprop": EProp,
}


def list_methods() -> list[str]:
    """Return the names of the rules that `get` knows.

    Example:

    >>> keras_bsd.baselines.list_methods()[:5]
    ['backprop', 'spatial', 'ottt', 'fa', 'dfa']
    """
    return list(RULES)


def get(name: str) -> Rule:
    """Return the class of a rule by its name; `get(name)(encoder)` is a model with its defaults.

    Raises:
        ValueError: there is no such rule.

    Example:

    >>> encoder = keras_bsd.applications.SpikingMLP((4,), classes=3, units=(8, 6)).encoder
    >>> model = keras_bsd.baselines.get("dfa")(encoder)
    >>> model.compile(keras.optimizers.AdamW(3e-3), metrics=["accuracy"])
    """
    return RULES[_checks.one_of("name", name, tuple(RULES))]
