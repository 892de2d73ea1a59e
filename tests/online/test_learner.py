"""A learner takes single samples, rehearses what the stream lacks, and refuses bad data."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_bsd
from keras_bsd.layers import Readout, SpikingDense
from keras_bsd.online import OnlineLearner
from tests.models import pairs

EAGER = keras.backend.backend() != "jax"  # tracing takes longer than a few steps, but on JAX


def learner_of(replay="recall", model=None, **options):
    """Return a learner of small steps."""
    model = pairs.small_pair() if model is None else model
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), run_eagerly=EAGER)
    return OnlineLearner(model, replay, **{"rehearsed": 6, "seed": 0, **options})


@pytest.fixture(scope="module")
def model():
    """A compiled model that no test trains."""
    model = pairs.small_pair()
    model.compile("sgd", run_eagerly=EAGER)
    return model


def samples(count=12):
    generator = np.random.default_rng(0)
    return generator.random((count, 4), dtype="float32"), np.arange(count) % 3


def values(model):
    return [
        ops.convert_to_numpy(variable).copy() for variable in [*model.variables, *model.optimizer.variables]
    ]


def all_equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def spied(model, monkeypatch, replay="recall", **options):
    """Return a learner, and a list that receives the arguments of each training step, which is not taken."""
    learner = OnlineLearner(model, replay, **{"rehearsed": 6, "seed": 0, **options})
    return learner, spy(learner, monkeypatch)


def spy(learner, monkeypatch):
    """Return a list that receives the arguments of each training step, which is not taken."""
    steps = []

    def record(x, y, weights, return_dict):
        steps.append((x, y, weights))
        return {"loss": 0.0}

    monkeypatch.setattr(learner.model, "train_on_batch", record)
    return steps


def test_without_replay_a_step_is_that_of_the_model():
    x, y = samples()
    first, second = pairs.small_pair(), pairs.small_pair()
    second.set_weights(first.get_weights())
    learner = learner_of(None, first)
    second.compile(keras.optimizers.SGD(0.1, momentum=0.9), run_eagerly=EAGER)
    logs = learner.learn(x, y)
    expected = second.train_on_batch(x, y, return_dict=True)
    assert logs["loss"] == pytest.approx(float(expected["loss"]), rel=1e-5)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("replay", ["recall", "stored"])
def test_single_samples_change_the_weights_and_keep_them_finite(replay):
    learner, (x, y) = learner_of(replay), samples(4)
    before = learner.model.get_weights()
    for stimulus, label in zip(x, y, strict=True):
        learner.learn(stimulus[None], [label])
    after = learner.model.get_weights()
    assert all(np.isfinite(array).all() for array in after)
    assert not np.array_equal(before[0], after[0])
    assert learner.known == [0, 1, 2]


def test_a_class_that_the_stream_lacks_is_rehearsed_with_its_share_of_the_loss(model, monkeypatch):
    (learner, steps), (x, _) = spied(model, monkeypatch, rehearsed=5), samples(20)
    learner.learn(x[:10], [0] * 10)
    learner.learn(x[10:], [1] * 10)
    learner.learn(x[10:], [1] * 10)
    # Class 0 is all of the stream, then a half of it, then a third, which lacks a sixth of its half.
    assert [len(rows) for rows, _, _ in steps] == [10, 10, 15]
    rows, labels, weights = steps[2]
    np.testing.assert_array_equal(rows[:10], x[10:])
    assert weights[10:].sum() / weights.sum() == pytest.approx(1 / 6)
    assert weights.mean() == pytest.approx(1)
    assert set(labels[10:]) == {0}


def test_a_balanced_stream_is_not_rehearsed_but_for_batches_of_few(model, monkeypatch):
    (learner, steps), (x, y) = spied(model, monkeypatch), samples()
    learner.learn(x, y)
    learner.learn(x, y)
    learner.learn(x[:2], y[:2])
    assert [len(rows) for rows, _, _ in steps] == [12, 12, 8]
    assert steps[2][2][2:].sum() / 8 == pytest.approx(1 - 2 / 8)  # eight are enough


def test_rehearsed_stimuli_lie_in_the_range_of_the_model(monkeypatch):
    learner = learner_of(model=pairs.small_pair(stimulus_range=(0.0, 1.0)))
    steps = spy(learner, monkeypatch)
    for value, label in ((0.0, 0), (1.0, 0), (1.0, 1), (1.0, 1)):
        learner.learn(np.full((1, 4), value), [label])
    assert all(rows.min() >= 0 and rows.max() <= 1 for rows, _, _ in steps)


def test_the_decoder_recalls_classes_that_were_learned_before(model, monkeypatch):
    learner, steps = spied(model, monkeypatch, known=[1, 2], rehearsed=40)
    assert learner.known == [1, 2]
    learner.learn(np.full((1, 4), 0.5), [0])
    rows, labels, _ = steps[0]
    recalled = model.recall([1, 2])
    for label in (1, 2):
        expected = np.broadcast_to(recalled[label - 1], (np.sum(labels == label), 4))
        np.testing.assert_allclose(rows[labels == label], expected, rtol=1e-6)


def test_remembered_samples_are_rehearsed_without_a_step(model, monkeypatch):
    learner, steps = spied(model, monkeypatch, "stored", memory=3)
    before = values(learner.model)
    learner.remember([[1, 1, 1, 1]], [2])
    assert all_equal(before, values(learner.model))
    assert not steps
    learner.learn(np.zeros((1, 4)), [0])
    rows, labels, _ = steps[0]
    np.testing.assert_array_equal(rows[labels == 2], np.ones((np.sum(labels == 2), 4)))


def test_classes_not_learned_have_probability_zero():
    learner, (x, _) = learner_of(), samples()
    learner.learn(x[:4], [0, 2, 0, 2])
    scores = learner.predict(x)
    model = learner.model.predict(x, verbose=0)
    np.testing.assert_array_equal(scores[:, 1], 0)
    np.testing.assert_allclose(scores[:, 0], model[:, 0] / (model[:, 0] + model[:, 2]), rtol=1e-5)


def test_of_a_model_of_logits_probabilities_are_predicted():
    encoder = pairs.dense_encoder()
    encoder.layers[-1].activation = keras.activations.linear
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=EAGER)
    learner, (x, y) = OnlineLearner(model), samples()
    learner.learn(x, y)
    logits = np.exp(model.predict(x, verbose=0))
    np.testing.assert_allclose(learner.predict(x), logits / logits.sum(axis=1, keepdims=True), rtol=1e-4)


def test_one_hot_classes_train_a_loss_that_needs_them():
    model, (x, y) = pairs.small_pair(), samples()
    model.compile("sgd", "categorical_crossentropy", run_eagerly=EAGER)
    learner = OnlineLearner(model, rehearsed=6)
    learner.learn(x[:2], np.eye(3)[y[:2]])
    assert learner.known == [0, 1]


@pytest.mark.slow
def test_steps_are_compiled():
    model, (x, y) = pairs.small_pair(), samples()
    model.compile(keras.optimizers.SGD(0.1), jit_compile=keras.backend.backend() != "torch")
    learner = OnlineLearner(model, rehearsed=6)
    assert np.isfinite([learner.learn(x[i : i + 1], y[i : i + 1])["loss"] for i in range(3)]).all()


def test_a_rival_rule_learns_from_a_stream():
    model = keras_bsd.baselines.get("backprop")(pairs.dense_encoder())
    learner, (x, y) = learner_of("stored", model), samples()
    learner.learn(x, y)
    assert learner.known == [0, 1, 2]
    with pytest.raises(ValueError, match=r"Only a model with a decoder .* known=\[1\], Backprop"):
        learner_of("recall", model, known=[1])


X, Y = samples(4)
BAD = {
    "nan": (np.where(np.arange(4) == 2, np.nan, X), Y, "`x` must be finite"),
    "infinity": (np.where(np.arange(4) == 2, np.inf, X), Y, "`x` must be finite"),
    "shape": (X[:, :3], Y, r"Stimuli must have shape \(batch, 4\)"),
    "no batch axis": (X[0], Y[:1], r"Stimuli must have shape \(batch, 4\)"),
    "text": (X.astype(str), Y, "`x` must be numbers"),
    "unknown class": (X, [0, 1, 2, 3], r"Classes must lie in \[0, 2\]"),
    "negative class": (X, [0, 1, 2, -1], r"Classes must lie in \[0, 2\]"),
    "fraction": (X, [0, 1, 2, 0.5], "Classes must be integers"),
    "probabilities": (
        X,
        [[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 0.5, 0.5]],
        r"needs exactly one\. Received: y\[2\] with 2 values that are not 0, which add up to 1\.",
    ),
    "fewer classes": (X, Y[:3], "Each stimulus needs a target"),
    "no sample": (X[:0], Y[:0], "at least one stimulus"),
}


@pytest.fixture(scope="module")
def learner():
    learner = learner_of()
    learner.learn(X[:2], Y[:2])
    return learner


@pytest.mark.parametrize("case", BAD)
def test_bad_samples_are_refused_and_nothing_changes(learner, case):
    x, y, message = BAD[case]
    before, kept = values(learner.model), dict(learner._replay.arrays)
    for method in (learner.learn, learner.remember):
        with pytest.raises(ValueError, match=message):
            method(x, y)
    assert all_equal(before, values(learner.model))
    assert learner.known == [0, 1]
    for name, array in learner._replay.arrays.items():
        np.testing.assert_array_equal(array, kept[name])


def test_a_single_sample_without_replay_is_refused_and_nothing_changes():
    learner = learner_of(None)
    learner.learn(X, Y)
    before = values(learner.model)
    with pytest.raises(ValueError, match="A training batch must have at least 2 samples"):
        learner.learn(X[:1], Y[:1])
    assert all_equal(before, values(learner.model))


def test_a_step_that_fails_is_not_remembered(learner, monkeypatch):
    kept = learner._replay.arrays

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(learner.model, "train_on_batch", fail)
    with pytest.raises(MemoryError):
        learner.learn(X[2:], Y[2:])
    assert learner._replay.arrays is kept
    assert learner.known == [0, 1]


@pytest.mark.parametrize(
    "replay", ["recall", *(pytest.param(replay, marks=pytest.mark.slow) for replay in ("stored", None))]
)
def test_a_saved_learner_continues_as_the_original(replay, tmp_path):
    x, _ = samples()
    learner = learner_of(replay, memory=4, seed=3)
    learner.learn(x[:4], np.zeros(4))
    learner.save(tmp_path / "learner.keras")
    loaded = OnlineLearner.load(tmp_path / "learner.keras")
    assert loaded.known == [0]
    for each in (learner, loaded):
        each.learn(x[4:], np.ones(8))
        each.learn(x[4:], np.ones(8))
    assert loaded.known == [0, 1]
    for one, other in zip(values(learner.model), values(loaded.model), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    if replay is not None:
        for name, array in learner._replay.arrays.items():
            np.testing.assert_array_equal(array, loaded._replay.arrays[name])
    assert isinstance(keras.saving.load_model(tmp_path / "learner.keras"), keras_bsd.BSDModel)


def test_files_of_other_content_are_refused(tmp_path):
    learner = learner_of()
    with pytest.raises(ValueError, match=r"must end in \.keras\. Received: path='.*learner\.h5'"):
        learner.save(tmp_path / "learner.h5")
    learner.model.save(tmp_path / "model.keras")
    (tmp_path / "damaged.keras").write_bytes(b"no file of Keras")
    for name in ("model.keras", "damaged.keras", "missing.keras"):
        with pytest.raises(ValueError, match=r"must be a complete file that `OnlineLearner\.save` has written"):
            OnlineLearner.load(tmp_path / name)


@pytest.mark.parametrize(
    ("row", "received"),
    [([0, 1, 1], "2 values that are not 0, which add up to 2"), ([0, 0, 0], "0 values .* add up to 0")],
)
def test_rows_of_several_classes_or_none_are_refused(row, received):
    encoder = pairs.dense_encoder()
    encoder.layers[-1].activation = keras.activations.sigmoid  # of which probabilities need not add up to 1
    learner = learner_of(model=keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder)))
    with pytest.raises(
        ValueError, match=rf"needs exactly one\. Received: y\[1\] with {received}\. Pass classes"
    ):
        learner.learn(X[:3], [[1, 0, 0], row, row])
    assert learner.known == []


@pytest.mark.parametrize("known", ["12", 3, None, [1.7], [[1, 2]], np.array([False, True])])
def test_known_classes_that_are_no_ints_are_refused(model, known):
    with pytest.raises(ValueError, match=r"`known` must be ints, .* range\(9\)\. Received: known="):
        OnlineLearner(model, known=known)


@pytest.mark.parametrize("seed", ["a", -1, 0.5])
def test_seeds_that_are_no_numbers_are_refused(model, seed):
    with pytest.raises(ValueError, match=r"`seed` must be an integer of at least 0\. Received: seed="):
        OnlineLearner(model, seed=seed)


def test_memory_holds_a_sample_of_each_class(model):
    with pytest.raises(ValueError, match=r"`memory` must be at least 3, a sample for each .* memory=2\."):
        OnlineLearner(model, "stored", memory=2)
    OnlineLearner(model, "stored", memory=3)
    OnlineLearner(model, "recall", memory=2)


def test_arguments_are_checked(model):
    with pytest.raises(ValueError, match=r"`model` must be compiled\. .* optimizer=None"):
        OnlineLearner(pairs.small_pair())
    assert OnlineLearner(pairs.small_pair(), optimizer="sgd").model.compiled
    with pytest.raises(ValueError, match=r"`model` must be a keras_bsd\.BSDModel with task='classification'"):
        learner_of(model=pairs.small_pair(task="regression"))
    with pytest.raises(ValueError, match=r"`model` must be a keras_bsd\.BSDModel"):
        OnlineLearner(pairs.dense_encoder())
    for options, message in (
        ({"replay": "dream"}, "Unknown `replay`: choose one of 'recall', 'stored', None"),
        ({"rehearsed": 0}, "`rehearsed` must be an integer of at least 1"),
        ({"memory": 0}, "`memory` must be an integer of at least 1"),
        ({"known": [3]}, r"Classes must lie in \[0, 2\]"),
    ):
        with pytest.raises(ValueError, match=message):
            OnlineLearner(model, **options)
    with pytest.raises(ValueError, match="Without replay nothing is remembered"):
        OnlineLearner(model, None).remember(X, Y)
    with pytest.raises(ValueError, match="The learner knows no class yet"):
        OnlineLearner(model).predict(X)


def test_a_decoder_of_means_over_time_recalls_no_stimuli():
    encoder = keras.Sequential(
        [keras.Input((3, 4)), SpikingDense(6), Readout(keras.layers.Dense(3), "softmax")]
    )
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder, recall="mean"), name="of_events")
    with pytest.raises(ValueError, match=r"Only a model with a decoder to stimuli of .* BSDModel 'of_events'"):
        learner_of(model=model, known=[1])


def test_a_model_of_sequences_of_classes_is_refused():
    model = keras_bsd.applications.SpikingCharRNN("abc", units=(4,))
    with pytest.raises(ValueError, match="`model` must map stimuli of one shape to one class each"):
        OnlineLearner(model, optimizer="sgd")


@pytest.mark.slow
def test_rehearsal_prevents_forgetting(digits):
    (x, y), (x_test, y_test) = digits
    accuracy = {}
    for replay in ("recall", "stored", None):
        keras.utils.set_random_seed(0)
        model = keras_bsd.applications.SpikingMLP((8, 8, 1), 4, units=(64,))
        learner = OnlineLearner(model, replay, keras.optimizers.AdamW(3e-3), memory=40, seed=0)
        for task in ((0, 1), (2, 3)):
            of_task = np.flatnonzero(np.isin(y, task))
            for batch in 3 * np.array_split(of_task, len(of_task) // 10):
                learner.learn(x[batch], y[batch])
        earlier = y_test < 2
        accuracy[replay] = np.mean(learner.predict(x_test[earlier]).argmax(axis=1) == y_test[earlier])
    assert accuracy["recall"] > 0.8
    assert accuracy["stored"] > 0.8
    assert accuracy[None] < 0.5
