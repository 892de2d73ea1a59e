"""Learning from a stream after deployment: new classes, few samples, changing stimuli."""

from keras_bsd.online._learner import OnlineLearner as OnlineLearner
