import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import keras_bsd
from keras_bsd.layers import Readout, SpikingDense
from tests.models import pairs

MAKERS = {
    "small": pairs.small_pair,
    "paper's negatives": lambda: pairs.small_pair(codebook=False, negatives="all"),
    "conv": pairs.conv_pair,
    "own layers": pairs.own_layers_pair,
    "regression": pairs.regression_pair,
}


def weights(model):
    return [ops.convert_to_numpy(variable) for variable in model.variables]


def scalar(tensor):
    return float(ops.convert_to_numpy(tensor))


def assert_same(one, other, **tolerance):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, **(tolerance or {"rtol": 0}))


# With torch.compile a model and its copy need not be equal to the last bit.
MODES = {"eager": {"run_eagerly": True}, "graph": {"jit_compile": False}, "XLA": {"jit_compile": True}}
COMPILED = [] if keras.config.backend() == "torch" else ["graph", "XLA"]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(pytest.param(name, "eager", marks=pytest.mark.slow) for name in MAKERS if name != "small"),
        *(pytest.param("small", mode, marks=[pytest.mark.slow] * (mode == "XLA")) for mode in COMPILED),
    ],
)
def test_a_saved_pair_trains_on_bit_for_bit(name, mode, tmp_path):
    model = MAKERS[name]()
    metrics = ["mae"] if model.task == "regression" else ["accuracy"]
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 20)
    model.compile(keras.optimizers.AdamW(schedule), metrics=metrics, **MODES[mode])
    x, y = pairs.samples(model)
    model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    model.save(tmp_path / "pair.keras")
    loaded = keras.saving.load_model(tmp_path / "pair.keras")
    assert loaded.to_json() == model.to_json()
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    histories = [pair.fit(x, y, batch_size=4, shuffle=False, verbose=0).history for pair in (model, loaded)]
    assert histories[0] == histories[1]
    assert_same(weights(model), weights(loaded))
    assert_same(
        [ops.convert_to_numpy(v) for v in model.optimizer.variables],
        [ops.convert_to_numpy(v) for v in loaded.optimizer.variables],
    )


def test_configurations_of_version_0_1_load():
    config = pairs.dense_pair(codebook=False, local_readout_weight=0.5).get_config()
    config |= {"local_readouts": config.pop("local_readout_weight"), "negatives": "unlike"}
    loaded = keras_bsd.BSDModel.from_config(config)
    assert (loaded.local_readout_weight, loaded.negatives, loaded.codebook) == (0.5, "dissimilar", False)
    assert len(loaded.stage_readouts) == 3
    assert loaded.get_config().keys() == pairs.dense_pair().get_config().keys()
    config["negatives"] = "all"
    assert keras_bsd.BSDModel.from_config(config).negatives == "all"


@pytest.mark.parametrize(
    ("rule", "codebook"),
    [
        ("rate", True),
        pytest.param("rate", False, marks=pytest.mark.slow),
        pytest.param("surrogate", True, marks=pytest.mark.slow),
        pytest.param("surrogate", False, marks=pytest.mark.slow),
    ],
)
def test_learns_classes_that_are_not_linearly_separable(rule, codebook):
    (x, y), (x_test, y_test) = pairs.clusters(600), pairs.clusters(300, seed=1)
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(64, timesteps=4),
            SpikingDense(64),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), rule=rule, codebook=codebook)
    model.compile(keras.optimizers.AdamW(1e-2), metrics=[pairs.accuracy()])
    model.fit(x, y, batch_size=50, epochs=15, verbose=0)
    assert model.evaluate(x_test, y_test, verbose=0)[1] > 0.85


@pytest.mark.slow
def test_trained_hidden_stages_do_better_than_random_ones():
    (x, y), (x_test, y_test) = pairs.clusters(600), pairs.clusters(300, seed=1)
    accuracy = []
    for frozen in (False, True):
        keras.utils.set_random_seed(0)
        model = keras_bsd.applications.SpikingMLP((4,), 3, units=(16, 16, 16), stimulus_range=None)
        for stage in model.encoder_stages:
            stage.trainable = not frozen
        model.compile(keras.optimizers.AdamW(1e-2), metrics=[pairs.accuracy()])
        model.fit(x, y, batch_size=50, epochs=15, verbose=0)
        accuracy.append(model.evaluate(x_test, y_test, verbose=0)[1])
    assert accuracy[0] > accuracy[1] + 0.05


