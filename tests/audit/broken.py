"""Pairs that each break one criterion of plausibility."""

import keras
from keras import ops

import keras_bsd
from keras_bsd.layers import Readout, SpikingStage
from tests.models import pairs


def _pair(between=(), stage=SpikingStage, second=None, back=None, kind=keras_bsd.BSDModel, **kwargs):
    """Return a pair: four inputs, two stages of six neurons, layers `between` them, three classes."""
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            stage(keras.layers.Dense(6), timesteps=2, normalization="batch", name="lower"),
            *between,
            stage(second or keras.layers.Dense(6), normalization="batch", name="upper"),
            Readout(keras.layers.Dense(3), "softmax", name="scores"),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((3,)),
            stage(keras.layers.Dense(6), timesteps=2, normalization="batch", name="upper_back"),
            stage(back or keras.layers.Dense(6), normalization="batch", name="lower_back"),
            Readout(keras.layers.Dense(4), name="stimulus"),
        ]
    )
    model = kind(encoder, decoder, **kwargs)
    model.compile()
    return model


def shared_weight():
    """Both networks have the same layer."""
    both = keras.layers.Dense(6)
    return _pair(second=both, back=both)


def copied_weight():
    """The backward kernel is a copy of the feedforward one's transpose."""
    model = _pair()
    upper, lower_back = model.encoder_stages[1].synapse.layers[0], model.decoder_stages[0].synapse.layers[0]
    lower_back.kernel.assign(ops.transpose(upper.kernel))
    return model


class Uncut(SpikingStage):
    """A stage that does not detach its input."""

    def call(self, inputs, training=False):
        return self.call_local(inputs, training)


def missing_stop_gradient():
    return _pair(stage=Uncut, rule="surrogate")


def analogue_between_stages():
    return _pair([keras.layers.Rescaling(0.5)])


def analogue_held_between_stages():
    """The second stage holds the firing rates of the first one as a current."""
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingStage(keras.layers.Dense(6), timesteps=2, normalization="batch", name="lower"),
            keras.layers.GlobalAveragePooling1D(),
            SpikingStage(keras.layers.Dense(6), timesteps=2, normalization="batch", name="upper"),
            Readout(keras.layers.Dense(3), "softmax", name="scores"),
        ]
    )
    model = keras_bsd.BSDModel(encoder, _pair().decoder)
    model.compile()
    return model


def signed_between_stages():
    return _pair([keras.layers.Rescaling(2.0, offset=-1.0)])


class TwoPhases(keras_bsd.BSDModel):
    """The decoder reconstructs stimuli from the encoder's scores; both then learn from moved stimuli."""

    def distil(self, x, y, sample_weight=None):
        recalled = self.decoder(self.encoder(x, training=True), training=True)
        return super().distil(0.5 * (x + ops.stop_gradient(recalled)), y, sample_weight)


def two_phases():
    return _pair(kind=TwoPhases)


class WaitingDecoder(keras_bsd.BSDModel):
    """The decoder's concepts are the encoder's scores."""

    def distil(self, x, y, sample_weight=None):
        return super().distil(x, ops.stop_gradient(self.encoder(x, training=True)), sample_weight)


def waiting_decoder():
    return _pair(kind=WaitingDecoder, codebook=False)


class ForeignError(keras_bsd.BSDModel):
    """The first stage's loss includes the size of its weights, which no presynaptic signal carries."""

    def distil(self, x, y, sample_weight=None):
        step = super().distil(x, y, sample_weight)
        kernel = self.encoder_stages[0].synapse.layers[0].kernel
        return step._replace(stage_losses=[step.stage_losses[0] + ops.sum(kernel**2), step.stage_losses[1]])


def foreign_error():
    return _pair(kind=ForeignError)


def batch():
    return pairs.samples(_pair())
