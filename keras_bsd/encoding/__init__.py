"""Encoders of stimuli, classes and continuous targets as spikes or held currents."""

from keras_bsd.encoding._delta import DeltaEncoder as DeltaEncoder
from keras_bsd.encoding._direct import DirectEncoder as DirectEncoder
from keras_bsd.encoding._direct import OneHotEncoder as OneHotEncoder
from keras_bsd.encoding._latency import LatencyEncoder as LatencyEncoder
from keras_bsd.encoding._rate import PoissonEncoder as PoissonEncoder
from keras_bsd.encoding._rate import RegularEncoder as RegularEncoder
from keras_bsd.encoding._targets import ClassEncoder as ClassEncoder
from keras_bsd.encoding._targets import PopulationEncoder as PopulationEncoder
