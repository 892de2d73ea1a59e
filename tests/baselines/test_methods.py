"""What all rules have in common, by name."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd import baselines
from keras_bsd.baselines import _index
from keras_bsd.layers import Readout, SpikingALIFCell, SpikingDense, SpikingStage
from keras_bsd.layers._stage import flatten_stages
from tests.baselines import reference
from tests.gradients import weight_gradients_of_each

METHODS = baselines.list_methods()
LOCAL = [name for name in METHODS if issubclass(baselines.get(name), baselines.LocalBaseline)]
ONLINE = ("spatial", "ottt")  # whose readout decides at each time step


def dense_encoder(**kwargs):
    return keras_bsd.applications.SpikingMLP((4,), classes=3, units=(9, 8), timesteps=3, **kwargs).encoder


def compiled(name, encoder=None, **kwargs):
    model = baselines.get(name)(dense_encoder() if encoder is None else encoder)
    model.compile(
        keras.optimizers.AdamW(6e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"], **kwargs
    )
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_rule_learns_digits_with_its_defaults(name, digits):
    (x, y), test = digits
    keras.utils.set_random_seed(0)
    pair = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(128, 128))
    model = baselines.get(name)(pair.encoder)
    schedule = keras.optimizers.schedules.CosineDecay(6e-3, 15 * (len(x) // 64 + 1))
    model.compile(
        keras.optimizers.AdamW(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=True,
    )
    model.fit(x, y, batch_size=64, epochs=15, verbose=0)
    assert model.evaluate(*test, verbose=0, return_dict=True)["accuracy"] > 0.9


@pytest.mark.parametrize("name", METHODS)
def test_a_saved_model_predicts_and_continues_as_the_one_in_memory(name, tmp_path):
    model, (x, y) = compiled(name, jit_compile=False), reference.small_batch()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    losses = [m.train_on_batch(x, y, return_dict=True)["loss"] for m in (model, loaded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for weight, other in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(weight), ops.convert_to_numpy(other), atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_all_weights_of_the_encoder_learn(name):
    model = compiled(name, run_eagerly=True)
    before = [ops.convert_to_numpy(weight) for weight in model.encoder.trainable_weights]
    history = model.fit(*reference.small_batch(), verbose=0).history
    assert {"loss", "accuracy", "dense_1_firing_rate", "dense_2_firing_rate"} <= set(history)
    for weight, value in zip(model.encoder.trainable_weights, before, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(weight), value), weight.path


@pytest.mark.parametrize("name", LOCAL)
def test_the_losses_of_local_rules_reach_their_own_stage_alone(name):
    model = compiled(name)
    x, y = map(ops.convert_to_tensor, reference.small_batch())
    weights = model.trainable_variables
    _, rows = weight_gradients_of_each(lambda: model.compute_step(x, y).losses, weights)
    for (loss, layers), row in zip(model.owners(), rows, strict=True):
        own = {weight.path for layer in layers for weight in layer.trainable_weights}
        reached = {w.path for w, g in zip(weights, row, strict=True) if g is not None and np.any(g)}
        assert reached == own, loss


@pytest.mark.parametrize("name", METHODS)
def test_a_sample_of_weight_zero_changes_no_update_beside_statistics(name):
    encoder = reference.small_encoder()  # without batch statistics
    x, y = reference.small_batch()
    changed = x.copy()
    changed[-1] += 1
    weights = np.array([1, 1, 1, 1, 1, 0], "float32")
    if baselines.get(name).obstacle(encoder, "classification"):
        pytest.skip("its own test has an encoder that it can train")
    model = compiled(name, encoder)
    keras.utils.set_random_seed(0)
    rows = []
    for stimuli in (x, changed):
        values = [ops.convert_to_tensor(v) for v in (stimuli, y, weights)]
        state = [(v, v.value) for v in model.non_trainable_variables]  # such as random generators
        with keras.StatelessScope(state):
            step = model.compute_step(*values)
            rows.append([float(ops.convert_to_numpy(loss)) for loss in step.losses])
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_every_rule_trains_convolutions_with_dense_skips(name):
    encoder = keras_bsd.applications.SpikingConvNet(
        (6, 6, 2), 3, filters=(3, 4, 3), pool_sizes=(1, 2, 1), timesteps=2, skips="dense"
    ).encoder
    model = compiled(name, encoder, run_eagerly=True)
    x = np.random.default_rng(0).random((6, 6, 6, 2)).astype("float32")
    assert np.isfinite(model.fit(x, np.arange(6) % 3, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("name", METHODS)
def test_every_rule_trains_on_spikes_over_time(name):
    encoder = keras.Sequential(
        [
            keras.Input((5, 4)),
            SpikingDense(7, name="lower"),
            SpikingDense(6),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    model = compiled(name, encoder, run_eagerly=True)
    if name in LOCAL and name != "eprop":  # which has a rule of its own
        assert model.rule == "surrogate"
    x = np.random.default_rng(0).integers(0, 2, (6, 5, 4)).astype("float32")
    assert np.isfinite(model.fit(x, np.arange(6) % 3, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("name", METHODS)
def test_every_rule_trains_in_half_precision(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = compiled(name, run_eagerly=True)
        assert np.isfinite(model.fit(*reference.small_batch(), verbose=0).history["loss"]).all()
    finally:
        keras.config.set_dtype_policy("float32")


def regression_encoder():
    return keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(9, timesteps=3),
            SpikingDense(8),
            Readout(keras.layers.Dense(2), name="values"),
        ]
    )


@pytest.mark.parametrize("name", METHODS)
def test_rules_that_need_classes_refuse_regression_and_others_learn_it(name):
    rule, encoder = baselines.get(name), regression_encoder()
    if rule.obstacle(encoder, "regression"):
        with pytest.raises(
            ValueError, match=rf"Rule '{name}' cannot.*needs classes.*'values'.*can: 'backprop'"
        ):
            rule(encoder, task="regression")
        return
    model = rule(encoder, task="regression")
    model.compile(keras.optimizers.AdamW(6e-3), run_eagerly=True)
    x, _ = reference.small_batch()
    assert np.isfinite(model.fit(x, x[:, :2], verbose=0).history["loss"]).all()


def test_one_output_is_the_probability_of_the_second_of_two_classes():
    for name in ("dfa", "decolle", "lls"):
        encoder = keras.Sequential(
            [keras.Input((4,)), SpikingDense(9, timesteps=3), Readout(keras.layers.Dense(1), "sigmoid")]
        )
        model = baselines.get(name)(encoder)
        model.compile(loss="binary_crossentropy", run_eagerly=True)
        x, y = reference.small_batch()
        assert np.isfinite(model.fit(x, y % 2, verbose=0).history["loss"]).all()
        (feedback,) = model.feedback or model.stage_readouts
        assert 2 in feedback.kernel.shape


def test_a_rule_names_the_stage_that_it_cannot_train_and_the_rules_that_can():
    recurrent = keras_bsd.applications.SpikingRNN((5, 4), 3, units=(6,)).encoder
    with pytest.raises(
        ValueError, match=r"Rule 'fa' cannot train.*'recurrent_1' is recurrent.*can: 'backprop', 'dfa'"
    ):
        baselines.FeedbackAlignment(recurrent)
    adaptive = dense_encoder(neuron=SpikingALIFCell())
    with pytest.raises(ValueError, match=r"Rule 'ottt'.*'dense_1' have no single constant leak.*'spatial'"):
        baselines.OTTT(adaptive)
    behind = keras.Sequential(
        [keras.Input((4,)), *reference.small_encoder().layers, keras.layers.Rescaling(2.0, name="doubled")]
    )
    with pytest.raises(ValueError, match=r"Rule 'spatial'.*readout 'scores' at each.*layer 'doubled' follows"):
        baselines.SpatialBackprop(behind)


@pytest.mark.parametrize("name", METHODS)
def test_a_network_without_stages_is_refused(name):
    encoder = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="plain")
    with pytest.raises(ValueError, match=rf"Rule '{name}' cannot.*'plain' has no spiking stage.*can: none"):
        baselines.get(name)(encoder)


def test_an_unknown_rule_is_refused_with_the_names_of_those_there_are():
    with pytest.raises(ValueError, match=r"Unknown `name`: choose one of 'backprop'.*Received: name='hebb'"):
        baselines.get("hebb")


def test_masked_time_steps_have_no_loss_of_their_own():
    stimulus = keras.Input((5, 4))
    masked = keras.layers.Masking()(stimulus)
    spikes = SpikingDense(6)(masked)
    encoder = keras.Model(stimulus, Readout(keras.layers.Dense(3), "softmax", name="scores")(spikes))
    model = compiled("spatial", encoder, run_eagerly=True)
    with pytest.raises(ValueError, match=r"Readout 'scores' has a loss at each time step.*Received: a mask"):
        model.fit(np.ones((6, 5, 4), "float32"), np.arange(6) % 3, verbose=0)


def test_a_rule_needs_one_class_and_one_line_in_the_index(monkeypatch):
    """The smallest rule: each stage is to fire at a rate of its own for each class."""

    @keras.saving.register_keras_serializable("my_package")
    class FixedRates(baselines.LocalBaseline):
        title = "fixed rates"

        def sample_losses(self, i, rates, lesson):
            wanted = ops.argmax(lesson.targets, axis=-1) / lesson.targets.shape[-1]
            return ops.square(ops.mean(rates, axis=-1) - ops.cast(wanted, rates.dtype))

    monkeypatch.setitem(_index.RULES, "fixed_rates", FixedRates)
    assert "fixed_rates" in baselines.list_methods()
    model = compiled("fixed_rates", run_eagerly=True)
    assert np.isfinite(model.fit(*reference.small_batch(), verbose=0).history["loss"]).all()
    assert len(model.owners()) == 1 + len(flatten_stages(model.encoder)) - 1


@pytest.mark.parametrize("name", METHODS)
def test_training_data_is_checked_before_a_weight_changes(name):
    model, (x, y) = compiled(name, run_eagerly=True), reference.small_batch()
    before = model.get_weights()
    x[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"finite"):
        model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match=r"Classes"):
        model.fit(np.nan_to_num(x), y + 1, verbose=0)
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
@pytest.mark.parametrize("name", METHODS)
def test_a_quantised_model_loads_from_its_file(name, tmp_path):
    model, (x, y) = compiled(name, run_eagerly=True), reference.small_batch()
    model.fit(x, y, verbose=0)
    model.quantize("int8")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.parametrize(
    ("source", "target", "arguments"),
    [
        ("decolle", "lls", {}),
        ("local_readouts", "decolle", {}),
        ("lls", "lls", {"temperature": 1.0}),
    ],
)
def test_weights_of_another_rule_are_refused(source, target, arguments, tmp_path):
    baselines.get(source)(dense_encoder()).save_weights(tmp_path / "model.weights.h5")
    model = baselines.get(target)(dense_encoder(), **arguments)
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"rule\.\w+ is .* in the file and .* in the model"):
        model.load_weights(tmp_path / "model.weights.h5")
    for weight, value in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


@pytest.mark.parametrize("name", ["dfa", "forward_forward"])
def test_a_readout_of_logits_teaches_as_one_of_probabilities(name):
    losses, (x, y) = [], reference.small_batch()
    for activation in ("softmax", None):
        keras.utils.set_random_seed(0)
        encoder = keras.Sequential(
            [
                keras.Input((4,)),
                SpikingDense(9, timesteps=3, name="lower"),
                Readout(keras.layers.Dense(3), activation, name="scores"),
            ]
        )
        model = baselines.get(name)(encoder)
        model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=activation is None))
        step = model.compute_step(ops.convert_to_tensor(x), ops.convert_to_tensor(y))
        outputs = ops.convert_to_tensor(model.predict(x, verbose=0))
        probabilities = outputs if activation else ops.softmax(outputs)
        losses.append(
            [float(ops.convert_to_numpy(step.stage_losses[0])), *ops.convert_to_numpy(probabilities).ravel()]
        )
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "ccl"])
def test_rows_of_weight_zero_are_in_no_firing_rate(name):
    encoder = reference.small_encoder()
    x, y = reference.small_batch()
    weights = np.array([1, 1, 1, 1, 1, 0], "float32")
    model, rates = compiled(name, encoder), []
    for last in (x[-1], 5 * x[0]):
        stimuli = np.concatenate([x[:-1], last[None]])
        with keras.StatelessScope([(v, v.value) for v in model.non_trainable_variables]):
            step = model.compute_step(*map(ops.convert_to_tensor, (stimuli, y, weights)))
        rates.append([float(ops.convert_to_numpy(rate)) for rate in step.firing_rates])
    np.testing.assert_allclose(rates[0], rates[1], rtol=1e-5)


def test_another_number_of_timesteps_keeps_the_rule():
    model = baselines.DirectFeedbackAlignment(dense_encoder())
    faster = keras_bsd.with_timesteps(model, 2)
    assert type(faster) is type(model)
    assert faster.encoder_stages[0].timesteps == 2
    for weight, value in zip(faster.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, value)


def test_regression_by_local_readouts_needs_two_samples():
    model = baselines.LocalReadouts(regression_encoder(), task="regression")
    model.compile(run_eagerly=True)
    x, _ = reference.small_batch()
    with pytest.raises(ValueError, match=r"at least 2 samples.*Received: 1"):
        model.fit(x, x[:, :2], batch_size=1, verbose=0)


def test_codes_must_differ():
    with pytest.raises(
        ValueError, match=r"Rule 'lls'.*codes of 10 classes do not differ over the 6 neurons of stage 'dense_1'"
    ):
        baselines.ClassCodes(keras_bsd.applications.SpikingMLP((4,), 10, units=(6,)).encoder)


def test_traces_need_a_kernel_that_comes_first():
    synapse = [keras.layers.Dropout(0.1), keras.layers.Dense(6, name="behind")]
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(9, timesteps=3),
            SpikingStage(synapse, name="upper"),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    with pytest.raises(
        ValueError, match=r"kernel 'behind' of stage 'upper' is behind a layer that is not affine"
    ):
        baselines.OTTT(encoder)


def test_an_encoder_needs_a_readout():
    encoder = keras.Sequential([keras.Input((4,)), SpikingDense(9, timesteps=3)], name="headless")
    with pytest.raises(ValueError, match=r"Rule 'spatial' cannot.*'headless' has not one input and a Readout"):
        baselines.SpatialBackprop(encoder)


def test_recurrent_stages_have_the_same_targets():
    layers = [keras_bsd.layers.SpikingRecurrent(6, timesteps=2, name="one"), None]
    layers[1] = keras_bsd.layers.SpikingRecurrent(5, targets="last", name="two")
    readout = keras_bsd.layers.SequenceReadout(keras.layers.Dense(3), "softmax", targets="last")
    encoder = keras.Sequential([keras.Input((5, 4)), *layers, readout])
    with pytest.raises(ValueError, match=r"the same `targets`.*Received: 'one' 'all', 'two' 'last'"):
        baselines.DECOLLE(encoder)


@pytest.mark.parametrize("name", ["spatial", "ottt"])
def test_sequences_of_unknown_length_train(name):
    encoder = keras.Sequential(
        [keras.Input((None, 4)), SpikingDense(6), SpikingDense(5), Readout(keras.layers.Dense(3), "softmax")]
    )
    model = compiled(name, encoder)
    x = np.random.default_rng(0).integers(0, 2, (6, 5, 4)).astype("float32")
    assert np.isfinite(model.fit(x, np.arange(6) % 3, verbose=0).history["loss"]).all()


def test_what_forward_forward_adds_is_in_no_exported_encoder(tmp_path):
    model = baselines.ForwardForward(dense_encoder())
    with pytest.raises(ValueError, match=r"those of its encoder. Received: a ForwardForward.*model.export"):
        keras_bsd.export.export_onnx(model, tmp_path / "model.onnx")
    x, _ = reference.small_batch()
    patterns = ops.convert_to_numpy(model.patterns).mean(axis=0)
    expected = keras_bsd.audit.spikes(model.encoder, x + patterns)
    for stage, spikes in model.spikes(x).items():
        np.testing.assert_array_equal(spikes, expected[stage])