@pytest.mark.slow
def test_regression_beats_the_mean():
    model = pairs.regression_pair()
    generator = np.random.default_rng(0)
    x = generator.uniform(-1, 1, (800, 4)).astype("float32")
    y = np.stack([x[:, 0] * x[:, 1], np.abs(x[:, 2])], axis=1)
    model.compile(keras.optimizers.AdamW(1e-2))
    model.fit(x[:600], y[:600], batch_size=50, epochs=20, verbose=0)
    assert model.evaluate(x[600:], y[600:], verbose=0) < 0.7 * y[600:].var(axis=0).mean()


def test_sparse_column_and_one_hot_targets_are_equal():
    totals = []
    for shaped in (lambda y: y, lambda y: y[:, None], lambda y: np.eye(3, dtype="float32")[y]):
        keras.utils.set_random_seed(0)
        model = pairs.dense_pair()
        model.compile()
        x, y = pairs.samples(model)
        totals.append(scalar(model.distil(x, ops.convert_to_tensor(shaped(y))).total))
    assert totals == pytest.approx([totals[0]] * 3, rel=1e-5)


@pytest.mark.slow
def test_all_kinds_of_data_train_equally():
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return x[4 * index : 4 * index + 4], y[4 * index : 4 * index + 4]

    x, y = pairs.samples(pairs.small_pair())
    streams = [{"x": x, "y": y, "batch_size": 4}, {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(4)}]
    streams += [{"x": Batches()}, {"x": (Batches()[i % 3] for i in range(6)), "steps_per_epoch": 3}]
    streams += [{"x": x, "y": y, "batch_size": 4, "validation_data": (x, y)}]
    results = []
    for arguments in streams:
        keras.utils.set_random_seed(0)
        model = pairs.small_pair()
        model.compile("sgd")
        model.fit(**arguments, epochs=2, shuffle=False, verbose=0)
        results.append(weights(model))
    for result in results[1:]:
        assert_same(result, results[0], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.config.backend() == "torch", reason="Keras has no such steps on PyTorch")
@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_steps_per_execution_does_not_change_training(jit_compile):
    results = []
    for steps in (1, 3):
        keras.utils.set_random_seed(0)
        model = pairs.small_pair()
        model.compile("sgd", steps_per_execution=steps, jit_compile=jit_compile)
        x, y = pairs.samples(model, 24)
        model.fit(x, y, batch_size=4, epochs=1, shuffle=False, verbose=0)
        results.append(weights(model))
    assert_same(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_weights_of_samples_and_classes():
    results = []
    x, y = pairs.samples(pairs.small_pair())
    class_weight = {0: 0.5, 1: 2.0, 2: 0.0}
    for arguments in (
        {"class_weight": class_weight},
        {"sample_weight": np.array([class_weight[c] for c in y])},
        {},
    ):
        keras.utils.set_random_seed(0)
        model = pairs.small_pair()
        model.compile("sgd")
        model.fit(x, y, batch_size=12, verbose=0, **arguments)
        results.append(weights(model))
    assert_same(results[0], results[1], rtol=1e-5, atol=1e-7)
    assert any(np.abs(a - b).max() > 1e-6 for a, b in zip(results[0], results[2], strict=True))


def test_a_sample_of_weight_zero_has_no_loss():
    model = pairs.dense_pair()
    model.compile()
    x, y = pairs.samples(model)
    none = model.distil(x, ops.convert_to_tensor(y), np.zeros(12, "float32"))
    assert scalar(none.total) == 0
    double = model.distil(x, ops.convert_to_tensor(y), np.full(12, 2.0, "float32"))
    once = model.distil(x, ops.convert_to_tensor(y))
    assert scalar(double.total) == pytest.approx(2 * scalar(once.total), rel=1e-5)


def test_logs_and_metrics():
    model = pairs.dense_pair()
    top_2 = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top_2")
    model.compile(metrics=["accuracy", top_2], run_eagerly=True)
    x, y = pairs.samples(model)
    batches = []
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(logs))
    history = model.fit(x, y, batch_size=4, validation_data=(x, y), callbacks=[callback], verbose=0).history
    stages = {
        f"{stage}_{log}" for stage in ("first", "second", "third") for log in ("alignment", "firing_rate")
    }
    task = {"loss", "accuracy", "top_2"}
    assert set(history) == stages | task | {f"val_{name}" for name in task}
    assert len(batches) == 3
    assert all(0 <= history[name][0] <= 1 for name in stages if "firing_rate" in name)
    assert set(model.evaluate(x, y, verbose=0, return_dict=True)) == task
    spikes = model.spikes(x)
    assert {name: train.shape for name, train in spikes.items()} == {
        "first": (12, 3, 9),
        "second": (12, 3, 8),
        "third": (12, 3, 7),
    }


