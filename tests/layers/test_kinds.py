"""Every layer really has the properties that the table of kinds states."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_bsd import encoding
from keras_bsd.layers import FrameMasking, SkipConv2D, _kinds

CASES = {
    layers.Dense: (lambda: layers.Dense(3), (4,)),
    layers.Conv1D: (lambda: layers.Conv1D(3, 2), (5, 2)),
    layers.Conv2D: (lambda: layers.Conv2D(3, 2), (5, 4, 2)),
    layers.Conv3D: (lambda: layers.Conv3D(3, 2), (3, 3, 3, 2)),
    layers.Conv1DTranspose: (lambda: layers.Conv1DTranspose(3, 2), (5, 2)),
    layers.Conv2DTranspose: (lambda: layers.Conv2DTranspose(3, 2, strides=2), (4, 3, 2)),
    layers.Conv3DTranspose: (lambda: layers.Conv3DTranspose(3, 2), (3, 3, 3, 2)),
    layers.EinsumDense: (lambda: layers.EinsumDense("bij,jk->bik", (None, 3), bias_axes="k"), (4, 2)),
    layers.DepthwiseConv1D: (lambda: layers.DepthwiseConv1D(2), (5, 2)),
    layers.DepthwiseConv2D: (lambda: layers.DepthwiseConv2D(2), (5, 4, 2)),
    SkipConv2D: (lambda: SkipConv2D(3, 3, 2), (5, 4, 6)),
    layers.MaxPooling1D: (lambda: layers.MaxPooling1D(2), (2, 3)),
    layers.MaxPooling2D: (lambda: layers.MaxPooling2D(2), (2, 2, 3)),
    layers.MaxPooling3D: (lambda: layers.MaxPooling3D(2), (2, 2, 2, 3)),
    layers.AveragePooling1D: (lambda: layers.AveragePooling1D(2), (2, 3)),
    layers.AveragePooling2D: (lambda: layers.AveragePooling2D(2), (2, 2, 3)),
    layers.AveragePooling3D: (lambda: layers.AveragePooling3D(2), (2, 2, 2, 3)),
    layers.ZeroPadding2D: (lambda: layers.ZeroPadding2D(1), (3, 2, 2)),
    layers.Cropping2D: (lambda: layers.Cropping2D(1), (4, 5, 2)),
    layers.Flatten: (lambda: layers.Flatten(), (3, 2)),
    layers.Reshape: (lambda: layers.Reshape((2, 3)), (6,)),
    layers.Permute: (lambda: layers.Permute((2, 1)), (3, 2)),
    layers.InputLayer: (lambda: layers.InputLayer((3,)), (3,)),
    layers.Identity: (lambda: layers.Identity(), (3,)),
    layers.Dropout: (lambda: layers.Dropout(0.5), (3,)),
    layers.Concatenate: (lambda: layers.Concatenate(), (3,)),
    layers.UpSampling2D: (lambda: layers.UpSampling2D(2), (3, 2, 2)),
    FrameMasking: (lambda: FrameMasking(), (3, 2)),
    encoding.DirectEncoder: (lambda: encoding.DirectEncoder(2), (3,)),
    encoding.OneHotEncoder: (lambda: encoding.OneHotEncoder(4), (3,)),
    layers.BatchNormalization: (lambda: layers.BatchNormalization(), (3,)),
    layers.LayerNormalization: (lambda: layers.LayerNormalization(), (3,)),
    layers.GroupNormalization: (lambda: layers.GroupNormalization(1), (3, 2)),
    layers.RMSNormalization: (lambda: layers.RMSNormalization(), (3,)),
    layers.UnitNormalization: (lambda: layers.UnitNormalization(), (3,)),
}


def classes(**properties):
    """Return parameters for the layer classes of a kind, named by the class."""
    return [pytest.param(layer, id=layer.__name__) for layer in _kinds.classes_with(**properties)]


def inputs_of(shape):
    return np.random.default_rng(0).normal(size=(5, *shape)).astype("float32")


def outputs_of(layer, inputs, **kwargs):
    return ops.convert_to_numpy(layer(inputs, **kwargs))


def test_every_kind_has_a_case():
    assert set(CASES) == set(_kinds.KINDS)


@pytest.mark.parametrize("kind", classes(affine=True))
def test_affine_layers_map_the_mean_to_the_mean(kind):
    make, shape = CASES[kind]
    layer, inputs = make(), inputs_of(shape)
    mean = outputs_of(layer, inputs).mean(axis=0)
    np.testing.assert_allclose(outputs_of(layer, inputs.mean(axis=0, keepdims=True))[0], mean, atol=1e-5)


@pytest.mark.parametrize("kind", classes(free=True))
def test_free_layers_move_values(kind):
    make, shape = CASES[kind]
    inputs = inputs_of(shape)
    if kind is layers.InputLayer:  # is never called
        return
    if kind is encoding.OneHotEncoder:
        assert set(np.unique(outputs_of(make(), np.array([[0, 3]])))) == {0, 1}
        return
    outputs = outputs_of(make(), [inputs, inputs] if kind is layers.Concatenate else inputs)
    assert np.isin(outputs, [0.0, *inputs.ravel()]).all()


@pytest.mark.parametrize("pooling", ["max", "mean"])
def test_pooling_layers_reduce_a_window(pooling):
    for kind in _kinds.classes_with(pooling=pooling):
        make, shape = CASES[kind]
        inputs = inputs_of(shape)
        window = tuple(range(1, len(shape)))
        expected = getattr(inputs, pooling)(axis=window)
        np.testing.assert_allclose(outputs_of(make(), inputs).reshape(expected.shape), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", classes(statistics="batch") + classes(statistics="sample"))
def test_normalisations_by_the_batch_depend_on_other_samples(kind):
    make, shape = CASES[kind]
    layer, inputs = make(), inputs_of(shape)
    training = {"training": True} if kind is layers.BatchNormalization else {}
    together = outputs_of(layer, inputs, **training)[:2]
    apart = outputs_of(layer, inputs[:2], **training)
    assert np.allclose(together, apart, atol=1e-5) == (_kinds.KINDS[kind].statistics == "sample")


@pytest.mark.parametrize("kind", classes(kernel="forward") + classes(kernel="transposed"))
def test_kernels_join_inputs_and_outputs_in_the_stated_order(kind):
    make, shape = CASES[kind]
    layer, inputs = make(), inputs_of(shape)
    ends = (shape[-1], outputs_of(layer, inputs).shape[-1])
    forward = _kinds.KINDS[kind].kernel == "forward"
    assert tuple(layer.kernel.shape[-2:]) == (ends if forward else ends[::-1])


def test_a_subclass_has_no_kind():
    class Squared(layers.Dense):
        def call(self, inputs, training=None):
            return super().call(inputs) ** 2

    assert _kinds.kind_of(Squared(2)) == _kinds.Kind()


def test_leading_affine_layers_end_at_an_activation():
    leading = [layers.Flatten(), layers.Dense(3), layers.Dense(3, activation="linear")]
    assert _kinds.count_leading_affine(leading) == 3
    assert _kinds.count_leading_affine([*leading, layers.Dense(3, activation="relu"), layers.Dense(3)]) == 3
    assert _kinds.count_leading_affine([keras.layers.ReLU(), *leading]) == 0
