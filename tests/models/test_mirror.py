"""The decoder that mirrors an encoder, and what it teaches by."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.applications import SpikingConvNet, SpikingMLP
from keras_bsd.layers import GuidedStage, Readout, SpikingConv2D, SpikingDense, SpikingStage, flatten_stages
from keras_bsd.losses import ReCo
from keras_bsd.losses._reco import pool_maps


def encoder_of(activation="softmax", units=(6, 5, 4)):
    first, *others = units
    stages = [SpikingDense(first, timesteps=3), *map(SpikingDense, others)]
    return keras.Sequential([keras.Input((8,)), *stages, Readout(keras.layers.Dense(3), activation)])


def kinds(decoder):
    return [type(stage) for stage in flatten_stages(decoder, SpikingStage)]


def test_every_stage_of_a_decoder_of_classes_receives_the_concept():
    assert kinds(keras_bsd.mirror(encoder_of())) == [SpikingStage, GuidedStage, GuidedStage]
    assert kinds(keras_bsd.mirror(encoder_of(None))) == [SpikingStage] * 3
    assert kinds(keras_bsd.mirror(encoder_of(None), broadcast_concept=True))[1:] == [GuidedStage] * 2
    assert kinds(keras_bsd.mirror(encoder_of(), broadcast_concept=False)) == [SpikingStage] * 3


def test_the_concept_reaches_each_stage_directly():
    """The currents of every stage depend on the concept, though the spikes from above are the same."""
    decoder = keras_bsd.mirror(encoder_of())
    spikes = np.zeros((3, 3, 5), "float32")
    stage = flatten_stages(decoder, GuidedStage)[-1]
    currents = ops.convert_to_numpy(stage.currents([spikes, np.eye(3, dtype="float32")], training=False))
    assert len(np.unique(currents.round(6), axis=0)) == 3


def test_the_gain_multiplies_kernels_and_changes_no_normalised_current():
    concepts = np.eye(3, dtype="float32")
    kernels, recalled = [], []
    for gain in (1.0, 5.0):
        keras.utils.set_random_seed(0)
        decoder = keras_bsd.mirror(encoder_of(), gain=gain)
        stages = flatten_stages(decoder, SpikingStage)
        kernels.append(
            [ops.convert_to_numpy(w) for s in stages for w in s.trainable_weights if len(w.shape) > 1]
        )
        first = stages[0](concepts, training=True)
        recalled.append(ops.convert_to_numpy(stages[0].linearized(concepts, True)[1]))
        assert first.shape == (3, 3, 4)
    assert len(kernels[0]) == 5
    for one, five in zip(*kernels, strict=True):
        np.testing.assert_allclose(5 * one, five, rtol=1e-6)
    np.testing.assert_allclose(*recalled, atol=0.06)  # but for the epsilon of the normalisation


@pytest.mark.parametrize(
    ("arguments", "gain"),
    [({}, 5.0), ({"broadcast_concept": False}, 1.0), ({"normalization": None}, 1.0), ({"gain": 2.0}, 2.0)],
)
def test_default_gain(arguments, gain):
    keras.utils.set_random_seed(0)
    stage = flatten_stages(keras_bsd.mirror(encoder_of(), **arguments), SpikingStage)[0]
    keras.utils.set_random_seed(0)
    plain = flatten_stages(keras_bsd.mirror(encoder_of(), **arguments | {"gain": 1.0}), SpikingStage)[0]
    np.testing.assert_allclose(stage.get_weights()[0], gain * plain.get_weights()[0], rtol=1e-6)


@pytest.mark.parametrize("size", [(4, 4), (8, 8), (14, 7), (9, 5), (3, 16), (32, 32)])
def test_the_concept_reaches_maps_by_the_cells_that_are_compared(size):
    """The guide of maps has a weight for each cell, class and channel, and pooling returns its values."""
    encoder = keras.Sequential(
        [
            keras.Input((*size, 2)),
            SpikingConv2D(3, timesteps=2),
            SpikingConv2D(4),
            Readout([keras.layers.Flatten(), keras.layers.Dense(5)], "softmax"),
        ]
    )
    (stage,) = flatten_stages(keras_bsd.mirror(encoder), GuidedStage)
    (kernel,) = stage.guide.trainable_variables
    guided = stage.guide(np.eye(5, dtype="float32"))
    assert guided.shape == (5, *size, 3)
    cells = ops.reshape(pool_maps(guided, 4), (5, -1))
    np.testing.assert_allclose(ops.convert_to_numpy(cells), ops.convert_to_numpy(kernel), rtol=1e-5)


@pytest.mark.parametrize("stage", [SpikingDense(6), Readout(keras.layers.Dense(3), "softmax")])
def test_skip_connections_into_any_stage(stage):
    """A stage's mirror outputs what the stage before it has, without the spikes that skip that stage."""
    stimulus = keras.Input((8,))
    first = SpikingDense(7, timesteps=3, name="first")(stimulus)
    second = SpikingDense(5, name="second")(first)
    outputs = stage(keras.layers.Concatenate()([second, first]))
    if isinstance(stage, SpikingDense):
        outputs = Readout(keras.layers.Dense(3), "softmax")(outputs)
    decoder = keras_bsd.mirror(keras.Model(stimulus, outputs))
    shapes = {layer.name: layer.output_features for layer in flatten_stages(decoder, SpikingStage)}
    assert (shapes["second_mirror"], shapes["first_mirror"]) == ((5,), (7,))