def test_logs_are_the_values_of_the_step():
    model = pairs.dense_pair()
    model.compile("sgd")
    x, y = pairs.samples(model)
    step = model.distil(x, ops.convert_to_tensor(y))
    logs = model.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(scalar(step.task_loss), rel=1e-4)
    assert logs["second_firing_rate"] == pytest.approx(scalar(step.firing_rates[1]), rel=1e-4)
    assert logs["second_alignment"] == pytest.approx(scalar(step.alignments[1]), rel=1e-3)


def test_regularisers_add_to_the_loss():
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            keras_bsd.layers.SpikingStage(keras.layers.Dense(5, kernel_regularizer="l2"), timesteps=2),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    decoder = keras.Sequential(
        [keras.Input((3,)), SpikingDense(5, timesteps=2), Readout(keras.layers.Dense(4))]
    )
    model = keras_bsd.BSDModel(encoder, decoder)
    model.compile()
    x, y = pairs.samples(model)
    before = scalar(model.distil(x, ops.convert_to_tensor(y)).total)
    penalty = scalar(encoder.losses[0])
    encoder.layers[0].synapse.layers[0].kernel.regularizer = None
    assert before - scalar(model.distil(x, ops.convert_to_tensor(y)).total) == pytest.approx(penalty, rel=1e-3)


def test_prediction_runs_the_encoder_alone():
    model = pairs.dense_pair()
    x, _ = pairs.samples(model)
    scores = model.encoder.predict(x, verbose=0)
    for variable in model.decoder.variables:
        variable.assign(ops.full(variable.shape, np.nan))
    np.testing.assert_array_equal(model.predict(x, verbose=0), scores)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)


def test_recall():
    model = pairs.dense_pair()
    images = model.recall([0, 2, 1, 2])
    assert images.shape == (4, 4)
    np.testing.assert_array_equal(images[1], images[3])
    np.testing.assert_allclose(model.recall(np.eye(3)[[0, 2, 1, 2]]), images, rtol=1e-5)
    assert pairs.regression_pair().recall(np.zeros((5, 2))).shape == (5, 4)


