"""Kernels of stages in int8: values and scales against NumPy, spikes, files and refusals."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_bsd
from keras_bsd.layers import (
    GuidedStage,
    Readout,
    SpikingConv2D,
    SpikingDense,
    SpikingRecurrent,
    SpikingResidualConv2D,
    SpikingStage,
    flatten_stages,
)
from tests.models import pairs

L = keras.layers
# Keras names every layer without weights to quantise.
pytestmark = pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
KERAS_DEFAULT = keras.quantizers.Int8QuantizationConfig
WEIGHTS = KERAS_DEFAULT(activation_quantizer=None)

# A layer, the shape of a time step of its input, its kernels, and the axes that share a scale.
LAYERS = {
    "dense": (L.Dense(5), (6,), {"kernel": (0,)}),
    "conv1d": (L.Conv1D(5, 3, padding="causal"), (7, 4), {"kernel": (0, 1)}),
    "conv2d": (L.Conv2D(6, (3, 2), strides=2, groups=2), (8, 7, 4), {"kernel": (0, 1, 2)}),
    "conv3d": (L.Conv3D(3, 2), (4, 5, 4, 2), {"kernel": (0, 1, 2, 3)}),
    "conv1d_transpose": (L.Conv1DTranspose(5, 3, strides=2), (7, 4), {"kernel": (0, 2)}),
    "conv2d_transpose": (L.Conv2DTranspose(5, 3), (6, 5, 4), {"kernel": (0, 1, 3)}),
    "conv3d_transpose": (L.Conv3DTranspose(3, 2), (3, 3, 3, 2), {"kernel": (0, 1, 2, 4)}),
    "depthwise1d": (L.DepthwiseConv1D(3), (7, 4), {"kernel": (0,)}),
    "depthwise2d": (L.DepthwiseConv2D(3, depth_multiplier=2), (6, 5, 4), {"kernel": (0, 1)}),
    "separable1d": (L.SeparableConv1D(5, 3), (7, 4), {"depthwise_kernel": (0,), "pointwise_kernel": (0, 1)}),
    "separable2d": (
        L.SeparableConv2D(5, 3),
        (6, 5, 4),
        {"depthwise_kernel": (0, 1), "pointwise_kernel": (0, 1, 2)},
    ),
}


def array(values):
    return np.asarray(keras.ops.convert_to_numpy(values))


def copy_of(layer):
    return layer.__class__.from_config(layer.get_config())


def network_of(layer, shape):
    stage = SpikingStage(copy_of(layer), timesteps=3, name="only")
    model = keras.Sequential([keras.Input(shape), stage, Readout([L.Flatten(), L.Dense(2)], name="scores")])
    return model, stage.synapse.layers[0]


def spikes_of(model, x):
    return keras_bsd._observe.run_with_spikes(model, keras.ops.convert_to_tensor(x))[1]


@pytest.mark.parametrize("name", LAYERS)
def test_each_output_channel_has_its_own_scale_and_an_error_of_half_a_step(name):
    original, shape, kernels = LAYERS[name]
    model, layer = network_of(original, shape)
    generator = np.random.default_rng(0)
    before = {}
    for kernel in kernels:
        variable = getattr(layer, kernel)
        before[kernel] = generator.normal(size=variable.shape).astype("float32")
        before[kernel] *= np.exp(generator.normal(size=variable.shape[-1:])).astype("float32")
        variable.assign(before[kernel])
    model.quantize(config=WEIGHTS)
    assert layer.quantization_mode == "int8"
    after = {}
    for kernel, axes in kernels.items():
        values = array(getattr(layer, kernel))
        assert values.dtype == np.int8
        step = np.abs(before[kernel]).max(axis=axes, keepdims=True) / 127
        np.testing.assert_array_equal(values, np.round(before[kernel] / step))
        after[kernel] = values * step
        assert (np.abs(after[kernel] - before[kernel]) <= step / 2 * (1 + 1e-5)).all()
    plain, same = network_of(original, shape)
    for kernel, values in after.items():
        getattr(same, kernel).assign(values)
    x = generator.normal(size=(4, *shape)).astype("float32")
    outputs = [array(layer(keras.ops.convert_to_tensor(x))) for layer in (layer, same)]
    np.testing.assert_allclose(*outputs, rtol=1e-4, atol=1e-4)
    assert plain.count_params() < model.count_params()  # the scales


def test_scales_worked_out_by_hand():
    model, layer = network_of(L.Conv1D(2, 1, use_bias=False), (1, 3))
    layer.kernel.assign(np.array([[[1.27, -0.2], [-0.5, 0.11], [0.004, 0.05]]]))
    model.quantize("int8")
    assert array(layer.kernel).tolist() == [[[127, -127], [-50, 70], [0, 32]]]
    assert array(layer.kernel_scale).ravel() == pytest.approx([100, 635], rel=1e-5)


def test_a_channel_of_zeros_stays_zero():
    model, layer = network_of(L.Conv2D(2, 2, use_bias=False), (4, 4, 1))
    layer.kernel.assign(np.ones((2, 2, 1, 2)) * [0.0, 3.0])
    model.quantize("int8")
    assert array(layer.kernel)[..., 0].tolist() == [[[0], [0]], [[0], [0]]]
    assert np.isfinite(array(layer(np.ones((1, 4, 4, 1), "float32")))).all()


def all_stages():
    """Return a network with every kind of stage that holds a kernel."""
    x = keras.Input((8, 8, 2))
    spikes = SpikingConv2D(4, timesteps=3, name="conv")(x)
    both = L.Concatenate()([SpikingConv2D(4, name="conv_2")(spikes), spikes])
    spikes = SpikingResidualConv2D(5, skip_channels=4, name="residual")(both)
    vector = L.Flatten()(x)
    guided = GuidedStage([L.Flatten(), L.Dense(6)], L.Dense(6), name="guided")([spikes, vector])
    return keras.Model(x, Readout(L.Dense(3), name="scores")(SpikingDense(7, name="dense")(guided)))


def kernels_of(model):
    layers = [layer for stage in flatten_stages(model) for layer in stage._inner_layers()]
    return {layer.path: array(layer.kernel) for layer in layers if hasattr(layer, "kernel")}


def test_every_kernel_of_every_stage_is_quantised():
    model = all_stages()
    assert len(kernels_of(model)) == 8
    model.quantize("int8")
    assert {values.dtype for values in kernels_of(model).values()} == {np.dtype("int8")}


def test_inputs_of_convolutions_are_not_rounded_and_those_of_dense_layers_as_keras_does():
    x = np.random.default_rng(0).random((6, 4), "float32")
    errors = []
    for config in (KERAS_DEFAULT(), KERAS_DEFAULT(activation_quantizer=None)):
        model = pairs.dense_encoder()
        dense = model.get_layer("first").synapse.layers[1]
        kernel = array(dense.kernel)
        model.quantize(config=config)
        step = np.abs(kernel).max(axis=0) / 127
        exact = x @ (np.round(kernel / step) * step)
        errors.append(np.abs(array(dense(keras.ops.convert_to_tensor(x))) - exact).max())
    assert errors[1] < 1e-6 < 1e-4 < errors[0]
    model, layer = network_of(L.Conv1D(5, 1, use_bias=False), (1, 4))
    model.quantize(config=KERAS_DEFAULT())
    expected = x @ (array(layer.kernel) / array(layer.kernel_scale))[0]
    np.testing.assert_allclose(array(layer(x[:, None]))[:, 0], expected, atol=1e-6)


def test_spikes_and_spike_counts_stay_whole():
    model = all_stages()
    x = np.random.default_rng(0).random((5, 8, 8, 2), "float32")
    model.quantize("int8")
    for spikes in spikes_of(model, x).values():
        assert set(np.unique(array(spikes))) <= {0.0, 1.0}
    assert sum(array(spikes).sum() for spikes in spikes_of(model, x).values()) > 0


def test_filters_choose_layers():
    model = all_stages()
    model.quantize("int8", filters="conv2d")
    types = {path: values.dtype for path, values in kernels_of(model).items()}
    assert {dtype for path, dtype in types.items() if "conv2d" in path} == {np.dtype("int8")}
    assert {dtype for path, dtype in types.items() if "dense" in path} == {np.dtype("float32")}


@pytest.mark.slow
def test_a_file_loads_in_a_process_of_its_own_and_is_smaller(tmp_path):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).random((3, 16, 16, 1), "float32")
    model = keras_bsd.applications.SpikingConvNet(
        (16, 16, 1), 10, timesteps=2, filters=(32, 64), pool_sizes=(2, 2)
    )
    model.save(tmp_path / "single.keras")
    model.quantize("int8")
    model.save(tmp_path / "int8.keras")
    assert (tmp_path / "int8.keras").stat().st_size < 0.6 * (tmp_path / "single.keras").stat().st_size
    np.save(tmp_path / "x.npy", x)
    program = (
        "import sys, numpy, keras, keras_bsd; model = keras.saving.load_model(sys.argv[1] + '/int8.keras'); "
        "x = numpy.load(sys.argv[1] + '/x.npy'); "
        "print(__import__('json').dumps(model.predict(x, verbose=0).tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    np.testing.assert_array_equal(
        np.array(json.loads(done.stdout.splitlines()[-1]), "float32"), model.predict(x, verbose=0)
    )


def test_a_recurrent_network_streams_as_it_predicts():
    model = keras.Sequential(
        [
            keras.Input((None, 3)),
            SpikingRecurrent(8, delays=2, timesteps=3),
            keras_bsd.layers.SequenceReadout(L.Dense(2)),
        ]
    )
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    model.quantize("int8")
    assert {values.dtype for values in kernels_of(model).values()} == {np.dtype("int8")}
    streamer = keras_bsd.Streamer(model, streams=2)
    steps = [streamer.push(x[:, i]) for i in range(6)]
    np.testing.assert_allclose(np.stack(steps, axis=1), model.predict(x, verbose=0), atol=1e-5)


def test_a_quantised_pair_recalls():
    model = pairs.conv_pair()
    before = array(model.recall(np.eye(3)))
    model.quantize("int8")
    after = array(model.recall(np.eye(3)))
    assert after.shape == before.shape
    assert np.isfinite(after).all()


def test_networks_of_a_pair_that_predicted_before_are_quantised_as_well():
    model = pairs.conv_pair()
    x = pairs.samples(model)[0]
    single = model.encoder.predict(x, verbose=0)
    model.quantize("int8")
    expected = array(model.encoder(keras.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(model.encoder.predict(x, verbose=0), expected, atol=1e-6)
    assert np.abs(expected - single).max() > 1e-5


def test_a_quantised_pair_does_not_train():
    model = pairs.conv_pair()
    model.compile()
    model.quantize("int8")
    x, y = pairs.samples(model)
    message = r"trains networks in floating point\. Received: 10 weights that are quantised, such as .*kernel"
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(x, y)


@keras.saving.register_keras_serializable("tests")
class Doubled(L.Dense):
    """A layer that quantisation does not know."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def test_a_layer_that_cannot_be_quantised_is_named():
    model, layer = network_of(Doubled(5, name="mine"), (4,))
    with pytest.warns(UserWarning, match=r"'mine' \(Doubled\) of stage 'only' is not quantised .* `quantize`"):
        model.quantize("int8")
    assert layer.quantization_mode is None
    assert array(layer.kernel).dtype == np.float32


