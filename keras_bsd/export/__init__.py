"""Trained networks as files for other runtimes."""

from keras_bsd.export._compression import compress_onnx as compress_onnx
from keras_bsd.export._litert_file import export_litert as export_litert
from keras_bsd.export._nir_file import to_nir as to_nir
from keras_bsd.export._nir_import import from_nir as from_nir
from keras_bsd.export._onnx_file import export_onnx as export_onnx
from keras_bsd.export._parity import check_onnx as check_onnx
