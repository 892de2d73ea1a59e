"""Rival learning rules around the same encoders, to compare BSD with."""

from keras_bsd.baselines._backprop import Backprop as Backprop
from keras_bsd.baselines._base import Baseline as Baseline
from keras_bsd.baselines._base import Lesson as Lesson
from keras_bsd.baselines._base import LocalBaseline as LocalBaseline
from keras_bsd.baselines._base import TrainingStep as TrainingStep
from keras_bsd.baselines._class_codes import ClassCodes as ClassCodes
from keras_bsd.baselines._counter_current import CounterCurrent as CounterCurrent
from keras_bsd.baselines._counter_current import CounterCurrentLoss as CounterCurrentLoss
from keras_bsd.baselines._decolle import DECOLLE as DECOLLE
from keras_bsd.baselines._direct_feedback_alignment import DirectFeedbackAlignment as DirectFeedbackAlignment
from keras_bsd.baselines._eprop import EProp as EProp
from keras_bsd.baselines._feedback_alignment import FeedbackAlignment as FeedbackAlignment
from keras_bsd.baselines._forward_forward import ForwardForward as ForwardForward
from keras_bsd.baselines._index import get as get
from keras_bsd.baselines._index import list_methods as list_methods
from keras_bsd.baselines._local_readouts import LocalReadouts as LocalReadouts
from keras_bsd.baselines._ottt import OTTT as OTTT
from keras_bsd.baselines._spatial import SpatialBackprop as SpatialBackprop
