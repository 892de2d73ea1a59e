#!/usr/bin/env bash
# Version: keras 3.15.1, jax 0.10.2.
#
# Behaviour: keras.callbacks.BackupAndRestore(double_checkpoint=True) keeps a copy of the last
# backup for the case that the present one is damaged, and takes it after an OSError alone.
# The number of epochs is a JSON file of its own, written in place: a process that is killed
# after the file was opened leaves it empty. The next fit then raises JSONDecodeError, although
# the copy beside it is whole. (HDF5 weights cut short in mid-write may raise a RuntimeError or
# a KeyError, which pass the copy by in the same way.)
#
# Seen: the killed training leaves training_metadata.json empty and both .bkp files whole; fit
# raises JSONDecodeError. After the two copies are put in their places, fit resumes.
#
# Why it matters: interruption is what the callback is for, and on spot machines training ends
# at any moment. Write backups whole (a temporary file, then a rename), or catch more.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 keras==3.15.1 jax==0.10.2 >pip.log 2>&1 ||
    { cat pip.log; echo "could not install"; exit 2; }

cat >train.py <<'PY'
import json
import os
import signal
import sys

import keras
import numpy as np

def train(epochs):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    backup = keras.callbacks.BackupAndRestore("backup", double_checkpoint=True, delete_checkpoint=False)
    run = model.fit(np.zeros((8, 8)), np.zeros((8, 1)), epochs=epochs, verbose=0, callbacks=[backup])
    return run.epoch

if __name__ == "__main__":
    # The moment of the kill: the third epoch's file of metadata is open, and not yet written.
    dumps = json.dumps
    def dies(content, **options):
        if isinstance(content, dict) and content.get("epoch") == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return dumps(content, **options)
    json.dumps = dies
    train(4)
PY
export KERAS_BACKEND=jax JAX_PLATFORMS=cpu
venv/bin/python -W ignore train.py 2>/dev/null && { echo "changed: the training was not interrupted"; exit 1; } || true

venv/bin/python -W ignore - <<'PY'
import json
import os
import shutil
import sys
from importlib.metadata import version

from train import train

print("keras", version("keras"), "files:", {name: os.path.getsize(f"backup/{name}") for name in sorted(os.listdir("backup"))})
try:
    train(4)
    error = None
except Exception as raised:
    error = raised
print("expected: resumes from the copy; seen:", type(error).__name__, error)
for name in ("latest.weights.h5", "training_metadata.json"):
    shutil.copy(f"backup/{name}.bkp", f"backup/{name}")
epochs = train(4)
print("with the copies in their places, these epochs follow:", epochs)
if not isinstance(error, json.JSONDecodeError):
    sys.exit("changed: fit resumes, or raises something else")
if epochs != [2, 3]:
    sys.exit("changed: the copies do not resume after the second epoch")
print("as stated")
PY
