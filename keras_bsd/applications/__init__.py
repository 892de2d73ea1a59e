"""Builders of pairs for recognition, generation, series and text, and their trained presets."""

from keras_bsd.applications._autoencoder import SpikingAutoencoder as SpikingAutoencoder
from keras_bsd.applications._builders import load_preset as load_preset
from keras_bsd.applications._char_rnn import SpikingCharRNN as SpikingCharRNN
from keras_bsd.applications._character_model import CharacterModel as CharacterModel
from keras_bsd.applications._conv_net import SpikingConvNet as SpikingConvNet
from keras_bsd.applications._forecaster import SpikingForecaster as SpikingForecaster
from keras_bsd.applications._images import decode_predictions as decode_predictions
from keras_bsd.applications._images import preprocess_input as preprocess_input
from keras_bsd.applications._mlp import SpikingMLP as SpikingMLP
from keras_bsd.applications._model_card import model_card as model_card
from keras_bsd.applications._presets import list_presets as list_presets
from keras_bsd.applications._res_net import SpikingResNet as SpikingResNet
from keras_bsd.applications._rnn import SpikingRNN as SpikingRNN
