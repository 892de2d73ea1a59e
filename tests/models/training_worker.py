"""Trains pairs in a process of its own, so that each can have its backend and its devices.

`Workers` starts such processes: `python -m tests.models.training_worker FOLDER RESULT LAYOUT STEPS CASE...`
"""

import contextlib
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np

import keras_bsd
from keras_bsd.layers import Readout, SpikingDense
from keras_bsd.losses import ReCo
from tests.models import pairs

BATCH = 12


def sgd():
    return keras.optimizers.SGD(0.05, momentum=0.9)


def descent():
    return keras.optimizers.SGD(0.05)


def adamw():
    # The gradient of a bias before batch normalisation is rounding, which a step must not amplify.
    return keras.optimizers.AdamW(0.01, epsilon=1e-4)


def normalized_pair(normalization="layer", synchronized=False, centring="sample", **kwargs):
    """Return a dense pair that by default computes nothing over the batch: its decoder runs on the classes.

    It checks each batch, on whichever devices the batch is.
    """
    encoder = keras.Sequential(
        [
            keras.Input((4,)),
            SpikingDense(9, normalization, timesteps=3, name="first"),
            SpikingDense(8, normalization, name="second"),
            Readout(keras.layers.Dense(3), "softmax"),
        ]
    )
    for stage in encoder.layers[:-1] if synchronized else ():
        stage.synapse.layers[-1].synchronized = True
    loss = ReCo(centring=centring)
    kwargs |= {"stimulus_range": (0.0, 1.0), "check_numerics": True}
    return keras_bsd.BSDModel(encoder, keras_bsd.mirror(encoder), layer_loss=loss, **kwargs)


# Name: optimiser, maker and arguments of a pair.
CASES = {
    "dense, rate": (adamw, pairs.dense_pair, {"rule": "rate"}),
    "dense, surrogate": (sgd, pairs.dense_pair, {"rule": "surrogate"}),
    "conv, rate": (sgd, pairs.conv_pair, {"rule": "rate"}),
    "conv, surrogate": (adamw, pairs.conv_pair, {"rule": "surrogate"}),
    "regression, rate": (adamw, pairs.regression_pair, {"rule": "rate"}),
    "regression, surrogate": (sgd, pairs.regression_pair, {"rule": "surrogate"}),
    "nothing over the batch": (descent, normalized_pair, {}),
    "statistics of the batch": (descent, normalized_pair, {"normalization": "batch"}),
    "synchronized statistics": (descent, normalized_pair, {"normalization": "batch", "synchronized": True}),
    "centring over the batch": (descent, normalized_pair, {"centring": "batch"}),
    "pairs of samples": (descent, normalized_pair, {"codebook": False}),
    "all over the batch": (
        sgd,
        normalized_pair,
        {"normalization": "batch", "centring": "batch", "codebook": False},
    ),
}


def compiled(case):
    optimizer, make, arguments = CASES[case]
    model = make(**arguments)
    model.compile(optimizer())
    return model


class Workers:
    """Processes that train the same cases from the same weights, and their results.

    Args:
        folder: folder for their files.
        cases: names in `CASES`.
        steps: int, each on a batch of 12.
    """

    def __init__(self, folder, cases, steps):
        self._folder, self._cases, self._steps = pathlib.Path(folder), list(cases), steps
        self._running = {}
        keras.utils.set_random_seed(0)
        for case in cases:
            np.savez(self._folder / f"{case}.npz", *compiled(case).get_weights())

    def start(self, name, backend, layout="one device", **environment):
        """Start a worker; several run side by side."""
        command = [sys.executable, "-m", "tests.models.training_worker", self._folder, name, layout]
        settings = {"KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        settings["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # a worker compiles far longer than it trains
        with self._errors(name).open("w") as errors:
            self._running[name] = subprocess.Popen(
                [*command, str(self._steps), *self._cases],
                env={**os.environ, "JAX_ENABLE_X64": "0", **settings, **environment},
                cwd=pathlib.Path(__file__).parents[2],
                stderr=errors,
            )

    def results(self):
        """Wait for all workers and return `(weights, logs)` for each worker and case."""
        try:
            for name, process in self._running.items():
                assert process.wait(timeout=300) == 0, f"{name}: {self._errors(name).read_text()[-3000:]}"
        finally:
            for process in self._running.values():
                process.kill()
        return {name: {case: self._read(name, case) for case in self._cases} for name in self._running}

    def _errors(self, name):
        return self._folder / f"{name}.txt"

    def _read(self, name, case):
        with np.load(self._folder / f"{name}, {case}.npz") as arrays:
            logs = {key: float(arrays[key]) for key in arrays.files if not key.startswith("arr_")}
            return [arrays[f"arr_{i}"] for i in range(len(arrays.files) - len(logs))], logs


def one_device():
    return contextlib.nullcontext()


def mirrored():
    """Use two replicas of TensorFlow."""
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()


def data_parallel():
    """Use two devices of JAX, from XLA's flags or from several processes."""
    assert keras.distribution.get_device_count() == 2
    return keras.distribution.DataParallel().scope()


def processes():
    """Use one device in each of two processes, configured by Keras's environment variables."""
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    keras.distribution.initialize()
    return data_parallel()


LAYOUTS = {
    "one device": one_device,
    "mirrored": mirrored,
    "data parallel": data_parallel,
    "processes": processes,
}


def fit(case, weights, steps, layout):
    """Train by `fit`; return the model and its logs."""
    model = compiled(case)
    model.set_weights(weights)
    x, y = pairs.samples(model, steps * BATCH)
    if layout == "processes":  # Keras distributes each batch over them
        import tensorflow as tf

        x, y = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH, drop_remainder=True), None
    batch_size = None if y is None else BATCH
    history = model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0).history
    return model, {name: values[0] for name, values in history.items()}


def fit_by_halves(case, weights, steps):
    """Train as replicas that share nothing but their gradients, one after the other on one device.

    The mean of two steps of gradient descent is the step along the mean gradient. Statistics are those
    of the first replica.
    """
    model = compiled(case)
    model.set_weights(weights)
    x, y = pairs.samples(model, steps * BATCH)
    for first in range(0, len(x), BATCH):
        start, ends = model.get_weights(), []
        for half in np.split(np.arange(first, first + BATCH), 2):
            model.set_weights(start)
            model.train_on_batch(x[half], y[half])
            ends.append(model.get_weights())
        shared = [variable.trainable for variable in model.weights]
        model.set_weights([(a + b) / 2 if both else a for a, b, both in zip(*ends, shared, strict=True)])
    return model, {}


def main(folder, result, layout, steps, *cases):
    folder, steps = pathlib.Path(folder), int(steps)
    with LAYOUTS.get(layout, contextlib.nullcontext)():
        for case in cases:
            with np.load(folder / f"{case}.npz") as initial:
                weights = [initial[name] for name in initial.files]
            if layout == "halves":
                model, logs = fit_by_halves(case, weights, steps)
            else:
                model, logs = fit(case, weights, steps, layout)
            np.savez(folder / f"{result}, {case}.npz", *model.get_weights(), **logs)


if __name__ == "__main__":
    main(*sys.argv[1:])
