"""Fixtures of the tests and of the docstrings' examples."""

import gc
import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_ENABLE_X64", "1")  # several tests compare in double precision

import hypothesis  # noqa: F401, whose plugins register objects, which must not be frozen before
import keras
import numpy as np
import pytest

# Each is for one backend, or for one that need not be installed.
collect_ignore_glob = ["keras_bsd/_backend/*.py", "keras_bsd/export/_tensorflow.py"]

_TESTS_BETWEEN_FREEZES = 25
_tests_run = itertools.count(1)


def pytest_collection_finish():
    _freeze()


def pytest_runtest_logfinish():
    if next(_tests_run) % _TESTS_BETWEEN_FREEZES == 0:
        _freeze()


def _freeze():
    """Exempt what is left from garbage collection, which Keras runs for each layer it quantises.

    TensorFlow keeps graphs, so that each collection would take longer than the one before.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(1234)


@pytest.fixture(scope="session")
def digits():
    import keras_bsd

    return keras_bsd.datasets.load_images("digits")


@pytest.fixture(autouse=True)
def _names_of_examples(request, doctest_namespace, tmp_path, monkeypatch):
    """What examples in docstrings may take for imported; they run in an empty folder."""
    if not isinstance(request.node, pytest.DoctestItem):
        return
    import keras_bsd

    doctest_namespace.update(keras=keras, keras_bsd=keras_bsd, np=np, ops=keras.ops)
    monkeypatch.chdir(tmp_path)
