"""Training on the device, in a process whose backend is JAX: whole, and interrupted after the first epoch.

    KERAS_BACKEND=jax python -m tests.recipes.on_device_worker FOLDER

Writes the history and the weights of both to FOLDER.
"""

import json
import pathlib
import sys
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "applications"))

import _device_loop
import _run
import keras
import numpy as np

import keras_bsd


def train(run, epochs_by_process, digits):
    """Train, each number of epochs by a model of its own, as separate processes would; return the last."""
    layers = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(0.1, 0.1)]
    for epochs in epochs_by_process:
        keras.utils.set_random_seed(0)
        model = keras_bsd.applications.SpikingMLP((8, 8, 1), 10, units=(16, 12), timesteps=2)
        schedule = keras.optimizers.schedules.CosineDecay(2e-2, 3 * 28)
        model.compile(keras.optimizers.AdamW(schedule), metrics=["accuracy"])
        batches = keras_bsd.datasets.Batches(*digits[0], 50, layers, seed=1)
        history = run.fit_on_device("rate", model, batches, epochs, digits[1])
    return model, history


def main(folder):
    digits = keras_bsd.datasets.load_images("digits")
    for name, epochs in (("whole", [3]), ("interrupted", [1, 3])):
        (folder / name).mkdir()
        with mock.patch.object(_device_loop, "SECONDS_BETWEEN_BACKUPS", 0):
            model, history = train(_run.Run(folder / name, ["rate"]), epochs, digits)
        history["evaluated"] = model.evaluate(*digits[1], verbose=0, return_dict=True)["accuracy"]
        np.savez(folder / f"{name}.npz", *model.get_weights())
        (folder / f"{name}.json").write_text(json.dumps(history))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
