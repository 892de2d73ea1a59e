from keras_bsd.callbacks.firing_rates import FiringRateCheck as FiringRateCheck
from keras_bsd.callbacks.layer_alignment import LayerAlignment as LayerAlignment
from keras_bsd.callbacks.progress import EpochSeconds as EpochSeconds
from keras_bsd.callbacks.progress import StageProgress as StageProgress
from keras_bsd.callbacks.progress import stage_logs as stage_logs
from keras_bsd.callbacks.stimulus_grid import StimulusGrid as StimulusGrid
