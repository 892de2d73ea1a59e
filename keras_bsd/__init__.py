"""Spiking neural networks in Keras, trained by bidirectional spike-based distillation."""

from keras_bsd import applications as applications
from keras_bsd import audit as audit
from keras_bsd import baselines as baselines
from keras_bsd import callbacks as callbacks
from keras_bsd import datasets as datasets
from keras_bsd import encoding as encoding
from keras_bsd import export as export
from keras_bsd import layers as layers
from keras_bsd import losses as losses
from keras_bsd import metrics as metrics
from keras_bsd import models as models
from keras_bsd import online as online
from keras_bsd import plots as plots
from keras_bsd import surrogates as surrogates
from keras_bsd._state_scope import StateScope as StateScope
from keras_bsd._version import __version__ as __version__
from keras_bsd.models import BSDAutoencoder as BSDAutoencoder
from keras_bsd.models import BSDForecastModel as BSDForecastModel
from keras_bsd.models import BSDModel as BSDModel
from keras_bsd.models import BSDSequenceClassifier as BSDSequenceClassifier
from keras_bsd.models import BSDSequenceModel as BSDSequenceModel
from keras_bsd.models import Distillation as Distillation
from keras_bsd.models import Streamer as Streamer
from keras_bsd.models import mirror as mirror
from keras_bsd.models import paper_configuration as paper_configuration
from keras_bsd.models import with_timesteps as with_timesteps
