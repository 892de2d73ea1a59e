"""Train a spiking classifier by BSD, and the same network by other rules to compare.

    python applications/train_recognition.py
    python applications/train_recognition.py --dataset=mnist --units=512,512,512,512,512 --epochs=10
    python applications/train_recognition.py --dataset=cifar10 --network=conv --rule=rate --flip --shift=0.1

Writes to `--output_dir` a trained model for each rule, a picture, and all figures. The same command
goes on with training that was interrupted.
"""

import functools
import pathlib

import keras
import numpy as np
from absl import app, flags
from matplotlib.figure import Figure
from training import check_weights, compile_model, define_flags, define_image_flags, define_weights, origin

import keras_bsd
from keras_bsd import applications, plots, runs
from keras_bsd._files import atomic_write, write_json
from keras_bsd.datasets import Batches

RULES = {  # what a rule is called, and AdamW's best learning rate with it
    "rate": ("BSD", 6e-3),
    "surrogate": ("BSD, surrogate rule", 6e-3),
    "paper": ("BSD, paper's configuration", 1e-3),
    "backprop": ("backpropagation through time", 3e-3),
    "ann": ("ANN", 3e-3),
}
BSD = ("rate", "surrogate", "paper")
NETWORKS = {  # the builder, and what flags can set of its arguments
    "mlp": (applications.SpikingMLP, {"units": (256, 256, 256)}),
    "conv": (
        applications.SpikingConvNet,
        {"filters": (32, 64, 128, 128, 128), "pool_sizes": (1, 2, 2, 2, 1)},
    ),
    "resnet": (applications.SpikingResNet, {"filters": (32, 64, 128), "blocks": (2, 2, 2)}),
}

FLAGS = flags.FLAGS
define_image_flags()
define_flags(RULES, chosen=["rate", "backprop"], epochs=25, batch_size=64, output_dir="runs/DATASET")
flags.DEFINE_enum("network", "mlp", list(NETWORKS), "SpikingMLP, SpikingConvNet or SpikingResNet.")
flags.DEFINE_list("units", None, "mlp: neurons of each stage (default: 256,256,256).")
flags.DEFINE_list("filters", None, "conv: channels of each stage; resnet: of each group.")
flags.DEFINE_list("pool_sizes", None, "conv: by how much each stage shrinks the maps.")
flags.DEFINE_list("blocks", None, "resnet: blocks of each group.")
flags.DEFINE_integer("timesteps", 4, "Time steps.", lower_bound=1)
define_weights(fresh="ann")
flags.DEFINE_float("ema", None, "Momentum of an average of the weights that replaces them at the end.")
flags.DEFINE_bool("flip", False, "Augment by mirroring left and right.")
flags.DEFINE_float("shift", 0, "Augment by shifts of up to this part of the image.", lower_bound=0)
flags.DEFINE_float("rotate", 0, "Augment by rotations of up to this part of a circle.", lower_bound=0)
flags.DEFINE_float(
    "erase",
    0,
    "Augment by erasing a part of an image with this probability.",
    lower_bound=0,
    upper_bound=1,
)
flags.DEFINE_float(
    "blur", 0, "Augment by blurring an image with this probability.", lower_bound=0, upper_bound=1
)
flags.DEFINE_float(
    "contrast", 0, "Augment by raising the contrast by up to this part.", lower_bound=0, upper_bound=1
)
flags.DEFINE_float(
    "validation", 0.1, "Part of the training samples that is held out.", lower_bound=0, upper_bound=0.9
)
flags.DEFINE_integer(
    "patience",
    None,
    "Stop after as many epochs without a better validation accuracy and take the best epoch's weights. "
    "Counts anew after an interruption.",
)
flags.DEFINE_bool("tensorboard", False, "Write logs for TensorBoard.")
flags.register_multi_flags_validator(
    ("patience", "validation", "ema"),
    lambda given: given["patience"] is None or (given["validation"] > 0 and given["ema"] is None),
    "--patience needs held-out samples (--validation), and takes the best epoch's weights: no --ema beside it",
)


