"""The training options of Keras have the same effect on a pair's weights as on any model's."""

import contextlib
import functools

import keras
import numpy as np
import pytest
from keras import ops

from tests.models import pairs

BATCH = 12
RATE = 0.1
MODES = {"eager": {"run_eagerly": True}, "graph": {"jit_compile": False}, "xla": {"jit_compile": True}}


def to_numpy(variables):
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def assert_close(one, other, **tolerance):
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 1e-6, **tolerance})


def combined(function, *lists):
    return [function(*arrays) for arrays in zip(*lists, strict=True)]


def norm(arrays):
    return np.sqrt(sum(np.sum(np.square(array)) for array in arrays))


def distance(one, other):
    return norm(combined(np.subtract, one, other))


def sgd(**options):
    return keras.optimizers.SGD(RATE, **options)


def trajectory(optimizer, batches, make=pairs.small_pair, **compiled):
    """Return a pair, and its trainable weights at the start, always the same, and after each batch."""
    keras.utils.set_random_seed(0)
    model = make()
    model.compile(optimizer, **compiled)
    x, y = pairs.samples(model, 3 * BATCH)
    weights = [to_numpy(model.trainable_variables)]
    for batch in batches:
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        model.train_on_batch(x[rows], y[rows])
        weights.append(to_numpy(model.trainable_variables))
    return model, weights


@functools.cache
def plain(*batches):
    """Return weights at the start and after each of the batches of plain gradient descent."""
    return trajectory(sgd(), batches)[1]


def plain_step(batch=0):
    """Return the change that such a step subtracts from each initial weight."""
    before, after, *_ = plain(batch) if batch else plain(0, 1, 2)
    return combined(np.subtract, before, after)


@contextlib.contextmanager
def dtype_policy(name):
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_has_float32_weights_and_similar_updates(policy):
    with dtype_policy(policy):
        model, mixed = trajectory(sgd(), [0, 1, 2])
    assert model.encoder_stages[0].compute_dtype == policy.removeprefix("mixed_")
    assert {variable.dtype for variable in model.weights} == {"float32"}
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    start, *_, end = plain(0, 1, 2)
    assert distance(mixed[-1], end) < 0.1 * distance(start, end)


def test_overflowing_gradients_change_no_weight():
    optimizer = keras.optimizers.LossScaleOptimizer(sgd(), initial_scale=2.0**40)
    with dtype_policy("mixed_float16"):
        model, (start, skipped) = trajectory(optimizer, [0])
    assert_close(start, skipped, atol=0)
    assert float(ops.convert_to_numpy(optimizer.dynamic_scale)) == 2.0**39
    assert all(np.isfinite(array).all() for array in to_numpy(model.variables))
    optimizer.dynamic_scale.assign(2.0**10)
    model.train_on_batch(*pairs.samples(model, BATCH))
    taken = combined(np.subtract, start, to_numpy(model.trainable_variables))
    assert distance(taken, plain_step()) < 0.1 * norm(plain_step())


# torch.compile takes a minute and a half even for the smallest pair.
@pytest.mark.parametrize(
    "mode",
    ["eager", pytest.param("xla", marks=pytest.mark.slow) if keras.config.backend() == "torch" else "xla"],
)
def test_eager_graph_and_xla_steps_are_equal(mode):
    results = [trajectory(sgd(), [0, 1, 2], **MODES[name])[0].variables for name in (mode, "graph")]
    assert_close(*map(to_numpy, results), atol=1e-5)


def test_gradients_accumulate():
    _, (start, first, second) = trajectory(sgd(gradient_accumulation_steps=2), [0, 1])
    assert_close(first, start, atol=0)
    expected = combined(lambda weight, a, b: weight - (a + b) / 2, start, plain_step(0), plain_step(1))
    assert_close(second, expected)


def test_more_accumulation_steps_than_batches():
    model = pairs.small_pair()
    x, y = pairs.samples(model)
    model.compile(sgd(gradient_accumulation_steps=5), run_eagerly=True)
    with pytest.raises(ValueError, match=r"no weight has changed. Use fewer .*gradient_accumulation_steps=5"):
        model.fit(x, y, batch_size=4, verbose=0)
    model.compile(sgd(gradient_accumulation_steps=5), run_eagerly=True)
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)


@pytest.mark.parametrize("option", ["global_clipnorm", "clipnorm", "clipvalue"])
def test_gradients_are_clipped(option):
    bound = 0.5 * norm(plain_step()) / RATE if option == "global_clipnorm" else 0.02
    _, (start, after) = trajectory(sgd(**{option: bound}), [0])
    taken = combined(np.subtract, start, after)
    clipped = {
        "global_clipnorm": lambda step: 0.5 * step,
        "clipnorm": lambda step: step * min(1, RATE * bound / norm([step])),
        "clipvalue": lambda step: np.clip(step, -RATE * bound, RATE * bound),
    }
    expected = [clipped[option](step) for step in plain_step()]
    assert norm(expected) < 0.9 * norm(plain_step())
    assert_close(taken, expected)