@pytest.mark.parametrize(
    ("layer", "shape", "inner"),
    [
        (lambda: keras.Sequential([L.Conv2D(4, 2, name="inner")]), (5, 5, 2), "inner"),
        (lambda: L.TimeDistributed(L.Conv1D(4, 2, name="inner")), (3, 5, 2), "inner"),
        (lambda: L.GRU(4, name="gru"), (5, 2), "gru_cell"),
    ],
)
def test_a_layer_within_another_that_stays_in_single_precision_is_named(layer, shape, inner):
    stage = SpikingStage([layer(), L.Flatten()], timesteps=2, name="only")
    model = keras.Sequential([keras.Input(shape), stage])
    with pytest.warns(UserWarning, match=f"'{inner}.*' .* of stage 'only' is not quantised and stays in full"):
        model.quantize("int8")


def test_threads_that_share_a_quantised_layer_do_not_change_it():
    """A thread that computes holds its dequantised kernel, and no other may take it for the stored one."""
    model, layer = network_of(L.Conv2D(8, 3), (8, 8, 4))
    model.quantize("int8")
    x = keras.ops.convert_to_tensor(np.random.default_rng(0).random((2, 8, 8, 4), "float32"))
    expected, kernel = array(layer(x)), array(layer.kernel)
    during = []

    class Observed(type(layer)):
        def call(self, inputs):
            during.append(array(layer.kernel).dtype)  # as another thread would find it
            return super().call(inputs)

    layer.__class__ = Observed
    np.testing.assert_array_equal(array(layer(x)), expected)
    assert during == [np.dtype("int8")]
    np.testing.assert_array_equal(array(layer.kernel), kernel)


