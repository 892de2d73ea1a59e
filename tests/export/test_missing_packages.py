"""Packages that are missing: the error names what to install, and no file is left."""

import sys

import keras
import pytest

from keras_bsd.audit import energy
from keras_bsd.export import check_onnx, compress_onnx, export_onnx, to_nir
from keras_bsd.layers import Readout, SpikingDense
from tests.export.networks import stimuli


@pytest.fixture
def hide(monkeypatch):
    """Function that makes importing a package fail."""
    return lambda package: monkeypatch.setitem(sys.modules, package, None)


def network():
    stages = [SpikingDense(3, timesteps=2), Readout(keras.layers.Dense(2))]
    return keras.Sequential([keras.Input((4,)), *stages])


@pytest.mark.parametrize("package", ["onnx", "tf2onnx"])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="conversion in this process")
def test_export_onnx(package, streaming, hide, tmp_path):
    hide(package)
    with pytest.raises(
        ImportError, match=rf"^Export to ONNX needs {package}: pip install 'keras-bsd'\. Received: "
    ):
        export_onnx(network(), tmp_path / "network.onnx", streaming=streaming)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["tensorflow", "tf2onnx"])
def test_export_onnx_on_another_backend(package, hide, monkeypatch, tmp_path):
    model = network()
    hide(package)
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(
        ImportError, match=rf"^Export to ONNX needs {package} on every backend: .* 'keras-bsd'\. Rec"
    ):
        export_onnx(model, tmp_path / "network.onnx")
    assert not list(tmp_path.iterdir())


def test_check_onnx(hide, tmp_path):
    model = network()
    hide("onnxruntime")
    with pytest.raises(
        ImportError, match=r"^Running ONNX files needs onnxruntime: .* 'keras-bsd\[serving\]'\. Rec"
    ):
        check_onnx(model, tmp_path / "network.onnx", stimuli(model, 2))


def test_compress_onnx(exported, hide, tmp_path):
    model, source = exported("refractory")
    hide("onnxruntime.quantization")
    message = r"^Quantisation to int8 needs onnxruntime: pip install 'keras-bsd\[serving\]'\. Received: "
    with pytest.raises(ImportError, match=message):
        compress_onnx(source, tmp_path / "small.onnx", "int8", stimuli(model, 2))
    hide("onnxruntime")
    with pytest.raises(ImportError, match=r"^Running ONNX files needs onnxruntime: .*keras-bsd\[serving\]"):
        compress_onnx(source, tmp_path / "small.onnx", "float16")
    assert not list(tmp_path.iterdir())


def test_to_nir(hide, tmp_path):
    hide("nir")
    with pytest.raises(
        ImportError, match=r"^Export to NIR needs nir: pip install 'keras-bsd\[nir\]'\. Received: "
    ):
        to_nir(network(), tmp_path / "network.nir")
    assert not list(tmp_path.iterdir())


def test_printing_a_report(hide):
    model = network()
    report = energy(model, stimuli(model, 2))
    hide("tabulate")
    with pytest.raises(
        ImportError, match=r"^Printing a report needs tabulate: pip install 'keras-bsd'\. Received: "
    ):
        str(report)