def test_fit_ends_with_the_averaged_weights():
    model, _ = trajectory(sgd(use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=None), [])
    x, y = pairs.samples(model, 3 * BATCH)
    model.fit(x[: 2 * BATCH], y[: 2 * BATCH], batch_size=BATCH, shuffle=False, verbose=0)
    expected = combined(lambda a, b: 0.7 * a + 0.3 * b, *plain(0, 1, 2)[1:3])
    assert_close(to_numpy(model.trainable_variables), expected)


def test_a_schedule_reaches_the_optimizer():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [RATE, 0.0])
    _, (start, first, second) = trajectory(keras.optimizers.SGD(schedule), [0, 1])
    assert_close(combined(np.subtract, start, first), plain_step())
    assert_close(first, second, atol=0)


def test_a_callback_sets_the_learning_rate():
    model, (start,) = trajectory(sgd(), [])
    x, y = pairs.samples(model, 3 * BATCH)
    rates = keras.callbacks.LearningRateScheduler(lambda epoch: 0.0 if epoch else RATE)
    model.fit(x[:BATCH], y[:BATCH], batch_size=BATCH, epochs=3, callbacks=[rates], shuffle=False, verbose=0)
    assert_close(combined(np.subtract, start, to_numpy(model.trainable_variables)), plain_step())


def test_activity_regularisers_count_once():
    _, ((kernel, bias, *_), (after, *_)) = trajectory(
        sgd(), [0], make=functools.partial(pairs.small_pair, activity_regularizer=keras.regularizers.L2(0.5))
    )
    x, _ = pairs.samples(pairs.small_pair(), 3 * BATCH)
    currents = x[:BATCH] @ kernel + bias  # the penalty is half their square, a mean over the batch
    expected = plain_step()[0] + RATE * x[:BATCH].T @ currents / BATCH
    assert_close([kernel - after], [expected])


FROZEN = {
    "an encoder stage": lambda model: [model.encoder_stages[1]],
    "a decoder stage": lambda model: [model.decoder_stages[1]],
    "a pair of stages": lambda model: [model.encoder_stages[1], model.decoder_stages[1]],
    "a stage's normalisation": lambda model: [model.encoder_stages[1].synapse.layers[-1]],
}


@pytest.mark.parametrize("which", FROZEN)
def test_frozen_weights_stay_and_the_others_learn(which):
    model = pairs.dense_pair()
    frozen = FROZEN[which](model)
    for layer in frozen:
        layer.trainable = False
    frozen_ids = {id(variable) for layer in frozen for variable in layer.variables}
    model.compile(sgd(), run_eagerly=True)
    before = to_numpy(model.variables)
    x, y = pairs.samples(model)
    model.fit(x, y, epochs=2, batch_size=BATCH, verbose=0)
    unchanged = {
        id(variable): np.array_equal(old, new)
        for variable, old, new in zip(model.variables, before, to_numpy(model.variables), strict=True)
    }
    weights = {id(variable) for variable in model.weights}
    assert frozen_ids <= weights
    assert {key for key in weights if unchanged[key]} == frozen_ids


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_stage_uses_its_stored_statistics_in_training(frozen):
    model = pairs.small_pair()
    stage = model.encoder_stages[0]
    stage.synapse.layers[-1].moving_mean.assign(ops.linspace(-1.0, 1.0, 6))
    stage.trainable = not frozen
    x, y = pairs.samples(model)
    stored = model.spikes(x)[stage.name].mean()
    model.compile(sgd())
    logs = model.train_on_batch(x, y, return_dict=True)
    assert (logs[f"{stage.name}_firing_rate"] == pytest.approx(stored, rel=1e-5)) == frozen


def test_frozen_layers_are_frozen_when_loaded(tmp_path):
    model = pairs.dense_pair()
    model.encoder_stages[1].trainable = False
    model.encoder.layers[-1].trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    paths = [[weight.path for weight in saved.trainable_weights] for saved in (model, loaded)]
    assert len(paths[0]) == len(paths[1]) == len(model.weights) - len(model.non_trainable_weights)
    assert not loaded.encoder_stages[1].synapse.trainable_weights


def test_freezing_after_compile_has_an_effect():
    model, _ = trajectory(sgd(), [])
    stage = model.encoder_stages[0]
    stage.trainable = False
    before, teacher = to_numpy(stage.variables), to_numpy(model.decoder_stages[0].variables)
    model.fit(*pairs.samples(model), verbose=0)
    assert_close(to_numpy(stage.variables), before, atol=0)
    assert distance(to_numpy(model.decoder_stages[0].variables), teacher) > 0


def test_a_frozen_pair_can_fit():
    model = pairs.small_pair()
    model.trainable = False
    model.compile(sgd())
    before = to_numpy(model.weights)
    history = model.fit(*pairs.samples(model), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert_close(to_numpy(model.weights), before, atol=0)
