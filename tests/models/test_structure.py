"""Which networks can be a pair, and how results name the stages of nested models."""

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.callbacks import LayerAlignment, stage_logs
from keras_bsd.layers import Readout, SpikingDense, flatten_stages
from keras_bsd.layers._stage import stage_names

Dense = keras.layers.Dense


def part(shape, timesteps, name):
    """Return a model of one stage, whose name is that of every such stage."""
    stimulus = keras.Input(shape)
    return keras.Model(stimulus, SpikingDense(6, timesteps=timesteps, name="hidden")(stimulus), name=name)


def nested():
    stimulus = keras.Input((4,))
    wrapped = keras.Sequential([keras.Input((3, 6)), part((3, 6), None, "inner")], name="high")
    spikes = wrapped(part((4,), 3, "low")(stimulus))
    return keras.Model(stimulus, Readout(Dense(3), "softmax", name="scores")(spikes))


def called_anew():
    stages = keras_bsd.applications.SpikingMLP((4,), 3, units=(6, 6), timesteps=3, include_top=False).layers[1:]
    stimulus = spikes = keras.Input((4,))
    for stage in stages:
        spikes = stage(spikes)
    return keras.Model(stimulus, Readout(Dense(3), "softmax", name="scores")(spikes))


NETWORKS = {nested: ["low_hidden", "high_inner_hidden"], called_anew: ["dense_1", "dense_2"]}


def kernels(model):
    stages = [*flatten_stages(model.encoder), *flatten_stages(model.decoder)]
    return [keras.ops.convert_to_numpy(stage.synapse.trainable_variables[0]).copy() for stage in stages]


@pytest.mark.parametrize("make", NETWORKS)
def test_every_stage_of_a_nested_model_learns_and_has_its_own_results(make, tmp_path):
    names, encoder = NETWORKS[make], make()
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), local_readout_weight=0.1)
    model.compile("sgd", run_eagerly=True)
    x, y = np.random.default_rng(0).random((9, 4)).astype("float32"), np.arange(9) % 3
    before = kernels(model)
    history = model.fit(x, y, verbose=0, callbacks=[LayerAlignment(x, y)]).history
    assert all((a != b).any() for a, b in zip(before, kernels(model), strict=True))
    for metric in ("alignment", "firing_rate", "spike_cosine", "spike_hamming"):
        assert set(stage_logs(history, metric)) == set(names)
    assert set(stage_logs(history, "weight_cosine")) == {*names, "scores"}

    outputs = keras.Model(encoder.inputs, flatten_stages(encoder)[0](encoder.inputs[0]))
    spikes = model.spikes(x)
    assert list(spikes) == names
    np.testing.assert_array_equal(spikes[names[0]], outputs.predict(x, verbose=0))
    assert list(keras_bsd.audit.spikes(model.decoder, np.eye(3))) == [f"{name}_mirror" for name in names[::-1]]
    for name in names:
        assert keras_bsd.audit.membranes(encoder, name, x)["spikes"].shape == (9, 3, 6)
    costs = keras_bsd.audit.energy(model, x).layers
    assert list(dict.fromkeys(cost.stage for cost in costs if cost.neurons)) == names

    model.save(tmp_path / "pair.keras")
    loaded = keras.saving.load_model(tmp_path / "pair.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_audit_distinguishes_stages_of_one_name():
    encoder = nested()
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    model.compile("sgd")
    x, y = np.random.default_rng(0).random((6, 4)).astype("float32"), np.arange(6) % 3
    report = keras_bsd.audit.plausibility(model, x, y)
    assert not any(criterion.faults for criterion in report.criteria.values())
    runs = report.criteria["C3"].measured["runs"]
    assert {"encoder/low_hidden": 1, "encoder/high_inner_hidden": 1}.items() <= runs.items()


def test_names_differ_even_where_models_and_stages_are_named_alike():
    stimulus = keras.Input((4,))
    spikes = SpikingDense(6, timesteps=3, name="a_b")(stimulus)
    for name in ("a", "c"):
        inner = keras.Sequential([keras.Input((3, 6)), SpikingDense(6, name="b")], name=name)
        spikes = inner(spikes)
    names = list(stage_names(keras.Model(stimulus, spikes)).values())
    assert names == ["a_b", "a_b_2", "c_b"]


def stage_twice(first, stage):
    return stage(stage(first))


def model_twice(first, stage):
    base = keras.Sequential([keras.Input((3, 6)), stage])
    return base(base(first))


def two_parents(first, stage):
    base = keras.Sequential([keras.Input((3, 6)), stage])
    return keras.Sequential([keras.Input((3, 6)), base])(base(first))


def decoder(stage=None):
    stages = [SpikingDense(6, timesteps=3), stage or SpikingDense(6)]
    return keras.Sequential([keras.Input((3,)), *stages, Readout(Dense(4))])


@pytest.mark.parametrize("call", [stage_twice, model_twice, two_parents])
def test_a_stage_is_called_once(call):
    stimulus = keras.Input((4,))
    spikes = call(SpikingDense(6, timesteps=3)(stimulus), SpikingDense(6, name="twice"))
    encoder = keras.Model(stimulus, Readout(Dense(3), "softmax")(spikes))
    with pytest.raises(ValueError, match=r"must be called once.* several calls of twice in the encoder"):
        keras_bsd.BSDModel(encoder, decoder())


def test_a_readout_is_called_once():
    stimulus, readout = keras.Input((4,)), Readout(Dense(3), name="scores")
    first = SpikingDense(6, timesteps=3)(stimulus)
    scores = [readout(first), readout(SpikingDense(6)(first))]
    with pytest.raises(ValueError, match="several calls of scores in the encoder"):
        keras_bsd.BSDModel(keras.Model(stimulus, keras.layers.Add()(scores)), decoder())


def test_a_stage_belongs_to_one_network():
    stage = SpikingDense(6, name="common")
    encoder = keras.Sequential(
        [keras.Input((4,)), SpikingDense(6, timesteps=3), stage, Readout(Dense(3), "softmax")]
    )
    with pytest.raises(ValueError, match=r"stages of their own. Received: common in both. .*mirror\(encoder\)"):
        keras_bsd.BSDModel(encoder, decoder(stage))


def test_the_last_layer_of_a_nested_model_is_checked_for_probabilities():
    stimulus = keras.Input((4,))
    top = keras.Sequential([keras.Input((3, 6)), Readout(Dense(3), name="scores")])
    encoder = keras.Model(stimulus, top(part((4,), 3, "low")(stimulus)))
    model = keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder))
    with pytest.raises(ValueError, match="the encoder's last layer 'scores' is linear"):
        model.compile()


def test_a_nested_autoencoder_has_its_halves():
    stimulus = keras.Input((4,))
    body = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(5, timesteps=3, name="a"),
            SpikingDense(2, name="latent"),
            SpikingDense(5, name="c"),
        ],
        name="body",
    )
    encoder = keras.Model(stimulus, Readout(Dense(4))(body(stimulus)))
    model = keras_bsd.BSDAutoencoder(encoder, keras_bsd.mirror(encoder), latent="latent")
    x = np.random.default_rng(0).random((3, 4)).astype("float32")
    spikes = model.latent_encoder.predict(x, verbose=0)
    assert spikes.shape == (3, 3, 2)
    decoded = model.latent_decoder.predict(spikes, verbose=0)
    np.testing.assert_allclose(decoded, model.predict(x, verbose=0), rtol=1e-6)
