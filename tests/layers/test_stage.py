import keras
import numpy as np
import pytest
from keras import ops

from keras_bsd import _rules
from keras_bsd.layers import (
    Readout,
    SpikingConv2D,
    SpikingDense,
    SpikingLIF,
    SpikingResidualConv2D,
    SpikingStage,
)
from tests.gradients import weight_gradients


def binary(shape, seed=0):
    return (np.random.default_rng(seed).random(shape) < 0.4).astype("float32")


def to_numpy(tensor):
    return ops.convert_to_numpy(tensor)


STAGES = {
    "own layers": (lambda: SpikingStage([keras.layers.Dense(7), keras.layers.BatchNormalization()]), (3,)),
    "one layer": (lambda: SpikingStage(keras.layers.Conv2D(4, 3), SpikingLIF(0.9, reset="soft")), (5, 5, 2)),
    "dense": (lambda: SpikingDense(6), (2, 2, 3)),
    "dense, layer": (lambda: SpikingDense(6, normalization="layer"), (5,)),
    "dense, learned": (
        lambda: SpikingDense(6, neuron=SpikingLIF(trainable_leak=True, trainable_threshold=True)),
        (5,),
    ),
    "dense, plain": (lambda: SpikingDense(6, normalization=None), (5,)),
    "conv": (lambda: SpikingConv2D(4, kernel_size=5), (6, 6, 2)),
    "residual": (lambda: SpikingResidualConv2D(4, skip_channels=3), (5, 6, 5)),
    "residual, plain": (lambda: SpikingResidualConv2D(4, 2, normalization=None), (5, 6, 5)),
    "conv, pooled": (lambda: SpikingConv2D(4, pool_size=2, normalization="layer"), (5, 7, 2)),
}


@pytest.mark.parametrize("name", STAGES)
def test_runs_saves_and_loads(name, tmp_path):
    make, features = STAGES[name]
    model = keras.Sequential([keras.Input((3, *features)), make()])
    spikes = model.predict(binary((4, 3, *features)), verbose=0)
    assert set(np.unique(spikes)) <= {0.0, 1.0}
    assert spikes.shape == (4, *model.output_shape[1:])
    model.save(tmp_path / "stage.keras")
    loaded = keras.saving.load_model(tmp_path / "stage.keras")
    np.testing.assert_array_equal(loaded.predict(binary((4, 3, *features)), verbose=0), spikes)


@pytest.mark.parametrize("name", ["dense", "conv, pooled", "residual"])
def test_a_loaded_stage_has_its_precision(name, tmp_path):
    make, features = STAGES[name]
    config = {**make().get_config(), "dtype": "mixed_bfloat16", "neuron": None}
    model = keras.Sequential([keras.Input((3, *features)), type(make())(**config)])
    model.save(tmp_path / "stage.keras")
    (stage,) = keras.saving.load_model(tmp_path / "stage.keras").layers
    for layer in [*stage.synapse.layers, stage.synapse, stage.neuron, stage.neuron.cell]:
        assert layer.compute_dtype == "bfloat16", layer


def test_synapse_processes_each_time_step_separately():
    stage = SpikingStage(keras.layers.Dense(5))
    inputs = binary((2, 4, 3))
    stage.build(inputs.shape)
    currents = to_numpy(stage.currents(ops.convert_to_tensor(inputs), training=False))
    for t in range(4):
        np.testing.assert_allclose(currents[:, t], to_numpy(stage.synapse(inputs[:, t])), rtol=1e-5)
    np.testing.assert_array_equal(to_numpy(stage(inputs)), to_numpy(stage.neuron(currents)))


def test_held_stimulus_equals_the_repeated_one():
    stimulus = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    held, repeated = SpikingDense(8, timesteps=5), SpikingDense(8)
    held.build((None, 4))
    repeated.build((None, 5, 4))
    repeated.set_weights(held.get_weights())
    expected = repeated(np.repeat(stimulus[:, None], 5, axis=1))
    np.testing.assert_array_equal(to_numpy(held(stimulus)), to_numpy(expected))


def test_sequences_of_unknown_length():
    stage = SpikingDense(4)
    model = keras.Sequential([keras.Input((None, 3)), stage])
    assert model.predict(binary((2, 6, 3)), verbose=0).shape == (2, 6, 4)


@pytest.mark.parametrize("stage", ["conv, pooled", "conv", "dense"])
def test_backward_synapse_has_the_input_shape(stage):
    make, features = STAGES[stage]
    stage = make()
    stage.build((None, 3, *features))
    backward = keras.Sequential([keras.Input(stage.output_features), *stage.backward_synapse()])
    assert backward.output_shape[1:] == features


def test_a_stage_without_backward_synapse_cannot_be_mirrored():
    with pytest.raises(NotImplementedError, match="Write the decoder by hand"):
        SpikingStage(keras.layers.Dense(3)).backward_synapse()


