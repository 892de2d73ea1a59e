"""Distances between generated and real samples, and widths of forecast intervals."""

from keras_bsd.metrics._conformal import interval_width as interval_width
from keras_bsd.metrics._generative import frechet_distance as frechet_distance
from keras_bsd.metrics._generative import mean_pairwise_distance as mean_pairwise_distance
from keras_bsd.metrics._generative import precision_recall as precision_recall
