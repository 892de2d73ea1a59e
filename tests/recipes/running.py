"""Recipes in processes of their own, as a user runs them."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run(recipe, *flags):
    """Run a recipe of `applications/` to its end."""
    return subprocess.run(_command(recipe, flags), cwd=ROOT, capture_output=True, text=True)


def start(recipe, *flags):
    """Start a recipe of `applications/`, without waiting for its end."""
    return subprocess.Popen(_command(recipe, flags), cwd=ROOT, stdout=subprocess.DEVNULL)


def _command(recipe, flags):
    return [sys.executable, f"applications/{recipe}.py", *flags]
