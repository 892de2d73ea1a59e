#!/usr/bin/env bash
# Version: keras 3.15.1, jax 0.10.2, jaxlib 0.10.2, on a CPU.
#
# Behaviour: in training by several processes the first alone writes checkpoints, as is usual. With
# Keras's DataParallel on JAX that fails. To find out which attributes of an optimizer need not be
# saved, Keras makes a reference optimizer when it saves for the first time in a process, and its
# variable becomes one of all processes, which have to take part. The others, which save nothing,
# are by then at their next variable: JAX notices that both differ, and training ends with an
# AssertionError about device_put in every process. Where the others do nothing at all, the first
# waits for them.
#
# Seen: two processes of this machine, two epochs, a callback that saves the weights. If both save, each
# into a file of its own, `fit` returns; if the first saves alone, both raise.
#
# Why it matters: the message names neither the saving nor the optimizer, and weights that every
# process has in full need no other process to be saved. What helps is to save in all processes, or
# with `keras.distribution.set_distribution(None)` for the time of saving.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

cat >program.py <<'PY'
import os
import sys
from importlib.metadata import version

import jax
import keras
import numpy as np

process, port, who = int(sys.argv[1]), sys.argv[2], sys.argv[3]
if process == 0:
    print(*(f"{name} {version(name)}" for name in ("keras", "jax", "numpy")))
jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)
keras.utils.set_random_seed(0)
keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")


class Saving(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        before = keras.distribution.distribution()
        if who == "outside":
            keras.distribution.set_distribution(None)
        self.model.save_weights(f"{who}{process}.weights.h5", overwrite=True)
        keras.distribution.set_distribution(before)


callbacks = [Saving()] if who == "both" or process == 0 else []
x = np.random.default_rng(process).random((8, 4), "float32")
try:
    model.fit(x, x[:, :1], batch_size=8, epochs=2, callbacks=callbacks, verbose=0)
    print(f"process {process}: fit has returned")
except Exception as error:
    print(f"process {process}: fit has raised {type(error).__name__}: {error}"[:140])
sys.stdout.flush()
os._exit(0)  # an ordinary exit would wait for the other process
PY
export KERAS_BACKEND=jax JAX_PLATFORMS=cpu
for who in both first outside; do
    echo "$who:"
    port=$(venv/bin/python -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
    export JAX_COORDINATOR_BIND_ADDRESS="127.0.0.1:$port"
    timeout 300 venv/bin/python -W ignore program.py 1 "$port" "$who" >"$who-1.txt" 2>/dev/null &
    timeout 300 venv/bin/python -W ignore program.py 0 "$port" "$who" >"$who-0.txt" 2>/dev/null || true
    wait
    grep -h -v "Gloo" "$who-0.txt" "$who-1.txt" || true
done
for who in both outside; do
    for process in 0 1; do
        grep -q "fit has returned" "$who-$process.txt" || { echo "changed: $who, process $process"; exit 1; }
    done
done
for process in 0 1; do
    grep -q "fit has raised AssertionError: .*device_put is not the same on each process" "first-$process.txt" ||
        { echo "changed: the first process can save alone"; exit 1; }
done
echo "as stated"