@pytest.mark.slow
def test_recall_of_a_trained_pair_is_the_class_mean():
    x, y = pairs.clusters(600)
    x = x + np.eye(4, dtype="float32")[y] * 3
    model = keras_bsd.applications.SpikingMLP((4,), 3, units=(32, 32), stimulus_range=None)
    model.compile(keras.optimizers.AdamW(1e-2))
    model.fit(x, y, batch_size=50, epochs=25, verbose=0)
    means = np.stack([x[y == c].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(model.recall([0, 1, 2]), means, atol=0.5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_trains_under_a_dtype_policy(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = pairs.dense_pair()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(metrics=["accuracy"], run_eagerly=True)
    x, y = pairs.samples(model)
    history = model.fit(x, y, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert all(np.isfinite(np.asarray(v, "float32")).all() for v in weights(model))


def test_a_batch_of_one_teaches_nothing_that_is_centred_on_the_batch():
    model = pairs.small_pair()
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model)
    message = r"must have at least 2 samples whose weight is not 0, because the stages compare .* Received: 1"
    for call in (
        lambda: model.fit(x[:1], y[:1], verbose=0),
        lambda: model.fit(x, y, batch_size=1, verbose=0),
        lambda: model.train_on_batch(x[:1], y[:1]),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    model.fit(x, y, batch_size=11, verbose=0)  # the last batch has one sample
    single = pairs.small_pair(layer_loss=keras_bsd.losses.ReCo(centring=None))
    single.compile(run_eagerly=True)
    before = weights(single.encoder_stages[0])
    single.train_on_batch(x[:1], y[:1])
    assert not np.array_equal(weights(single.encoder_stages[0])[0], before[0])


@pytest.mark.parametrize("constant", [0.0, 0.7])
def test_equal_targets_teach_nothing_without_a_codebook(constant):
    model = pairs.regression_pair()
    model.compile(run_eagerly=True)
    x, y = pairs.samples(model)
    with pytest.raises(ValueError, match=r"Targets must differ between samples: .* Received: 12 equal targets"):
        model.fit(x, np.full_like(y, constant), verbose=0)
    classifier = pairs.small_pair(codebook=False)
    classifier.compile(run_eagerly=True)
    with pytest.raises(ValueError, match="Targets must differ"):
        classifier.fit(x, np.zeros(12), verbose=0)


def one_output_pair(**kwargs):
    """Return a pair of two classes with one output, the probability of the second."""
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(24, timesteps=4),
            SpikingDense(16),
            Readout(keras.layers.Dense(1), "sigmoid"),
        ]
    )
    return keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), **kwargs)


@pytest.mark.parametrize(
    ("metric", "options"),
    [
        ("accuracy", {}),
        (pairs.accuracy(keras.metrics.BinaryAccuracy), {"codebook": False}),
        (pairs.accuracy(keras.metrics.BinaryAccuracy), {"local_readout_weight": 0.5}),
    ],
)
def test_one_output_learns_two_classes(metric, options):
    x, classes = pairs.clusters(400)
    y = (classes > 0).astype("int32")
    model = one_output_pair(**options)
    kernels = [weights(stage)[0] for stage in model.encoder_stages]
    model.compile(keras.optimizers.AdamW(0.01), metrics=[metric])
    history = model.fit(x, y[:, None], batch_size=64, epochs=10, verbose=0).history
    assert history["accuracy"][-1] > 0.9
    assert history[f"{model.encoder_stages[1].name}_alignment"][-1] > 0.3
    for stage, kernel in zip(model.encoder_stages, kernels, strict=True):
        assert abs(weights(stage)[0] - kernel).max() > 0.02
    _, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy == pytest.approx(((model.predict(x, verbose=0)[:, 0] > 0.5) == y).mean(), abs=1e-6)
    recalled = model.recall([0, 1])
    np.testing.assert_allclose(recalled, model.recall([[0.0], [1.0]]), atol=1e-6)
    with pytest.raises(ValueError, match=r"Classes must lie in \[0, 1\]. Received: values from 0 to 2"):
        model.fit(x, classes, verbose=0)


def test_targets_of_one_output_by_any_shape():
    totals = []
    for shaped in (lambda y: y, lambda y: y[:, None], lambda y: y.astype("float32")):
        keras.utils.set_random_seed(0)
        model = one_output_pair()
        model.compile(run_eagerly=True)
        x, y = pairs.samples(model)
        y, sample_weight = shaped(y % 2), np.linspace(0, 2, len(y), dtype="float32")
        step = model.distil(*map(ops.convert_to_tensor, (x, y, sample_weight)))
        totals.append([scalar(step.total), scalar(step.task_loss)])
        bce = keras.losses.binary_crossentropy(np.reshape(y, (-1, 1)), step.scores)
        assert totals[-1][1] == pytest.approx(np.mean(ops.convert_to_numpy(bce) * sample_weight), rel=1e-5)
    np.testing.assert_allclose(totals, [totals[0]] * 3, rtol=1e-6)


@pytest.mark.filterwarnings("ignore:.*softmax over axis -1")
def test_a_softmax_over_one_class():
    encoder = keras.Sequential(
        [keras.Input((4,)), SpikingDense(5, timesteps=3), Readout(keras.layers.Dense(1), "softmax")]
    )
    with pytest.raises(ValueError, match=r"A softmax over one class is always 1. .* activation=\"sigmoid\""):
        keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))


def test_a_class_for_each_position_needs_another_pair():
    synapse = [keras.layers.Dense(6), keras.layers.Reshape((3, 2))]
    encoder = keras.Sequential([keras.Input((4,)), SpikingDense(5, timesteps=3), Readout(synapse, "softmax")])
    backward = keras_bsd.layers.SpikingStage([keras.layers.Flatten(), keras.layers.Dense(5)], timesteps=3)
    decoder = keras.Sequential([keras.Input((3, 2)), backward, Readout(keras.layers.Dense(4))])
    with pytest.raises(ValueError, match=r"outputs \(batch, classes\); use keras_bsd.BSDSequenceModel"):
        keras_bsd.BSDModel(encoder, decoder)


def _frames(steps, *layers):
    return keras.Sequential(
        [
            keras.Input((steps, 8, 6, 2)),
            *layers,
            keras_bsd.layers.SpikingConv2D(3),
            keras_bsd.layers.SpikingConv2D(4, pool_size=2),
            Readout([keras.layers.Flatten(), keras.layers.Dense(3)], "softmax"),
        ]
    )