def test_currents_of_the_decoder_are_compared():
    pair = keras_bsd.BSDModel(encoder := encoder_of(), keras_bsd.mirror(encoder))
    pair.compile()
    x, y = np.random.default_rng(0).random((6, 8)).astype("float32"), np.arange(6) % 3
    step = pair.distil(ops.convert_to_tensor(x), ops.convert_to_tensor(y))
    teacher = pair.decoder_stages[-1]
    current = teacher.linearized(np.eye(3, dtype="float32"), True)[1]
    spikes = encoder.layers[0](x, training=True)
    for stage in encoder.layers[1:3]:
        spikes = stage(spikes, training=True)
    affinity = keras_bsd.losses.cosine_affinity(ops.mean(spikes, axis=1), current)
    expected = ops.convert_to_numpy(affinity)[np.arange(6), y].mean()
    np.testing.assert_allclose(ops.convert_to_numpy(step.alignments[-1]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "signal"),
    [
        ({}, "current"),
        ({"teacher_signal": "rate"}, "rate"),
        ({"codebook": False}, "current"),
        ({"decoder": {"broadcast_concept": False}}, "rate"),
        ({"units": (6,)}, "rate"),
        ({"layer_loss": ReCo(centring=None)}, "rate"),
        ({"layer_loss": "similarity_matching"}, "current"),
        (keras_bsd.paper_configuration(), "rate"),
    ],
)
def test_default_signal(arguments, signal):
    pair = SpikingMLP((4,), 3, **{"units": (6, 5), **arguments})
    assert pair.teacher_signal == signal
    assert pair.get_config()["teacher_signal"] == signal


def test_builders_follow_the_signal():
    """Rates are taught by the decoder of version 0.1, unless the caller asks for another."""
    rate = SpikingMLP((4,), 3, units=(6, 5), teacher_signal="rate")
    assert kinds(rate.decoder) == [SpikingStage] * 2
    guided = SpikingMLP((4,), 3, units=(6, 5), teacher_signal="rate", decoder={"broadcast_concept": True})
    assert kinds(guided.decoder) == [SpikingStage, GuidedStage]


def test_a_pair_with_a_guided_decoder_is_saved_and_loaded(tmp_path):
    pair = SpikingConvNet((8, 8, 1), 3, filters=(3, 4, 5), pool_sizes=(2, 1, 1), skips="dense")
    pair.compile()
    x, y = np.random.default_rng(0).random((6, 8, 8, 1)).astype("float32"), np.arange(6) % 3
    pair.train_on_batch(x, y)
    pair.save(tmp_path / "pair.keras")
    for loaded in (
        keras.saving.load_model(tmp_path / "pair.keras"),
        SpikingConvNet(weights=tmp_path / "pair.keras"),
    ):
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), pair.predict(x, verbose=0))
        np.testing.assert_array_equal(loaded.recall([0, 1, 2]), pair.recall([0, 1, 2]))


