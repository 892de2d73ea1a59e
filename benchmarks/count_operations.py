"""Count operations and memory of a training step by XLA: exact, and the same on a busy machine.

    KERAS_BACKEND=jax .venv/bin/python -m benchmarks.count_operations --networks=dense --timesteps=4,8

Prints a Markdown table; `--output` writes it as a page. Memory is what the compiled step allocates beside its
arguments (weights, optimizer state) and results. XLA counts the body of a loop once. Operations are therefore
those of all time steps at once, and there are none for more than 32, over which neurons loop.
"""

from benchmarks import _results  # isort: skip, before Keras

import keras
import numpy as np
from absl import app, flags

import keras_bsd
from keras_bsd.layers._time_loop import LONGEST_UNROLLED, at_once

FLAGS = flags.FLAGS
flags.DEFINE_list("networks", ["dense", "conv"], "dense (784-5x512-10) and conv (five stages, 32x32x3).")
flags.DEFINE_list("timesteps", ["4", "8", "16"], "Timesteps.")
flags.DEFINE_integer("batch_size", 128, "Samples per batch.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page for the table.")

BUILDERS = {
    "dense": (keras_bsd.applications.SpikingMLP, (28, 28, 1)),
    "conv": (keras_bsd.applications.SpikingConvNet, (32, 32, 3)),
}
HEADER = ["network", "T", "rule", "GFLOP", "of backprop", "temporary memory, MB", "of backprop"]


def count(name, timesteps, rule):
    """Return billions of operations, None for many timesteps, and MB of temporary memory of a training step."""
    import jax

    builder, shape = BUILDERS[name]
    model = builder(shape, 10, timesteps=timesteps, rule="surrogate" if rule == "surrogate" else "rate")
    network = model.encoder if rule == "backprop" else model
    network.compile(keras.optimizers.AdamW(3e-3), loss="sparse_categorical_crossentropy")
    network.optimizer.build(network.trainable_variables)
    batch = np.zeros((FLAGS.batch_size, *shape), "float32"), np.zeros(FLAGS.batch_size, "int32")
    network.test_on_batch(batch[0][:1], batch[1][:1])  # creates the metrics' variables
    variables = (
        network.trainable_variables,
        network.non_trainable_variables,
        network.optimizer.variables,
        network.metrics_variables,
    )
    state = tuple([variable.value for variable in kind] for kind in variables)

    def compiled():
        return jax.jit(lambda *step: network.train_step(*step), donate_argnums=0).lower(state, batch).compile()

    memory = compiled().memory_analysis().temp_size_in_bytes / 2**20
    if timesteps > LONGEST_UNROLLED:
        return None, memory
    with at_once():
        return compiled().cost_analysis()["flops"] / 1e9, memory


def count_all():
    """Yield the table's rows: every network, number of timesteps and rule."""
    for name in FLAGS.networks:
        for timesteps in map(int, FLAGS.timesteps):
            baseline = count(name, timesteps, "backprop")
            for rule in ("backprop", "surrogate", "rate"):
                flops, memory = baseline if rule == "backprop" else count(name, timesteps, rule)
                operations = ["", ""] if flops is None else [f"{flops:.2f}", f"{flops / baseline[0]:.2f}"]
                yield [name, timesteps, rule, *operations, f"{memory:.0f}", f"{memory / baseline[1]:.2f}"]


def main(_):
    if keras.config.backend() != "jax":
        raise app.UsageError("XLA's counts come through JAX: set KERAS_BACKEND=jax.")
    table = _results.print_rows(HEADER, count_all())
    if FLAGS.output:
        title = "Operations and memory of a training step"
        _results.write_page(FLAGS.output, title, table, packages=["jaxlib"])


if __name__ == "__main__":
    app.run(main)
