"""The benchmark's networks in keras_bsd, timed inside `fit` and `predict`."""

import gc

import keras
import numpy as np

import keras_bsd
from keras_bsd._rules import RULES as LOCAL_RULES
from keras_bsd._rules import LocalLearning

CLASSES = 10
RULES = {"bsd_rate": "rate", "bsd_surrogate": "surrogate", "backprop": "rate"}
JIT_COMPILE = {"auto": "auto", "true": True, "false": False}


class LoneStage(keras.layers.Layer):
    """A stage's firing rates, whose gradient is that of a rule, or through time for backpropagation."""

    def __init__(self, stage, contender):
        super().__init__()
        self.stage = stage
        self.rule = None if contender == "backprop" else LOCAL_RULES[RULES[contender]]

    def call(self, inputs, training=False):
        if self.rule is None:
            return self.stage.firing_rates(self.stage(inputs, training=training))
        with LocalLearning(self.rule) as scope:
            self.stage(inputs, training=training)
        return scope.representations[self.stage]


def build(case):
    """Return the pair, for backpropagation its encoder alone, or a lone stage."""
    if case["network"] == "layer":
        inputs = keras.Input((case["timesteps"], case["neurons"]))
        stage = keras_bsd.layers.SpikingStage(keras.layers.Dense(case["neurons"], use_bias=False))
        return keras.Model(inputs, LoneStage(stage, case["contender"])(inputs))
    application, shape = {
        "dense": (keras_bsd.applications.SpikingMLP, (28, 28, 1)),
        "conv": (keras_bsd.applications.SpikingConvNet, (32, 32, 3)),
    }[case["network"]]
    pair = application(shape, CLASSES, timesteps=case["timesteps"], rule=RULES[case["contender"]])
    return pair.encoder if case["contender"] == "backprop" else pair


def endless(*batch):
    """Return a data set that repeats one batch, stored where the backend computes."""
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.data.Dataset.from_tensors(batch).repeat()
    batch = tuple(keras.ops.convert_to_tensor(values) for values in batch)
    return (batch for _ in iter(int, 1))


class Ticking(keras.callbacks.Callback):
    """Times steps, or executions of several steps, from the end of one to the end of the next."""

    def __init__(self, stopwatch):
        super().__init__()
        self.stopwatch = stopwatch

    def on_train_batch_end(self, batch, logs=None):  # Keras has waited for the step's logs
        self.stopwatch.tick()
        self.model.stop_training = self.stopwatch.done

    def on_predict_batch_end(self, batch, logs=None):
        keras.ops.convert_to_numpy(logs["outputs"])
        self.stopwatch.tick()
        self.model.stop_predicting = self.stopwatch.done


class Contender:
    """A compiled model, with one batch in memory."""

    def __init__(self, case, x, y):
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(case["dtype"])
        self.model = build(case)
        gc.collect()  # backpropagation needs no decoder
        self.model.compile(
            case["optimizer"],
            loss="mse" if case["network"] == "layer" else "sparse_categorical_crossentropy",
            jit_compile=JIT_COMPILE[case["jit_compile"]],
            steps_per_execution=case["steps_per_execution"],
        )
        self.steps_per_tick = case["steps_per_execution"]
        self.x, self.y = x, y
        self.trainable_weights = int(sum(np.prod(w.shape) for w in self.model.trainable_weights))

    def train(self, stopwatch):
        self.model.fit(
            endless(self.x, self.y),
            steps_per_epoch=stopwatch.max_ticks * self.steps_per_tick,
            shuffle=False,
            verbose=0,
            callbacks=[Ticking(stopwatch)],
        )

    def predict(self, stopwatch):
        self.model.predict(
            endless(self.x),
            steps=stopwatch.max_ticks * self.steps_per_tick,
            verbose=0,
            callbacks=[Ticking(stopwatch)],
        )


def device_peak():
    """Return the most bytes that have been allocated on the GPU."""
    if keras.config.backend() == "jax":
        import jax

        return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
    if keras.config.backend() == "torch":
        import torch

        return torch.cuda.max_memory_allocated()
    import tensorflow as tf

    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def warm_up(case):
    """Train a few weights: what Keras loads at first use must not count as the network's memory."""
    pair = keras_bsd.applications.SpikingMLP((1,), 2, timesteps=1, units=(1,))  # mirroring serialises layers
    pair.encoder.compile(
        keras.optimizers.AdamW(),
        loss="sparse_categorical_crossentropy",
        jit_compile=JIT_COMPILE[case["jit_compile"]],
    )
    x, y = np.ones((2, 1), "float32"), np.zeros(2, "int64")
    pair.encoder.fit(endless(x, y), steps_per_epoch=2, shuffle=False, verbose=0)