def test_readout_of_firing_rates():
    readout = Readout(keras.layers.Dense(4), "softmax")
    spikes = binary((2, 5, 3))
    scores = to_numpy(readout(spikes))
    expected = keras.ops.softmax(readout.synapse(spikes.mean(axis=1)))
    np.testing.assert_allclose(scores, to_numpy(expected), rtol=1e-5)


@pytest.mark.parametrize("rule", _rules.RULES)
@pytest.mark.parametrize("timesteps", [None, 4])
def test_local_learning_has_the_same_spikes_and_true_rates(rule, timesteps):
    stage = SpikingDense(6, timesteps=timesteps)
    inputs = binary((5, 3) if timesteps else (5, 4, 3))
    plain = to_numpy(stage(inputs, training=True))
    with _rules.LocalLearning(_rules.RULES[rule]) as scope:
        spikes = stage(inputs, training=True)
    np.testing.assert_array_equal(to_numpy(spikes), plain)
    rates = to_numpy(scope.representations[stage])
    np.testing.assert_allclose(rates, plain.mean(axis=1), atol=1e-6)
    assert _rules.active_scope() is None


def gradients_by(rule, stage, inputs, mask=None):
    """Return the gradients of a weighted sum of the stage's representation by its weights."""
    upstream = np.random.default_rng(1).normal(size=(len(inputs), *stage.output_features)).astype("float32")

    def loss():
        with _rules.LocalLearning(_rules.RULES[rule]) as scope:
            stage(inputs, mask=mask)
        return ops.sum(scope.representations[stage] * ops.convert_to_tensor(upstream))

    return upstream, weight_gradients(loss, stage.trainable_variables)


def test_rate_rule_is_one_product_of_rate_and_error():
    """The error holds the derivative of the rate by a shift of the current, here by its recursion."""
    stage = SpikingStage(keras.layers.Dense(4, use_bias=False), SpikingLIF(0.5, threshold=0.6))
    inputs = binary((5, 6, 6))
    stage.build(inputs.shape)
    upstream, (gradient,) = gradients_by("rate", stage, inputs)
    membrane, tangent, slope = 0.0, 0.0, 0.0
    for t in range(6):
        membrane = 0.5 * membrane + inputs[:, t] @ stage.get_weights()[0]
        tangent = 0.5 * tangent + 1
        slope = slope + tangent / (1 + (np.pi * (membrane - 0.6)) ** 2) / 6
        silent = membrane < 0.6
        membrane, tangent = membrane * silent, tangent * silent
    np.testing.assert_allclose(gradient, inputs.mean(axis=1).T @ (upstream * slope), rtol=1e-4, atol=1e-6)


