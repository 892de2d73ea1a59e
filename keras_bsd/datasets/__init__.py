"""Image sets, series, texts and events as arrays, with their standard splits, windows and batches."""

from keras_bsd.datasets._batches import Batches as Batches
from keras_bsd.datasets._batches import RandomNoise as RandomNoise
from keras_bsd.datasets._denoising import denoise_events as denoise_events
from keras_bsd.datasets._event_batches import EventBatches as EventBatches
from keras_bsd.datasets._event_files import load_events as load_events
from keras_bsd.datasets._event_frames import events_to_frames as events_to_frames
from keras_bsd.datasets._event_sensor import simulate_event_frames as simulate_event_frames
from keras_bsd.datasets._event_sensor import simulate_events as simulate_events
from keras_bsd.datasets._event_transforms import crop_events as crop_events
from keras_bsd.datasets._event_transforms import downsample_events as downsample_events
from keras_bsd.datasets._event_transforms import drop_events as drop_events
from keras_bsd.datasets._event_transforms import flip_events as flip_events
from keras_bsd.datasets._event_transforms import jitter_events as jitter_events
from keras_bsd.datasets._images import class_labels as class_labels
from keras_bsd.datasets._images import load_images as load_images
from keras_bsd.datasets._mackey_glass import mackey_glass as mackey_glass
from keras_bsd.datasets._series import Series as Series
from keras_bsd.datasets._series import load_series as load_series
from keras_bsd.datasets._shd import load_shd as load_shd
from keras_bsd.datasets._sweeps import simulate_sweeps as simulate_sweeps
from keras_bsd.datasets._text import load_text as load_text
from keras_bsd.datasets._windows import TextWindows as TextWindows
from keras_bsd.datasets._windows import chunks as chunks
from keras_bsd.datasets._windows import standardized_splits as standardized_splits
from keras_bsd.datasets._windows import windows as windows
