"""Pairs of an encoder and a decoder, the decoder that mirrors an encoder, and streams."""

from keras_bsd.models._autoencoder import BSDAutoencoder as BSDAutoencoder
from keras_bsd.models._distillation import Distillation as Distillation
from keras_bsd.models._forecast import BSDForecastModel as BSDForecastModel
from keras_bsd.models._mirror import mirror as mirror
from keras_bsd.models._pair import BSDModel as BSDModel
from keras_bsd.models._paper import paper_configuration as paper_configuration
from keras_bsd.models._sequence import BSDSequenceModel as BSDSequenceModel
from keras_bsd.models._sequence_classifier import BSDSequenceClassifier as BSDSequenceClassifier
from keras_bsd.models._streamer import Streamer as Streamer
from keras_bsd.models._timesteps import with_timesteps as with_timesteps
