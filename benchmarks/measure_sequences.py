"""A training step of recurrent stages against the length of the window: time, and memory by XLA's count.

    KERAS_BACKEND=jax python tests/benchmarks/measure_sequences.py --networks=text,forecast --windows=16,64

Prints a Markdown table. Memory is what the compiled step allocates beside its arguments (weights,
optimiser state, batch) and results; time is the fastest step of those taken. "rates and inputs" is what
the elements' inputs and the stage's rates take, in float32.
"""

import time

import jax
import keras
import numpy as np
from absl import app, flags

from keras_bsd.applications import SpikingCharRNN, SpikingForecaster

FLAGS = flags.FLAGS
flags.DEFINE_list("networks", ["text", "forecast"], "text (65 characters, 256 units), forecast (7, 128 units).")
flags.DEFINE_list("windows", ["16", "64"], "Elements in a window.")
flags.DEFINE_integer("batch_size", 64, "Windows a batch.")
flags.DEFINE_integer("repeats", 10, "Steps that are timed.")


def build(name, window):
    """A pair with one batch for it, and the features and units of its stage."""
    generator = np.random.default_rng(0)
    if name == "text":
        text = generator.integers(0, 65, (FLAGS.batch_size, window + 1), dtype="int32")
        return SpikingCharRNN("".join(map(chr, range(40, 105)))), (text[:, :-1], text[:, 1:]), 65 + 256
    x = generator.normal(size=(FLAGS.batch_size, window, 7)).astype("float32")
    return SpikingForecaster(window, 1, 7, units=(128,)), (x, x[:, :1]), 7 + 128


def measure(name, window, rule):
    """Milliseconds, MB of temporary memory, and MB of inputs and rates of one training step."""
    pair, batch, width = build(name, window)
    network = pair.encoder if rule == "backprop" else pair
    loss = "sparse_categorical_crossentropy" if name == "text" else "mse"
    network.compile(keras.optimizers.AdamW(3e-3), loss=loss)
    network.optimizer.build(network.trainable_variables)
    network.test_on_batch(*batch)  # makes the metrics' variables
    kinds = ("trainable_variables", "non_trainable_variables")
    variables = (*(getattr(network, kind) for kind in kinds), network.optimizer.variables)
    state = tuple([variable.value for variable in kind] for kind in (*variables, network.metrics_variables))
    compiled = jax.jit(network.train_step).lower(state, batch).compile()
    times = []
    for _ in range(FLAGS.repeats + 1):
        start = time.perf_counter()
        jax.block_until_ready(compiled(state, batch))
        times.append(time.perf_counter() - start)
    memory = compiled.memory_analysis().temp_size_in_bytes / 2**20
    return 1e3 * min(times[1:]), memory, 4 * FLAGS.batch_size * window * width / 2**20


def main(_):
    if keras.config.backend() != "jax":
        raise app.UsageError("XLA's counts are read through JAX: set KERAS_BACKEND=jax.")
    print("| network | window | rule | ms | of backprop | temporary memory, MB | rates and inputs, MB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in FLAGS.networks:
        for window in map(int, FLAGS.windows):
            baseline = None
            for rule in ("backprop", "rate"):
                took, memory, stored = measure(name, window, rule)
                baseline = baseline or took
                cells = [name, window, rule, f"{took:.1f}", f"{took / baseline:.2f}"]
                print(f"| {' | '.join(map(str, [*cells, f'{memory:.1f}', f'{stored:.1f}']))} |", flush=True)


if __name__ == "__main__":
    app.run(main)
