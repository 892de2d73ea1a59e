"""Processes that connect as those of a recipe do, without Keras, which takes seconds to import.

python -m tests.recipes.process_worker --processes=2 --process_id=0 --coordinator=127.0.0.1:PORT --setting=a
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "applications"))

import _processes
from absl import app, flags

FLAGS = flags.FLAGS


def main(_):
    _processes.check_alike(lambda: {"setting": FLAGS.setting, "epochs": 2})
    decision = _processes.agreed(_processes.is_first())
    content = _processes.broadcast(b"of the first" if _processes.is_first() else b"of another")
    print(f"only the first prints: {decision}, {content.decode()}")


if __name__ == "__main__":  # pytest imports every module, and recipes define these flags as well
    flags.DEFINE_string("setting", "a", "What all processes must have the same of.")
    _processes.define_flags("jax")
    app.run(_processes.connected(main))
