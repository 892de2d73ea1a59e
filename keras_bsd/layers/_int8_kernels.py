"""Convolutions with kernels in int8: what Keras's `quantize` does for `Dense`, and for no convolution."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_bsd._types import Layer, Tensor
from keras_bsd.layers._skip_conv import SkipConv2D

# The kernels of each class, and the axes that output channels have: each channel has a scale of its own.
_OUTPUTS_LAST, _OUTPUTS_BEFORE_INPUTS, _DEPTHWISE = (-1,), (-2,), (-2, -1)
KERNELS: dict[Any, dict[str, tuple[int, ...]]] = {
    keras.layers.Conv1D: {"_kernel": _OUTPUTS_LAST},
    keras.layers.Conv2D: {"_kernel": _OUTPUTS_LAST},
    keras.layers.Conv3D: {"_kernel": _OUTPUTS_LAST},
    keras.layers.Conv1DTranspose: {"kernel": _OUTPUTS_BEFORE_INPUTS},
    keras.layers.Conv2DTranspose: {"kernel": _OUTPUTS_BEFORE_INPUTS},
    keras.layers.Conv3DTranspose: {"kernel": _OUTPUTS_BEFORE_INPUTS},
    keras.layers.DepthwiseConv1D: {"kernel": _DEPTHWISE},
    keras.layers.DepthwiseConv2D: {"kernel": _DEPTHWISE},
    keras.layers.SeparableConv1D: {"depthwise_kernel": _DEPTHWISE, "pointwise_kernel": _OUTPUTS_LAST},
    keras.layers.SeparableConv2D: {"depthwise_kernel": _DEPTHWISE, "pointwise_kernel": _OUTPUTS_LAST},
}
_BY_KERAS = (keras.layers.Dense, keras.layers.EinsumDense)


def make_quantizable(stage: str, layers: list[Layer]) -> None:
    """Let Keras's `quantize` reach the convolutions of a stage, and name layers that it cannot quantise.

    Args:
        stage: the stage's name.
        layers: its layers, with or without weights. Those that a file has in int8 become so.
    """
    for layer in layers:
        if type(layer) in KERNELS:
            kernels = vars(layer).get("_int8_kernels") or Int8Kernels(stage, layer)
            if layer.quantization_mode == "int8":  # of a file: Keras loads the values later
                kernels.convert(layer.quantization_config)
        elif _has_kernels_of_its_own(layer):
            layer.quantize = _refusal(stage, layer, "its class does not define how")
    reached = {id(layer) for layer in layers}
    for inner in (inner for layer in layers for inner in layer._flatten_layers(include_self=False)):
        if id(inner) not in reached and (type(inner) in KERNELS or _has_kernels_of_its_own(inner)):
            inner.quantize = _refusal(stage, inner, "it lies within another layer")


def _has_kernels_of_its_own(layer):
    """Return whether a layer has weights that are matrices or more, and no way to quantise them."""
    inherited = (keras.layers.Layer.quantize, *(kind.quantize for kind in _BY_KERAS))
    unknown = type(layer) not in _BY_KERAS and type(layer).quantize in inherited
    is_leaf = not isinstance(layer, (keras.Model, SkipConv2D))
    return unknown and is_leaf and any(len(weight.shape) > 1 for weight in layer.weights)


def _refusal(stage, layer, reason):
    """Return a `quantize` that says what to do, which Keras's `Model.quantize` makes a warning."""

    def refuse(mode: str | None = None, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"Layer '{layer.name}' ({layer.__class__.__name__}) of stage '{stage}' is not quantised and stays "
            f"in full precision, because {reason}. Define `quantize`, `quantized_build` and `quantized_call` "
            "as keras.layers.Dense does, or give the stage layers of Keras, in a list. "
            f"Received: mode={mode!r}"
        )

    return refuse


