"""Checks of the claims that people come to BSD for, on a model of one's own."""

from keras_bsd.audit.plausibility import plausibility as plausibility
from keras_bsd.audit.report import PlausibilityReport as PlausibilityReport
