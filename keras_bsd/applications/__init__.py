"""Ready-made pairs for recognition, generation, series and text, and their trained presets."""

from keras_bsd.applications._character_model import CharacterModel as CharacterModel
from keras_bsd.applications._generation import SpikingAutoencoder as SpikingAutoencoder
from keras_bsd.applications._presets import list_presets as list_presets
from keras_bsd.applications._presets import load_preset as load_preset
from keras_bsd.applications._recognition import SpikingConvNet as SpikingConvNet
from keras_bsd.applications._recognition import SpikingMLP as SpikingMLP
from keras_bsd.applications._recognition import SpikingResNet as SpikingResNet
from keras_bsd.applications._recognition import decode_predictions as decode_predictions
from keras_bsd.applications._recognition import preprocess_input as preprocess_input
from keras_bsd.applications._regression import SpikingCharRNN as SpikingCharRNN
from keras_bsd.applications._regression import SpikingForecaster as SpikingForecaster
