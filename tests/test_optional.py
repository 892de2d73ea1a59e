import json
import re

import pytest

from keras_bsd._optional import require


def test_returns_the_module():
    assert require("json", "Reading") is json


@pytest.mark.parametrize(("extra", "package"), [("examples", "keras-bsd[examples]"), (None, "keras-bsd")])
def test_the_error_names_what_to_install(extra, package):
    message = re.escape(f"Drawing needs no_such_package: pip install '{package}'. Received: No module named")
    with pytest.raises(ImportError, match=message):
        require("no_such_package.figure", "Drawing", extra)
