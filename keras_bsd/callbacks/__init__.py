"""Keras callbacks that report or check stages during training."""

from keras_bsd.callbacks._firing_rates import FiringRateCheck as FiringRateCheck
from keras_bsd.callbacks._layer_alignment import LayerAlignment as LayerAlignment
from keras_bsd.callbacks._progress import EpochSeconds as EpochSeconds
from keras_bsd.callbacks._progress import StageProgress as StageProgress
from keras_bsd.callbacks._progress import stage_logs as stage_logs
from keras_bsd.callbacks._stimulus_grid import StimulusGrid as StimulusGrid
