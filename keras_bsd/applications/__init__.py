from keras_bsd.applications.recognition import SpikingConvNet as SpikingConvNet
from keras_bsd.applications.recognition import SpikingMLP as SpikingMLP
