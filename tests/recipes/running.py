"""Recipes in processes of their own, as a user runs them."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run(recipe, *flags, **kwargs):
    """Run a recipe to its end; further arguments are those of `subprocess.run`."""
    return subprocess.run(_command(recipe, flags), cwd=ROOT, capture_output=True, text=True, **kwargs)


def start(recipe, *flags):
    """Start a recipe, without waiting for its end."""
    return subprocess.Popen(_command(recipe, flags), cwd=ROOT, stdout=subprocess.DEVNULL)


def _command(recipe, flags):
    (path,) = ROOT.glob(f"*/{recipe}.py")
    return [sys.executable, str(path), *flags]