@pytest.mark.parametrize(
    ("steps", "recall", "shape"), [(5, None, (5, 8, 6, 2)), (5, "mean", (8, 6, 2)), (None, None, (8, 6, 2))]
)
def test_a_stimulus_may_have_a_time_axis(steps, recall, shape):
    """Frames of events: the decoder recalls the movie of each class, or its mean over time."""
    encoder = _frames(steps)
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder, timesteps=4, recall=recall))
    model.compile(keras.optimizers.AdamW(0.03))
    generator = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = (generator.random((60, 5, 8, 6, 2)) < 0.1).astype("float32")
    for kind, step in ((0, 0), (1, 2), (2, 4)):
        x[y == kind, step, 2 * kind : 2 * kind + 2] = 1
    model.fit(x, y, batch_size=20, epochs=20, verbose=0)
    recalled = model.recall([0, 1, 2])
    assert recalled.shape == (3, *shape)
    expected = np.stack([x[y == kind].mean(axis=0) for kind in range(3)])
    expected = expected if len(shape) == 4 else expected.mean(axis=1)
    similarity = np.corrcoef(recalled.reshape(3, -1), expected.reshape(3, -1))[:3, 3:]
    assert similarity.argmax(axis=1).tolist() == [0, 1, 2]
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] < np.log(3)


def test_the_default_rule_follows_from_the_stimulus():
    """The mean current says less of stimuli that change."""
    over_time = _frames(5)
    assert keras_bsd.BSDModel(over_time, keras_bsd.mirror(over_time)).rule == "surrogate"
    assert keras_bsd.BSDModel(over_time, keras_bsd.mirror(over_time), rule="rate").rule == "rate"
    assert pairs.dense_pair().rule == "rate"
    assert keras_bsd.applications.SpikingRNN((5, 4), 2, units=(3,)).rule == "rate"


def test_recall_of_a_time_axis_is_checked():
    held = keras.Sequential(
        [keras.Input((4,)), keras_bsd.layers.SpikingDense(3, timesteps=2), Readout(keras.layers.Dense(2))]
    )
    with pytest.raises(ValueError, match=r"here the first stage holds .* Received: recall='mean'"):
        keras_bsd.mirror(held, recall="mean")
    with pytest.raises(ValueError, match=r"one known length. Received: recall='sequence' .* inputs .None, 8"):
        keras_bsd.mirror(_frames(None), timesteps=4, recall="sequence")
    with pytest.raises(ValueError, match=r"the encoder's input. Received: \(5, 8, 6, 2\) or \(8, 6, 2\) and"):
        keras_bsd.BSDModel(_frames(5), keras_bsd.mirror(_frames(4)))


def test_seed_makes_training_reproducible():
    results = []
    for _ in range(2):
        keras.utils.set_random_seed(3)
        model = pairs.own_layers_pair()
        model.compile(run_eagerly=True)
        model.fit(*pairs.samples(model), batch_size=6, verbose=0)
        results.append(weights(model))
    assert_same(*results)


def dense(*units, inputs=4, outputs=3, last=Readout, **kwargs):
    stages = [SpikingDense(n, timesteps=2 if i == 0 else None, name=f"s{i}") for i, n in enumerate(units)]
    return keras.Sequential([keras.Input((inputs,)), *stages, last(keras.layers.Dense(outputs), **kwargs)])


