from keras_bsd.layers.spiking_lif import SpikingLIF as SpikingLIF
from keras_bsd.layers.spiking_lif import SpikingLIFCell as SpikingLIFCell
from keras_bsd.layers.stages import Readout as Readout
from keras_bsd.layers.stages import SpikingConv2D as SpikingConv2D
from keras_bsd.layers.stages import SpikingDense as SpikingDense
from keras_bsd.layers.stages import SpikingStage as SpikingStage
from keras_bsd.layers.stages import Stage as Stage