NEURONS = {
    "hard": {},
    "soft": {"reset": "soft"},
    "none": {"reset": "none", "tau": 3.0},
    "refractory": {"refractory_steps": 2},
    "hard, learned": {"trainable_leak": True, "trainable_threshold": True},
    "soft, learned": {"reset": "soft", "trainable_leak": True, "trainable_threshold": True},
    "hard, reset attached": {"detach_reset": False, "trainable_leak": True, "trainable_threshold": True},
    "soft, reset attached": {"detach_reset": False, "reset": "soft", "trainable_threshold": True},
}


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("timesteps", [1, 7])
def test_for_constant_inputs_the_rate_rule_is_the_gradient_through_time(neuron, timesteps):
    stage = SpikingDense(16, None, SpikingLIF(**NEURONS[neuron]), timesteps)
    inputs = np.random.default_rng(2).normal(size=(8, 5)).astype("float32")
    stage.build(inputs.shape)
    (_, rate), (_, surrogate) = (gradients_by(rule, stage, inputs) for rule in ("rate", "surrogate"))
    for one, other in zip(rate, surrogate, strict=True):
        assert np.any(other) or timesteps == 1  # after one step no leak has had an effect
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_masked_steps_are_in_no_slope():
    stage = SpikingDense(4, None, SpikingLIF(trainable_threshold=True))
    inputs, mask = binary((5, 6, 3)), np.arange(6) < np.array([[6], [1], [3], [4], [2]])
    stage.build(inputs.shape)
    upstream, together = gradients_by("rate", stage, inputs, mask)
    single = [0.0] * len(together)
    for sample, length in enumerate(mask.sum(axis=1)):
        alone, gradients = gradients_by("rate", stage, inputs[[sample], :length])
        scale = upstream[sample] / alone[0]
        scaled = [gradients[0] * scale, gradients[1] * scale]
        single = [total + gradient for total, gradient in zip(single, scaled, strict=False)]
    for one, other in zip(together[:2], single[:2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", STAGES)
def test_mean_current_is_the_synapse_of_the_mean_rates(name):
    make, features = STAGES[name]
    stage, inputs = make(), ops.convert_to_tensor(binary((6, 4, *features)))
    stage.build(inputs.shape)

    def loss(mean_current):
        return lambda: ops.sum(ops.square(mean_current() - 0.3))

    def by_the_rule():
        affine = ops.stop_gradient(stage.affine_part(inputs, True))
        return stage.mean_current(stage.mean_inputs(inputs), ops.mean(affine, axis=1), True)

    def directly():
        return stage.synapse(ops.mean(inputs, axis=1), training=True)

    np.testing.assert_allclose(to_numpy(by_the_rule()), to_numpy(directly()), atol=1e-4)
    gradients = weight_gradients(loss(by_the_rule), stage.synapse.trainable_variables)
    expected = weight_gradients(loss(directly), stage.synapse.trainable_variables)
    for one, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-3)


def test_only_leading_affine_layers_are_averaged():
    layers = [keras.layers.Flatten(), keras.layers.Dense(4), keras.layers.Dense(4, activation="relu")]
    stage = SpikingStage([*layers, keras.layers.Dense(2)])
    inputs = ops.convert_to_tensor(binary((3, 4, 5)))
    stage.build(inputs.shape)
    assert stage.affine_part(inputs, training=True).shape == (3, 4, 4)
    np.testing.assert_allclose(
        to_numpy(stage.affine_part(inputs, True)[:, 1]), to_numpy(layers[1](inputs[:, 1])), rtol=1e-5
    )


def test_a_subclass_of_an_affine_layer_may_be_anything():
    class Squared(keras.layers.Dense):
        def call(self, inputs, training=None):
            return super().call(inputs) ** 2

    stage, inputs = SpikingStage(Squared(3)), ops.convert_to_tensor(binary((4, 3, 5)))
    stage.build(inputs.shape)
    affine = ops.mean(stage.affine_part(inputs, True), axis=1)
    current = stage.mean_current(stage.mean_inputs(inputs), affine, True)
    np.testing.assert_allclose(
        to_numpy(current), to_numpy(stage.synapse(ops.mean(inputs, axis=1))), rtol=1e-5, atol=1e-6
    )


def test_both_rules_update_the_same_statistics():
    inputs = binary((8, 4, 3))
    moving = []
    for rule in _rules.RULES.values():
        keras.utils.set_random_seed(0)
        stage = SpikingDense(5)
        with _rules.LocalLearning(rule):
            stage(inputs, training=True)
        moving.append([to_numpy(variable) for variable in stage.non_trainable_variables])
    for one, other in zip(*moving, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpikingStage("dense"), "must be a Keras layer or a list of them. Received: 'd"),
        (
            lambda: SpikingStage(keras.layers.Dense(2), keras.layers.ReLU()),
            "must be a SpikingLIF, .*<ReLU",
        ),
        (
            lambda: SpikingDense(2, neuron=SpikingLIF(return_state=True)),
            "without `return_state`, since a stage",
        ),
        (lambda: SpikingDense(0), "`units` must be an integer of at least 1. Received: units=0"),
        (lambda: SpikingDense(4, timesteps=0), "Received: timesteps=0"),
        (lambda: SpikingDense(4, normalization="group"), "choose one of 'batch', 'layer', None"),
        (lambda: SpikingConv2D(4, pool_size=0), "Received: pool_size=0"),
        (lambda: SpikingDense(4, name="third").build((None,)), "Stage 'third' expects inputs of shape"),
        (lambda: Readout(keras.layers.Dense(2), name="out").build((None,)), "Readout 'out' expects inputs"),
        (lambda: SpikingDense(4).build((None, 0, 3)), "at least one time step"),
        (lambda: SpikingDense(4, name="first").build((None, 3)), "'first' .* A first stage, .* `timesteps`"),
        (lambda: SpikingConv2D(4).build((None, 8, 8, 1)), "expected min_ndim=4, .* needs `timesteps`"),
        (
            lambda: SpikingStage([keras.layers.Dense(2), SpikingLIF()]),
            "must not hold neurons, .* as the `neuron` of a SpikingStage",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_stages_may_be_given_one_neuron():
    """Each stage has neurons of its own by the same arguments, whatever its number of neurons."""
    neuron = SpikingLIF(beta=0.9, threshold=0.3)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(6, neuron=neuron, timesteps=3),
            SpikingDense(5, neuron=neuron),
        ]
    )
    first, second = model.layers
    assert first.neuron is neuron
    assert (second.neuron.cell.leak, second.neuron.cell.threshold) == (0.9, 0.3)
    assert model.predict(np.ones((2, 4)), verbose=0).shape == (2, 3, 5)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"trainable_leak": True}, "weights, such as a learned leak or threshold"),
        ({"trainable_threshold": True}, "weights, such as a learned leak or threshold"),
        ({"stateful": True}, "a state that it carries from call to call"),
    ],
)
def test_neurons_with_variables_have_one_stage(arguments, reason):
    neuron = SpikingLIF(**arguments)
    stages = [SpikingDense(6, neuron=neuron, timesteps=3), SpikingDense(6, neuron=neuron, name="second")]
    message = rf"Stage 'second' needs a `neuron` of its own. Received: .* has {reason}. Make one for each stage"
    with pytest.raises(ValueError, match=message):
        keras.Sequential([keras.Input(batch_shape=(2, 4)), *stages])
