"""Spiking neurons, stages and readouts.

`Stage` documents how to write a stage with dynamics of its own, `SpikingCell` how to write neurons.
"""

from keras_bsd.layers._alif_cell import SpikingALIFCell as SpikingALIFCell
from keras_bsd.layers._check_cell import check_spiking_cell as check_spiking_cell
from keras_bsd.layers._conv import SpikingConv2D as SpikingConv2D
from keras_bsd.layers._conv import SpikingResidualConv2D as SpikingResidualConv2D
from keras_bsd.layers._cuba_cell import SpikingCuBaLIFCell as SpikingCuBaLIFCell
from keras_bsd.layers._dense import SpikingDense as SpikingDense
from keras_bsd.layers._frame_masking import FrameMasking as FrameMasking
from keras_bsd.layers._guided import GuidedStage as GuidedStage
from keras_bsd.layers._lif_cell import SpikingIFCell as SpikingIFCell
from keras_bsd.layers._lif_cell import SpikingLIFCell as SpikingLIFCell
from keras_bsd.layers._neurons import SpikingLIF as SpikingLIF
from keras_bsd.layers._neurons import SpikingNeurons as SpikingNeurons
from keras_bsd.layers._readout import Readout as Readout
from keras_bsd.layers._readout import SequenceReadout as SequenceReadout
from keras_bsd.layers._recurrent import SpikingRecurrent as SpikingRecurrent
from keras_bsd.layers._skip_conv import SkipConv2D as SkipConv2D
from keras_bsd.layers._spiking_cell import SpikingCell as SpikingCell
from keras_bsd.layers._stage import SpikingStage as SpikingStage
from keras_bsd.layers._stage import Stage as Stage
from keras_bsd.layers._stage import flatten_stages as flatten_stages
from keras_bsd.layers._standardization import CausalStandardization as CausalStandardization
from keras_bsd.layers._standardization import Destandardize as Destandardize