def network_arguments(data):
    """What the network's builder is given for data such as these."""
    (x, y), (_, y_test) = data
    defaults = NETWORKS[FLAGS.network][1]
    own = {name: tuple(map(int, FLAGS[name].value or default)) for name, default in defaults.items()}
    return {
        "input_shape": x.shape[1:],
        "classes": int(max(y.max(), y_test.max())) + 1,
        "timesteps": FLAGS.timesteps,
        **own,
    }


def build(rule, arguments):
    """The model that `rule` trains: a pair, or its encoder; the same first weights at every call."""
    keras.utils.set_random_seed(FLAGS.seed)
    pair = functools.partial(NETWORKS[FLAGS.network][0], **arguments, weights=FLAGS.weights)
    if rule == "paper":
        return pair(**keras_bsd.paper_configuration())
    if rule in BSD:
        return pair(rule=rule)
    encoder = pair().encoder
    return encoder if rule == "backprop" else as_ann(encoder)


def as_ann(encoder):
    """The same network with ReLU in place of spiking neurons, and no time."""

    def without_time(layer):
        if isinstance(layer, keras_bsd.layers.SpikingStage):
            return keras.Sequential([*copies(layer.synapse), keras.layers.ReLU()], name=layer.name)
        if isinstance(layer, keras_bsd.layers.Readout):
            activation = keras.layers.Activation(layer.activation)
            return keras.Sequential([*copies(layer.synapse), activation], name=layer.name)
        if isinstance(layer, keras.layers.MaxPooling3D):
            return keras.layers.MaxPooling2D(layer.pool_size[1:], padding=layer.padding, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    def copies(synapse):
        return [layer.__class__.from_config(layer.get_config()) for layer in synapse.layers]

    return keras.models.clone_model(encoder, clone_function=without_time)


def augmentation():
    """Keras layers, as the flags say."""
    layers = []
    if FLAGS.flip:
        layers.append(keras.layers.RandomFlip("horizontal"))
    if FLAGS.rotate:
        layers.append(keras.layers.RandomRotation(FLAGS.rotate, fill_mode="constant"))
    if FLAGS.shift:  # by whole pixels: a network that only ever sees blurred images is worse at sharp ones
        by = (FLAGS.shift, FLAGS.shift)
        layers.append(keras.layers.RandomTranslation(*by, fill_mode="constant", interpolation="nearest"))
    if FLAGS.blur:
        probability = (FLAGS.blur, FLAGS.blur)
        layers.append(keras.layers.RandomGaussianBlur(probability, kernel_size=5, value_range=(0, 1)))
    if FLAGS.contrast:
        layers.append(keras.layers.RandomContrast(FLAGS.contrast, value_range=(0, 1)))
    if FLAGS.erase:
        probability = (FLAGS.erase, FLAGS.erase)
        layers.append(keras.layers.RandomErasing(probability, scale=(0.02, 0.2), value_range=(0, 1)))
    return layers


def train(model, rule, x, y, run):
    """Fit a model, from where an interrupted run left it; gives its history by name."""
    validation = None
    if FLAGS.validation:
        order = np.random.default_rng(FLAGS.seed).permutation(len(x))
        learned, held_out = np.split(order, [len(x) - int(len(x) * FLAGS.validation)])
        validation = x[held_out], y[held_out]
        x, y = x[learned], y[learned]
    batches = Batches(x, y, FLAGS.batch_size, augmentation(), FLAGS.seed)
    compile_model(
        model,
        RULES[rule][1],
        batches,
        FLAGS.ema,
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    callbacks = []
    if FLAGS.patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping("val_accuracy", patience=FLAGS.patience, restore_best_weights=True)
        )
    if FLAGS.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(run.folder / "tensorboard" / rule))
    return run.fit(
        rule,
        model,
        batches,
        FLAGS.epochs,
        callbacks,
        validation_data=validation,
        validation_batch_size=500,
    )


