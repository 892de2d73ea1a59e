"""Recipes, run in the process of the tests, or in one of their own."""

import contextlib
import io
import logging
import pathlib
import runpy
import subprocess
import sys
import traceback
import types
from unittest import mock

import absl.app
import absl.flags
import absl.logging
import keras

ROOT = pathlib.Path(__file__).parents[2]


def run(recipe, *flags, input=None):
    """Run a recipe in this process to its end, as if from the project's root.

    Args:
        recipe: name of the script, or of a package of scripts.
        flags: command-line arguments.
        input: str, what the recipe reads from its standard input.

    Returns:
        `subprocess.CompletedProcess` with `returncode`, `stdout` and `stderr`.
    """
    path, returncode = _path(recipe), 0
    stdin = io.TextIOWrapper(io.BytesIO((input or "").encode()))
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        _script(path, flags),
        mock.patch.object(sys, "stdin", stdin),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        mock.patch.object(absl.logging.get_absl_handler().python_handler, "stream", stderr),
    ):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            returncode = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                print(end.code, file=stderr)
        except Exception:
            returncode = 1
            traceback.print_exc(file=stderr)
    return subprocess.CompletedProcess([path, *flags], returncode, stdout.getvalue(), stderr.getvalue())


@contextlib.contextmanager
def loaded(recipe, *flags):
    """Provide a recipe's names, by attribute, with these flags parsed, without running it."""
    path = _path(recipe)
    with _script(path, flags):
        names = runpy.run_path(str(path), run_name=str(path))  # its flags are then defined by that name
        names["FLAGS"](sys.argv)
        yield types.SimpleNamespace(**names)


def start(recipe, *flags):
    """Start a recipe in a process of its own, without waiting for its end."""
    command = [sys.executable, str(_path(recipe)), *map(str, flags)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _path(recipe):
    paths = [*ROOT.glob(f"*/{recipe}.py"), *ROOT.glob(f"*/{recipe}/__main__.py")]
    (path,) = (path for path in paths if path.parent.name != "tests")
    return path


@contextlib.contextmanager
def _script(path, arguments):
    """Make this process that of a script, and restore everything afterwards.

    Modules beside the script stay imported: absl knows them by their `id`, which new ones could repeat.
    """
    absl.app.define_help_flags()  # once a process: they must not be among those removed
    policy, handlers = keras.config.dtype_policy(), logging.root.handlers[:]
    argv, search = [str(path), *map(str, arguments)], [str(path.parent), *sys.path]
    with mock.patch.object(sys, "argv", argv), mock.patch.object(sys, "path", search), contextlib.chdir(ROOT):
        try:
            yield
        finally:
            for flag in list(absl.flags.FLAGS.flags_by_module_dict().get(str(path), ())):
                delattr(absl.flags.FLAGS, flag.name)
            keras.config.set_dtype_policy(policy)
            logging.root.handlers[:] = handlers
