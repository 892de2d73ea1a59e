"""Conversion of Keras on TensorFlow to LiteRT."""

import contextlib
import logging
import os
import re
import tempfile
import warnings

import tensorflow as tf

from keras_bsd.export._logs import muted
from keras_bsd.export._refusals import check_assigns_nothing

PRODUCTS = {"BATCH_MATMUL", "CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}


def convert(model, program, precision, stimuli):
    """Return the bytes of a LiteRT file.

    Args:
        model: built functional or Sequential Keras model.
        program: a `Program` with the input `stimulus`.
        precision: one of `LITERT_PRECISIONS`.
        stimuli: NumPy array `(samples, ...)` that calibrates int8, or None.

    Raises:
        ValueError: LiteRT has no operation for one of the network, or a layer changes its state.
    """
    try:
        return _convert(model, program, precision, stimuli)
    except Exception as error:  # that of the converter is not public
        unknown = sorted(set(re.findall(r"'(tf\.\w+)' op is neither", str(error))))
        if not unknown:
            raise
        raise ValueError(
            f"LiteRT has no operation for {', '.join(unknown)}. Replace the layer that it comes from, or write "
            'the network by `model.export(path, format="litert")` of Keras, whose files need the operations '
            "of TensorFlow besides."
        ) from error


def _convert(model, program, precision, stimuli):
    shape, dtype = program.inputs["stimulus"]
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), dtype, "stimulus")], autograph=False)
    def serve(stimulus):
        return program.call({"stimulus": stimulus})

    function = serve.get_concrete_function()
    check_assigns_nothing(function.graph, model)
    module.serve, module.weights = serve, function.variables
    with tempfile.TemporaryDirectory() as folder, quiet():
        tf.saved_model.save(module, folder, signatures={"serving_default": serve})

        def converter(**settings):
            made = tf.lite.TFLiteConverter.from_saved_model(folder)
            for name, value in settings.items():
                setattr(made, name, value)
            return made

        smaller = {"optimizations": [tf.lite.Optimize.DEFAULT]}
        if precision == "float32":
            return converter().convert()
        if precision == "float16":
            halved = converter(**smaller)
            halved.target_spec.supported_types = [tf.float16]
            return halved.convert()
        if precision == "dynamic":
            return converter(**smaller).convert()

        def samples():
            return ([stimuli[i : i + 1]] for i in range(len(stimuli)))

        # Quantised as a whole, membranes would be rounded, and counts of spikes no whole numbers.
        others = _operations(converter().convert()) - PRODUCTS
        quantizer = tf.lite.experimental.QuantizationDebugger(
            converter=converter(**smaller, representative_dataset=samples),
            debug_dataset=samples,
            debug_options=tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=sorted(others)),
        )
        return quantizer.get_nondebug_quantized_model()


def _operations(content):
    """Return the kinds of operations in a LiteRT file."""
    details = tf.lite.Interpreter(model_content=content)._get_ops_details()
    return {operation["op_name"] for operation in details}


@contextlib.contextmanager
def quiet():
    """Leave out what converters print and warn of their own dependencies, from C++ as well."""
    with warnings.catch_warnings(), muted(logging.getLogger()), open(os.devnull, "w") as nowhere:
        warnings.simplefilter("ignore")
        before = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)
