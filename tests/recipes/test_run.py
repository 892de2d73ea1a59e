import json

import keras

import keras_bsd
from applications import _run


def test_environment():
    found = _run.environment(["pytest", "no-such-package"])
    assert found["versions"]["keras"] == keras.__version__
    assert found["versions"]["keras_bsd"] == keras_bsd.__version__
    assert found["versions"]["no-such-package"] is None
    assert found["versions"]["pytest"]
    assert found["backend"] == keras.config.backend()
    assert "cores" in found["machine"]
    json.dumps(found)