def test_dense_skips_bring_the_spikes_of_all_earlier_stages():
    pair = SpikingConvNet((8, 8, 1), 3, filters=(3, 4, 5, 6), pool_sizes=(1, 2, 1, 2), skips="dense")
    assert [stage.input_features for stage in pair.encoder_stages] == [
        (8, 8, 1),
        (8, 8, 3),
        (4, 4, 7),
        (4, 4, 12),
    ]
    assert [stage.output_features for stage in pair.decoder_stages] == [
        (8, 8, 3),
        (4, 4, 4),
        (4, 4, 5),
        (2, 2, 6),
    ]
    x = np.random.default_rng(0).random((2, 8, 8, 1)).astype("float32")
    spikes = pair.spikes(x)
    third = pair.encoder_stages[2]
    pooled = spikes["conv_1"].reshape(2, 4, 4, 2, 4, 2, 3).max(axis=(3, 5))
    expected = ops.convert_to_numpy(third(np.concatenate([spikes["conv_2"], pooled], axis=-1)))
    np.testing.assert_array_equal(spikes["conv_3"], expected)


def test_the_audit_checks_the_direct_connections():
    pair = SpikingMLP((8,), 3, units=(6, 5), stimulus_range=None)
    pair.compile()
    x, y = np.random.default_rng(0).random((6, 8)).astype("float32"), np.arange(6) % 3
    report = keras_bsd.audit.plausibility(pair, x, y)
    assert not any(criterion.faults for criterion in report.criteria.values()), report
    (guide,) = pair.decoder_stages[0].guide.trainable_weights
    (update,) = [
        update
        for update in report.criteria["C2"].measured["updates"]
        if update["layer"] in guide.path.split("/")
    ]
    assert update["presynaptic"] == "stimulus"
    assert not any("not checked" in text for text in report.criteria["C2"].reservations)
    assert not report.criteria["C1"].reservations


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: keras_bsd.mirror(encoder_of(), gain=0.0), "`gain` must be"),
        (lambda: keras_bsd.mirror(encoder_of(), gain=5.0, normalization=None), "gain=5.0, normalization=None"),
        (
            lambda: SpikingMLP((4,), 3, units=(5,), teacher_signal="current", layer_loss=ReCo(centring=None)),
            "teacher_signal='current', layer_loss with centring=None",
        ),
        (lambda: SpikingMLP((4,), 3, units=(5,), teacher_signal="spikes"), "Unknown `teacher_signal`"),
        (lambda: SpikingMLP((4,), 3, units=(5,), decoder={"pace": 2}), "`decoder` must be a dict of arguments"),
        (lambda: SpikingMLP((4,), 3, units=(5,), decoder="chain"), "Received: decoder='chain'"),
        (
            lambda: SpikingConvNet((8, 8, 1), 3, filters=(4, 4), pool_sizes=(2, 2), skips="dense"),
            r"at least three stages.*skips='dense', filters=\(4, 4\)",
        ),
        (
            lambda: SpikingConvNet((8, 8, 1), 3, skips="residual"),
            "Unknown `skips`: choose one of 'dense'",
        ),
    ],
)
def test_errors(build, message):
    with pytest.raises(ValueError, match=message):
        build()


class _WithoutFeatures(SpikingStage):
    def backward_synapse(self):
        return [keras.layers.Dense(*self.input_features)]


def test_a_stage_that_returns_to_its_inputs_alone_recalls_the_mean():
    stage = _WithoutFeatures(keras.layers.Dense(5), name="own")
    encoder = keras.Sequential([keras.Input((6, 4)), stage, Readout(keras.layers.Dense(3), "softmax")])
    assert keras_bsd.mirror(encoder).output_shape == (None, 4)
    with pytest.raises(ValueError, match=r"of stage 'own' must take `features`.* Received: features=\(24,\)"):
        keras_bsd.mirror(encoder, recall="sequence")