@pytest.mark.parametrize(
    ("encoder", "decoder", "message"),
    [
        (
            lambda: dense(5, 6),
            lambda: dense(6, 7, inputs=3, outputs=4),
            r"encoder stage 's0' \(5,\), decoder stage 's1' \(7,\)",
        ),
        (
            lambda: dense(5, 6),
            lambda: dense(5, inputs=3, outputs=4),
            r"same number of spiking stages. Received: 2 in the encoder \(s0, s1\), 1 in the",
        ),
        (
            lambda: dense(5),
            lambda: dense(5, inputs=2, outputs=4),
            r"match the encoder's output.* \(3,\) and \(2,\)",
        ),
        (lambda: dense(5), lambda: dense(5, inputs=3), r"match the encoder's input.* \(4,\) and \(3,\)"),
        (lambda: keras.Sequential([SpikingDense(3)]), lambda: dense(5), "`encoder` must be a built Sequential"),
        (
            lambda: dense(5),
            lambda: "decoder",
            "`decoder` must be a built Sequential .* Received: decoder='decoder'",
        ),
        (
            lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]),
            lambda: dense(5, inputs=3, outputs=4),
            "`encoder` has no spiking stage",
        ),
        (
            lambda: keras.Sequential([dense(5), keras.layers.Dense(3, name="stray")]),
            lambda: dense(5),
            "lie outside its stages, .*/stray/kernel, .*/stray/bias. Put those layers",
        ),
    ],
)
def test_networks_that_do_not_match(encoder, decoder, message):
    with pytest.raises(ValueError, match=message):
        keras_bsd.BSDModel(encoder(), decoder())


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (lambda: [SpikingDense(3, timesteps=2)], "must end in its one Readout, .* Received: 0 readouts"),
        (
            lambda: [
                SpikingDense(5, timesteps=2, name="s0"),
                SpikingDense(3, timesteps=2, name="s1"),
                Readout(keras.layers.Dense(3)),
            ],
            "only its first stage takes `timesteps`, .* in s0, s1",
        ),
    ],
)
def test_encoders_that_cannot_be_mirrored(layers, message):
    with pytest.raises(ValueError, match=message):
        keras_bsd.mirror(keras.Sequential([keras.Input((4,)), *layers()]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "dreaming"}, "Unknown `task`: .* Received: task='dreaming'"),
        ({"rule": "backprop"}, "choose one of 'rate', 'surrogate'. Received: rule='backprop'"),
        (
            {"negatives": "some"},
            "Unknown `negatives`: choose one of 'dissimilar', 'all'. Received: negatives='some'",
        ),
        ({"task": "regression", "codebook": True}, "A codebook needs classes"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        keras_bsd.BSDModel(dense(5), dense(5, inputs=3, outputs=4), **arguments)


def test_default_loss_takes_probabilities():
    model = keras_bsd.BSDModel(dense(5), dense(5, inputs=3, outputs=4))
    with pytest.raises(ValueError, match="takes probabilities, but the encoder's last layer 'readout"):
        model.compile()
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    model.fit(*pairs.samples(model), verbose=0)


@pytest.mark.parametrize(
    ("concepts", "message"),
    [
        ([0, 3], r"Classes must lie in \[0, 2\]. Received: values from 0 to 3"),
        ([-1], "Received: values from -1"),
        (np.zeros((2, 5)), r"shape \(batch, 3\) or be classes, .* Received: shape=\(2, 5\)"),
        ([], r"Received: shape=\(0, 3\)"),
        (1, r"such as \[0, 1\]. Received: shape=\(\)"),
    ],
)
def test_bad_concepts(concepts, message):
    with pytest.raises(ValueError, match=message):
        pairs.dense_pair().recall(concepts)


def test_sample_weights_of_stimuli_with_several_axes():
    """A sample of weight 0 adds to no loss, also if another axis has the length of the batch."""
    model = pairs.conv_pair()
    model.compile()
    x, y = pairs.samples(model, model.encoder.input_shape[1])
    weights = np.ones(len(x), "float32")
    weights[0] = 0
    other = x.copy()
    other[0] = 0
    losses = [
        model.distil(*map(ops.convert_to_tensor, (stimuli, y, weights))).recall_loss for stimuli in (x, other)
    ]
    assert scalar(losses[0]) == pytest.approx(scalar(losses[1]))


def test_stages_share_no_weight():
    dense = keras.layers.Dense(4)
    stages = [keras_bsd.layers.SpikingStage(dense, timesteps=3), keras_bsd.layers.SpikingStage(dense)]
    encoder = keras.Sequential([keras.Input((4,)), *stages, Readout(keras.layers.Dense(3), "softmax")])
    backward = [SpikingDense(4, timesteps=3), SpikingDense(4), Readout(keras.layers.Dense(4))]
    decoder = keras.Sequential([keras.Input((3,)), *backward])
    with pytest.raises(
        ValueError, match=r"Stages of the encoder must have layers of their own, .*Make a layer for each"
    ):
        keras_bsd.BSDModel(encoder, decoder)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_scores_that_are_no_probabilities(activation):
    encoder = keras.Sequential(
        [keras.Input((4,)), SpikingDense(5, timesteps=3), Readout(keras.layers.Dense(3), activation)]
    )
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    with pytest.raises(
        ValueError, match=f"default loss takes probabilities, .* is {activation}. End the encoder"
    ):
        model.compile()
