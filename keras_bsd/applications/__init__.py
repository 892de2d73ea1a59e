from keras_bsd.applications.presets import list_presets as list_presets
from keras_bsd.applications.recognition import SpikingConvNet as SpikingConvNet
from keras_bsd.applications.recognition import SpikingMLP as SpikingMLP
from keras_bsd.applications.recognition import SpikingResNet as SpikingResNet
from keras_bsd.applications.recognition import decode_predictions as decode_predictions
from keras_bsd.applications.recognition import preprocess_input as preprocess_input
