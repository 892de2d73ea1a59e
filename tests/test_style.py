import subprocess
import sys

import pytest


@pytest.mark.parametrize("check", [["check", "."], ["format", "--check", "."]])
def test_ruff_has_nothing_to_say(check, pytestconfig):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *check], cwd=pytestconfig.rootpath, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
