"""Which of the library's departures from the paper matter: accuracy of one change at a time.

    python tests/benchmarks/study_rules.py --dataset=mnist --data_dir=... --output_dir=runs/study
    python tests/benchmarks/study_rules.py --dataset=cifar10 --filters=32,64,128,256,256 \\
        --pool_sizes=2,2,2,1,1 --samples=10000 --epochs=6 --held_out=5000 --only=default,backprop

Trains a network once for each variant and seed, and writes `study.json` and `study.md`.
"""

import pathlib
import sys

import keras
import numpy as np
from absl import app, flags
from tabulate import tabulate
from tqdm import tqdm

import keras_bsd
from keras_bsd._files import atomic_write, write_json
from keras_bsd.losses import ReCo

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "digits", "digits, or the name of a tensorflow_datasets image set.")
flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
flags.DEFINE_integer("samples", 20_000, "Training samples, the first of the set.")
flags.DEFINE_integer(
    "held_out", 0, "Test on so many training samples, the set's last, and not on its test part."
)
flags.DEFINE_integer("units", 512, "Neurons of each stage of a dense network.")
flags.DEFINE_list("filters", None, "Channels of each stage: the network is convolutional.")
flags.DEFINE_list("pool_sizes", None, "By how much each of its stages shrinks the maps.")
flags.DEFINE_string("dtype", "float32", "Keras's dtype policy, such as mixed_bfloat16.")
flags.DEFINE_integer("epochs", 4, "Epochs.")
flags.DEFINE_integer("seeds", 1, "Runs of each variant.")
flags.DEFINE_list("only", None, "Names of the variants to run (default: all).")
flags.DEFINE_bool("jit_compile", None, "Compile by XLA (default: Keras decides).")
flags.DEFINE_string("output_dir", "runs/study", "Where results go.")

PAPER = keras_bsd.paper_configuration()


def variants():
    """Name to settings: arguments of `trained`, `first` among them, and of `BSDModel`."""
    backprop = {"backprop": True, "learning_rate": 3e-3}
    table = {"default": {}, "backprop": backprop}
    for first, how in (("BSD", {}), ("backprop", backprop)):
        table[f"two stages by {first} then the rest by BSD"] = {"first": how}
        table[f"two stages by {first} then the rest by backprop"] = {"first": how} | backprop
    table |= {f"learning rate {rate}": {"learning_rate": rate} for rate in (1e-3, 3e-3, 12e-3)}
    table |= {f"margin {m}": {"layer_loss": ReCo(margin=m)} for m in (0.3, 0.7, 1.0)}
    table |= {f"lambda {w}": {"layer_loss": ReCo(negative_weight=w)} for w in (0.3, 0.6, 2.0)}
    table |= {f"centring {c}": {"layer_loss": ReCo(centring=c)} for c in ("sample", None)}
    table |= {f"grid {g}": {"layer_loss": ReCo(grid=g)} for g in (1, 2, 8, None)}
    table |= {f"local readouts {w}": {"local_readout_weight": w} for w in (0.1, 0.3, 1.0)}
    table["surrogate rule"] = {"rule": "surrogate"}
    table["no codebook, unlike negatives"] = {"codebook": False}
    table["no codebook, all negatives"] = {"codebook": False, "negatives": "all"}
    for batch_size in (8, 32):
        table[f"batch {batch_size}"] = {"batch_size": batch_size, "learning_rate": 3e-3}
        table[f"batch {batch_size}, no codebook"] = table[f"batch {batch_size}"] | {"codebook": False}
    for depth in (2, 10):
        table[f"depth {depth}"] = {"depth": depth}
        table[f"depth {depth}, backprop"] = {"depth": depth} | backprop
    table["paper"] = PAPER
    table["paper, learning rate 0.003"] = PAPER | {"learning_rate": 3e-3}
    table["paper, codebook"] = PAPER | {"codebook": True}
    table["paper, margin 0.5"] = PAPER | {"layer_loss": ReCo(0.5, 0.6, None, None)}
    table["paper, centred"] = PAPER | {"layer_loss": ReCo(1.0, 0.6, "batch", None)}
    table["paper, centred, margin 0.5"] = PAPER | {"layer_loss": ReCo(0.5, 0.6, "batch", None)}
    return {name: table[name] for name in FLAGS.only or table}


def trained(x, y, seed, depth=5, batch_size=128, learning_rate=6e-3, backprop=False, first=None, **arguments):
    """A trained pair.

    Args:
        first: settings by which another pair is trained, whose first two stages then become this one's and
            learn no more.
    """
    before = None if first is None else trained(x, y, seed, depth, batch_size, **first)
    keras.utils.set_random_seed(seed)
    if FLAGS.filters:
        shape = {name: tuple(map(int, FLAGS[name].value)) for name in ("filters", "pool_sizes")}
        build = keras_bsd.applications.SpikingConvNet
    else:
        shape, build = {"units": (FLAGS.units,) * depth}, keras_bsd.applications.SpikingMLP
    model = build(x.shape[1:], int(y.max()) + 1, **shape, **arguments)
    if before is not None:
        for stage, learned in zip(model.encoder_stages[:2], before.encoder_stages[:2], strict=True):
            stage.set_weights(learned.get_weights())
            stage.trainable = False
    network = model.encoder if backprop else model
    batches = len(x) // batch_size  # whole ones: a last part of another size would be compiled anew
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, FLAGS.epochs * batches)
    network.compile(
        keras.optimizers.AdamW(schedule),
        loss="sparse_categorical_crossentropy",
        jit_compile="auto" if FLAGS.jit_compile is None else FLAGS.jit_compile,
    )
    count = batches * batch_size
    network.fit(x[:count], y[:count], batch_size=batch_size, epochs=FLAGS.epochs, verbose=0)
    return model


def accuracy(model, x, y):
    return float((model.predict(x, batch_size=500, verbose=0).argmax(axis=1) == y).mean())


def main(_):
    (x, y), test = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    if FLAGS.held_out:
        test = x[-FLAGS.held_out :], y[-FLAGS.held_out :]
        x, y = x[: -FLAGS.held_out], y[: -FLAGS.held_out]
    data = x[: FLAGS.samples], y[: FLAGS.samples]
    keras.config.set_dtype_policy(FLAGS.dtype)
    results = {}
    for name, settings in tqdm(variants().items()):
        results[name] = [accuracy(trained(*data, seed, **settings), *test) for seed in range(FLAGS.seeds)]
        tqdm.write(f"{name}: {np.mean(results[name]):.2%}")
    folder = pathlib.Path(FLAGS.output_dir)
    rows = [[name, 100 * np.mean(found), 100 * np.std(found)] for name, found in results.items()]
    with atomic_write(folder / "study.md") as path:
        path.write_text(tabulate(rows, ["variant", "accuracy, %", "spread"], "pipe", floatfmt=".2f") + "\n")
    own_flags = {flag.name: flag.value for flag in FLAGS.get_key_flags_for_module(sys.argv[0])}
    record = {"accuracy": results, "flags": own_flags, **keras_bsd.environment()}
    write_json(folder / "study.json", record)


if __name__ == "__main__":
    app.run(main)
