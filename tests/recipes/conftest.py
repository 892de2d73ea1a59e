"""A training run that the tests of several recipes share."""

import pathlib
from typing import NamedTuple

import pytest

from tests.recipes.running import run

DIGITS_FLAGS = ["--method=rate,ann", "--units=64,48", "--timesteps=2", "--epochs=4"]


class TrainingRun(NamedTuple):
    """A folder of results, and what the recipe printed."""

    folder: pathlib.Path
    output: str


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory):
    """Classifiers of digits, trained by `DIGITS_FLAGS`."""
    folder = tmp_path_factory.mktemp("digits")
    done = run("train_recognition", *DIGITS_FLAGS, f"--output_dir={folder}")
    assert done.returncode == 0, done.stderr
    return TrainingRun(folder, done.stdout)
