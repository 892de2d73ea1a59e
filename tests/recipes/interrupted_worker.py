"""A process of `train_recognition` that is killed at the end of an epoch's validation.

python -m tests.recipes.interrupted_worker EPOCH FLAG...
"""

import os
import pathlib
import runpy
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "applications"))

from _shared_run import WholeValidation


def main(epoch, *arguments):
    end, ends = WholeValidation.on_test_end, []

    def end_and_die(self, logs=None):
        end(self, logs)
        ends.append(logs)
        if len(ends) == int(epoch):
            os.kill(os.getpid(), signal.SIGKILL)

    WholeValidation.on_test_end = end_and_die
    sys.argv = [f"{sys.path[0]}/train_recognition.py", *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