class Int8Kernels:
    """The kernels of a convolution, which `quantize` replaces by int8 values and a scale for each channel.

    A value `w` is stored as `round(w * scale)`, `scale = 127 / max |w|` of its channel, as in Keras's `Dense`.
    The convolution computes with `round(w * scale) / scale` in its own precision. Its inputs are not quantised.

    Args:
        stage: name of the layer's stage.
        layer: convolution, of a class in `KERNELS`.
    """

    def __init__(self, stage: str, layer: Layer) -> None:
        self._stage, self._layer = stage, layer
        self._axes = KERNELS[type(layer)]
        self.scales: dict[str, Any] = {}  # by the kernel's attribute
        layer._int8_kernels = self
        layer.quantize = self.quantize
        layer.quantized_call = self.call

    def quantize(self, mode: str | None = None, config: Any = None, type_check: bool = True) -> None:
        """Quantise the kernels; see `keras.layers.Layer.quantize`.

        Raises:
            NotImplementedError: `mode` is another than `"int8"`; Keras's `Model.quantize` makes it a warning.
            ValueError: the layer is quantised already, or not built.
        """
        layer = self._layer
        mode = mode if config is None else config.mode
        if mode != "int8":
            raise NotImplementedError(
                f"Layer '{layer.name}' ({layer.__class__.__name__}) of stage '{self._stage}' is not quantised: "
                f'convolutions can be quantised to "int8" only. Received: mode={mode!r}'
            )
        states = {
            "in int8": self.scales,
            "that is not built": not layer.built,
            "with LoRA": getattr(layer, "lora_enabled", False),
        }
        if unfit := [state for state, holds in states.items() if holds]:
            raise ValueError(
                f"Layer '{layer.name}' of stage '{self._stage}' must be built, quantised once and without LoRA."
                f" Received: a layer {unfit[0]}"
            )
        self.convert(config)
        layer.dtype_policy = f"int8_from_{layer.dtype_policy.name}"

    def convert(self, config: Any) -> None:
        """Replace the layer's kernels, if it is built and they are not replaced yet."""
        layer = self._layer
        if not layer.built or self.scales:
            return
        quantizer = getattr(config, "weight_quantizer", None) or keras.quantizers.AbsMaxQuantizer()
        layer._tracker.unlock()
        try:
            for name, axes in self._axes.items():
                kernel = ops.cast(getattr(layer, name), "float32")
                rank = len(kernel.shape)
                shared = tuple(axis for axis in range(rank) if axis - rank not in axes)
                values, scale = quantizer(kernel, axis=shared, to_numpy=True)
                delattr(layer, name)
                public = name.removeprefix("_")
                setattr(layer, name, _add(layer, public, values, "int8"))
                self.scales[name] = _add(layer, f"{public}_scale", scale, "float32")
                setattr(layer, f"{public}_scale", self.scales[name])
        finally:
            layer._tracker.lock()
        layer.quantization_config = config
        layer._is_quantized = True  # Keras asks for it when the policy changes
        layer.save_own_variables, layer.load_own_variables = self._save, self._load

    def call(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the layer's output by its dequantised kernels."""
        view = object.__new__(type(self._layer))  # the layer itself may run in another thread
        vars(view).update(vars(self._layer), **{name: self.dequantize(name) for name in self.scales})
        return type(self._layer).call(view, *args, **kwargs)

    def dequantize(self, name: str) -> Tensor:
        """Return the values of a kernel by its attribute."""
        values = ops.cast(getattr(self._layer, name), "float32") / self.scales[name]
        return ops.cast(values, self._layer.compute_dtype)

    def _variables(self):
        bias = [self._layer.bias] if self._layer.use_bias else []
        return [*(getattr(self._layer, name) for name in self.scales), *bias, *self.scales.values()]

    def _save(self, store):
        for i, variable in enumerate(self._variables()):
            store[str(i)] = variable

    def _load(self, store):
        variables = self._variables()
        if len(store.keys()) != len(variables):
            raise ValueError(
                f"Layer '{self._layer.name}' of stage '{self._stage}' is quantised to int8 and has "
                f"{len(variables)} variables. Received: {len(store.keys())} in the file. Load weights in "
                "single precision before `quantize`."
            )
        for i, variable in enumerate(variables):
            variable.assign(store[str(i)])


def _add(layer, name, value, dtype):
    variable = layer.add_weight(
        name=name, shape=value.shape, initializer="zeros", dtype=dtype, trainable=False, autocast=False
    )
    variable.assign(value)
    return variable