def test_filters_that_choose_nothing_keep_the_state_of_the_optimizer():
    model = pairs.small_pair()
    model.compile("adamw")
    model.train_on_batch(*pairs.samples(model))
    optimizer = model.optimizer
    model.quantize("int8", filters="nothing")
    assert model.optimizer is optimizer
    model.quantize("int8")
    assert model.optimizer is not optimizer


def test_a_convolution_knows_int8_alone():
    model, layer = network_of(L.Conv1D(5, 3), (7, 4))
    with pytest.warns(UserWarning, match="of stage 'only' is not quantised: convolutions can .* mode='int4'"):
        model.quantize("int4")
    assert layer.quantization_mode is None


def test_a_convolution_is_quantised_once():
    model, layer = network_of(L.Conv1D(5, 3), (7, 4))
    model.quantize("int8")
    message = r"must be built, quantised once and without LoRA\. Received: a layer "
    with pytest.raises(ValueError, match=message + "in int8"):
        layer.quantize("int8")
    _, adapted = network_of(L.Conv2D(5, 3), (7, 7, 4))
    adapted.enable_lora(2)
    with pytest.raises(ValueError, match=message + "with LoRA"):
        adapted.quantize("int8")


def test_weights_of_another_precision_are_refused(tmp_path):
    model, _ = network_of(L.Conv1D(5, 3), (7, 4))
    model.save_weights(tmp_path / "a.weights.h5")
    model.quantize("int8")
    with pytest.raises(ValueError, match=r"3 variables. Received: 2 in the file\. Load weights in single"):
        model.load_weights(tmp_path / "a.weights.h5")


def test_a_network_in_bfloat16_stays_in_bfloat16():
    stage = SpikingConv2D(4, timesteps=2, normalization=None, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((5, 5, 1)), stage])
    model.quantize("int8")
    convolution = stage.synapse.layers[0]
    assert convolution.compute_dtype == "bfloat16"
    assert array(convolution.kernel_scale).dtype == np.float32
    assert set(np.unique(array(model(np.ones((1, 5, 5, 1)))).astype("float32"))) <= {0.0, 1.0}
