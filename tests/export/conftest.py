"""Exported networks that tests share: a conversion takes seconds."""

import keras
import pytest

from keras_bsd.export import export_onnx
from keras_bsd.export._programs import OUTPUTS
from tests.export.networks import NETWORKS, length, lively

METADATA = {"refractory": {"labels": ["a", "b", "c"], "preprocess": (0, [1, 2, 3, 255])}}


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Function from a name in `NETWORKS` to the model and its file with all outputs, whole or streamed."""
    files = {}

    def export(name, streaming=False):
        if (name, streaming) not in files:
            keras.utils.set_random_seed(1234)
            model, path = lively(NETWORKS[name]()), tmp_path_factory.mktemp("exported") / "network.onnx"
            options = METADATA.get(name, {}) | {"length": None if streaming else length(model)}
            export_onnx(model, path, outputs=OUTPUTS, streaming=streaming, **options)
            files[name, streaming] = model, path
        return files[name, streaming]

    return export
