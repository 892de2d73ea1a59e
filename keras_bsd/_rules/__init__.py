"""Local learning: the scope that detaches stages from each other, and a module for each rule."""

from keras_bsd._rules.current import current_rule
from keras_bsd._rules.rate import rate_rule
from keras_bsd._rules.scope import LocalLearning as LocalLearning
from keras_bsd._rules.scope import active_scope as active_scope
from keras_bsd._rules.scope import apply_layer as apply_layer
from keras_bsd._rules.scope import cut_gradient as cut_gradient
from keras_bsd._rules.scope import record_mask as record_mask
from keras_bsd._rules.surrogate import surrogate_rule

WITHOUT_RECORD = (rate_rule, current_rule)  # no gradient passes through time
RULES = {"rate": rate_rule, "surrogate": surrogate_rule}