def result(rule, data, run):
    """Train by one rule, save the model, and give what is to be told of it."""
    (x, y), test = data
    print(f"{RULES[rule][0]}, {len(x[: FLAGS.samples])} samples of {FLAGS.dataset}:")
    model = build(rule, network_arguments(data))
    history = train(model, rule, x[: FLAGS.samples], y[: FLAGS.samples], run)
    run.save(rule, model, test[0])
    return {
        "test_accuracy": model.evaluate(*test, batch_size=500, verbose=0, return_dict=True)["accuracy"],
        "seconds": sum(history["seconds"]),
        "parameters": getattr(model, "encoder", model).count_params(),
        "history": history,
    }


def metrics(found, data):
    """All figures and circumstances of a run, from what `result` gave by rule."""
    measured = ("test_accuracy", "seconds", "parameters")
    return {
        **origin(),
        **{kind: {rule: kept[kind] for rule, kept in found.items()} for kind in measured},
        "task": "recognition",
        "data": FLAGS.dataset,
        "application": NETWORKS[FLAGS.network][0].__name__,
        "arguments": network_arguments(data),
        "command": runs.command(),
        "flags": runs.settings(),
        **keras_bsd.environment(),
    }


def draw_report(found, digit, folder):
    """Curves, and of the first BSD model alignment, the spikes of one sample and what it recalls."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    histories = {RULES[rule][0]: kept["history"] for rule, kept in found.items()}
    trained_by_bsd = [rule for rule in found if rule in BSD]
    mosaic = [["loss", "accuracy", "raster"], ["alignment", "recall", "raster"]]
    axes = figure.subplot_mosaic(mosaic if trained_by_bsd else [["loss", "accuracy"]])
    for metric in ("loss", "accuracy"):
        plots.learning_curves(histories, metric, axes[metric])
    if trained_by_bsd:
        model = keras.saving.load_model(folder / f"{trained_by_bsd[0]}.keras")
        plots.alignment(histories[RULES[trained_by_bsd[0]][0]], axes["alignment"])
        spikes = {stage: trains[0] for stage, trains in model.spikes(digit[None]).items()}
        plots.spike_raster(spikes, axis=axes["raster"])
        concepts = np.arange(min(model.encoder.output_shape[-1], 20))
        plots.stimuli(model.recall(concepts), [str(c) for c in concepts], columns=5, axis=axes["recall"])
        titles = {"alignment": "encoder and decoder agree", "recall": "what the decoder recalls"}
        for name, title in {**titles, "raster": "one test sample's spikes"}.items():
            axes[name].set_title(title)
    with atomic_write(folder / "report.png") as written:
        figure.savefig(written, dpi=120)


def main(_):
    keras.config.set_dtype_policy(FLAGS.dtype)
    folder = pathlib.Path(FLAGS.output_dir or f"runs/{pathlib.Path(FLAGS.dataset).stem}")
    data = keras_bsd.datasets.load_images(FLAGS.dataset, FLAGS.data_dir)
    test = data[1]
    check_weights(folder)
    build(FLAGS.rule[0], network_arguments(data))  # or an error, before what an earlier run left is removed
    with runs.Run(folder, RULES) as run:
        found = {rule: run.result(rule, functools.partial(result, rule, data, run)) for rule in FLAGS.rule}
        write_json(folder / "metrics.json", metrics(found, data))
        draw_report(found, test[0][0], folder)
    for rule, kept in found.items():
        print(
            f"{RULES[rule][0]}: {kept['test_accuracy']:.2%} of {len(test[0])} test samples, "
            f"{kept['seconds']:.0f} s of training"
        )
    print(f"Report: {folder / 'report.png'}")
    print(f"Models, loaded back and checked: {', '.join(str(folder / f'{rule}.keras') for rule in found)}")
    print(f"Figures: {folder / 'metrics.json'}")


if __name__ == "__main__":
    app.run(main)
