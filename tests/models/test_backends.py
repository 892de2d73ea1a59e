"""Training is the same on all three backends."""

import importlib.util
import sys

import keras
import numpy as np
import pytest

from tests.models.training_worker import CASES, Workers

BACKENDS = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
COMPARED = [name for name in CASES if name.endswith((" rate", " surrogate"))]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    if len(BACKENDS) < 2:
        pytest.skip(f"only one backend is installed: {BACKENDS}")
    workers = Workers(tmp_path_factory.mktemp("backends"), COMPARED, steps=3)
    for backend in BACKENDS:
        workers.start(backend, backend)
    return workers.results()


@pytest.mark.slow
@pytest.mark.xdist_group("backends")
@pytest.mark.parametrize("case", COMPARED)
def test_steps_are_equal_on_every_backend(case, results):
    weights, logs = results[BACKENDS[0]][case]
    for backend in BACKENDS[1:]:
        other_weights, other_logs = results[backend][case]
        for one, other in zip(weights, other_weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-4, err_msg=backend)
        assert logs["loss"] == pytest.approx(other_logs["loss"], abs=1e-4)


def test_an_unknown_backend_is_an_error(monkeypatch):
    # Keras itself runs on NumPy only where JAX is installed.
    monkeypatch.setattr(keras.config, "backend", lambda: "numpy")
    monkeypatch.delitem(sys.modules, "keras_bsd._backend")
    message = (
        "Unknown `KERAS_BACKEND`: choose one of 'tensorflow', 'jax', 'torch'. Received: KERAS_BACKEND='numpy'"
    )
    with pytest.raises(ValueError, match=message):
        importlib.import_module("keras_bsd._backend")
