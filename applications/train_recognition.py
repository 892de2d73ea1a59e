"""Train a spiking classifier by BSD, and the same network by other methods to compare.

    python applications/train_recognition.py
    python applications/train_recognition.py --dataset=mnist --units=512,512,512,512,512 --epochs=10
    python applications/train_recognition.py --dataset=cifar10 --network=conv --method=rate --flip --shift=0.1
    KERAS_BACKEND=jax python applications/train_recognition.py --dataset=cifar10.npz --network=conv --on_device
    python applications/train_recognition.py --method=bsd,dfa,decolle,backprop
    python applications/train_recognition.py --dataset=events:digits --bins=20
    python applications/train_recognition.py --dataset=events:sweeps --network=rnn --method=rate,backprop
    KERAS_BACKEND=jax python applications/train_recognition.py --processes=2 --process_id=0 --coordinator=a:8476

Writes a trained model for each method, a picture and all results to `--output_dir`. The same command resumes
training that was interrupted.
"""

import functools
import pathlib
import zlib

import _flags
import _processes
import _run
import _shared_run
import keras
import numpy as np
from _flags import Method
from absl import app, flags
from tasks import events, recognition
from tasks.events import EventRecognition
from tasks.recognition import Recognition

import keras_bsd

METHODS = {
    "bsd": Method("BSD, the builder's defaults", 6e-3),
    "rate": Method("BSD", 6e-3),
    "readouts": Method("BSD, local readouts", 6e-3),
    "surrogate": Method("BSD, surrogate rule", 6e-3),
    "paper": Method("BSD, paper's configuration", 1e-3),
    "backprop": Method("backpropagation through time", 3e-3),
    "ann": Method("ANN", 3e-3),
}
METHODS |= _flags.baseline_methods(3e-3, exclude=METHODS)
BSD = ("bsd", "rate", "readouts", "surrogate", "paper")
NETWORKS = {  # the builder's name, and its arguments that are flags, with their defaults
    "mlp": ("SpikingMLP", {"units": (256, 256, 256)}),
    "conv": ("SpikingConvNet", {"filters": (32, 64, 128, 128, 128), "pool_sizes": (1, 2, 2, 2, 1)}),
    "resnet": ("SpikingResNet", {"filters": (32, 64, 128), "blocks": (2, 2, 2)}),
    "rnn": ("SpikingRNN", {"units": (128, 128)}),
}

CELLS = {
    "if": "SpikingIFCell",
    "lif": "SpikingLIFCell",
    "cuba": "SpikingCuBaLIFCell",
    "alif": "SpikingALIFCell",
}
AUGMENTATIONS = ("flip", "rotate", "shift", "blur", "contrast", "erase")

FLAGS = flags.FLAGS
_flags.define_image_flags()
_flags.define_training_flags(
    METHODS, default=["rate", "backprop"], epochs=25, batch_size=64, output_dir="runs/DATASET"
)
_flags.define_weights(fresh="ann")
flags.DEFINE_enum(
    "network", "mlp", list(NETWORKS), "SpikingMLP, SpikingConvNet, SpikingResNet, or SpikingRNN of sequences."
)
flags.DEFINE_list("units", None, "mlp: neurons of each stage (default: 256,256,256); rnn (128,128).")
flags.DEFINE_list("filters", None, "conv: channels of each stage; resnet: of each group.")
flags.DEFINE_list("pool_sizes", None, "conv: pool size of each stage.")
flags.DEFINE_list("blocks", None, "resnet: blocks of each group.")
flags.DEFINE_integer(
    "timesteps",
    None,
    "Time steps for which a stimulus is held (default: 4); rnn: an element (default: 2). Frames of events are "
    "time steps themselves.",
    lower_bound=1,
)
flags.DEFINE_enum("neuron", "lif", list(CELLS), f"Kind of neurons: {', '.join(CELLS.values())}.")
flags.DEFINE_float("beta", None, "Leak of the membrane (default: 0.5).", lower_bound=0, upper_bound=1)
flags.DEFINE_enum(
    "granularity", "layer", ["layer", "channel", "neuron"], "Which neurons share leak and threshold."
)
flags.DEFINE_bool("trainable_leak", False, "Learn the leaks.")
flags.DEFINE_integer("delays", 8, "rnn: past elements whose input synapses deliver.", lower_bound=1)
flags.DEFINE_integer("bins", 20, "events: time bins of a recording.", lower_bound=1)
flags.DEFINE_list("sensor_size", None, "events in a folder: width,height of the sensor, or its units.")
flags.DEFINE_integer("downsampling", 1, "events: side of the squares of pixels that become one.", lower_bound=1)
flags.DEFINE_float("ema", None, "Momentum of a moving average of the weights that replaces them at the end.")
flags.DEFINE_bool("flip", False, "Augment by random horizontal flips.")
flags.DEFINE_float("shift", 0, "Augment by shifts of up to this fraction of the image.", lower_bound=0)
flags.DEFINE_float("rotate", 0, "Augment by rotations of up to this fraction of a full turn.", lower_bound=0)
flags.DEFINE_float("contrast", 0, "Raise the contrast by up to this fraction.", lower_bound=0, upper_bound=1)
flags.DEFINE_float("erase", 0, "Probability of erasing a rectangle of an image.", lower_bound=0, upper_bound=1)
flags.DEFINE_float("blur", 0, "Probability of blurring an image.", lower_bound=0, upper_bound=1)
flags.DEFINE_float(
    "validation", 0.1, "Fraction of the training samples to hold out.", lower_bound=0, upper_bound=0.9
)
flags.DEFINE_integer(
    "patience",
    None,
    "Stop after this many epochs without a better validation accuracy, and restore the best epoch's weights. "
    "The count restarts when training is resumed.",
)
flags.DEFINE_bool("tensorboard", False, "Write logs for TensorBoard.")
flags.DEFINE_enum(
    "layer_loss",
    None,
    ["info_nce", "reco"],
    "Layer loss of the pairs (default: that of the network's builder).",
)
flags.DEFINE_enum("skips", None, ["dense"], "conv: skip connections.")
_flags.define_local_readouts(1.0, "1.0")
flags.DEFINE_bool(
    "on_device",
    False,
    "Keep the images on the device and compile whole epochs: for a GPU. Needs KERAS_BACKEND=jax.",
)
_processes.define_flags(keras.config.backend())
flags.register_multi_flags_validator(
    ("processes", "on_device", "tensorboard"),
    lambda values: values["processes"] == 1 or not (values["on_device"] or values["tensorboard"]),
    "several --processes exclude --on_device, which keeps all data on one device, and --tensorboard",
)
flags.register_multi_flags_validator(
    ("layer_loss", "method"),
    lambda values: values["layer_loss"] is None or "paper" not in values["method"],
    "--layer_loss excludes method paper, which has its own",
)
flags.register_multi_flags_validator(
    ("skips", "network"),
    lambda values: values["skips"] is None or values["network"] == "conv",
    "--skips needs --network=conv",
)
flags.register_multi_flags_validator(
    ("dataset", "method", "network", "timesteps", *AUGMENTATIONS),
    lambda values: (
        not values["dataset"].startswith(events.PREFIX)
        or (
            not ({"ann", "paper"} & {*values["method"]} or any(values[name] for name in AUGMENTATIONS))
            and (values["network"] == "rnn" or values["timesteps"] is None)
        )
    ),
    "events exclude the methods ann and paper and the augmentation of images, and take --timesteps with "
    "--network=rnn alone",
)
flags.register_multi_flags_validator(
    ("neuron", "beta", "trainable_leak"),
    lambda values: values["neuron"] != "if" or (values["beta"] is None and not values["trainable_leak"]),
    "--neuron=if has no leak: it excludes --beta and --trainable_leak",
)
flags.register_multi_flags_validator(
    ("network", "method"),
    lambda values: values["network"] != "rnn" or not {"ann", "paper"} & {*values["method"]},
    "--network=rnn excludes the methods ann and paper",
)
flags.register_multi_flags_validator(
    ("on_device", "patience", "tensorboard", "jit_compile"),
    lambda values: (
        not values["on_device"]
        or (values["patience"] is None and not values["tensorboard"] and values["jit_compile"] is not False)
    ),
    "--on_device compiles whole epochs, without callbacks: it excludes --patience, --tensorboard and "
    "--nojit_compile",
)
flags.register_validator(
    "on_device",
    lambda on_device: not on_device or keras.config.backend() == "jax",
    "needs KERAS_BACKEND=jax in the environment",
)
flags.register_multi_flags_validator(
    ("patience", "validation", "ema"),
    lambda values: values["patience"] is None or (values["validation"] > 0 and values["ema"] is None),
    "--patience needs held-out samples (--validation above 0) and restores the best epoch's weights: it "
    "excludes --ema",
)


def load_task():
    """Return the data to classify."""
    if not FLAGS.dataset.startswith(events.PREFIX):
        return Recognition(FLAGS.dataset, FLAGS.data_dir, FLAGS.samples)
    return EventRecognition(
        FLAGS.dataset.removeprefix(events.PREFIX),
        FLAGS.bins,
        FLAGS.data_dir,
        FLAGS.samples,
        _flags.sizes(FLAGS.sensor_size),
        FLAGS.downsampling,
    )


def timesteps():
    """Return the time steps for which a stimulus or an element is held, or None for frames of events."""
    if FLAGS.network == "rnn":
        return FLAGS.timesteps or 2
    return None if FLAGS.dataset.startswith(events.PREFIX) else FLAGS.timesteps or 4


def neurons() -> dict:
    """Return the builder's argument of neurons, empty for its default."""
    leak = {"beta": FLAGS.beta, "trainable_leak": FLAGS.trainable_leak} if FLAGS.neuron != "if" else {}
    set_flags = {"neuron": "lif", "beta": None, "granularity": "layer", "trainable_leak": False}
    if all(FLAGS[name].value == default for name, default in set_flags.items()):
        return {}
    cell = getattr(keras_bsd.layers, CELLS[FLAGS.neuron])
    return {"neuron": cell(granularity=FLAGS.granularity, **leak)}


def network_arguments(task) -> dict:
    """Return the arguments of the network's builder, but its weights."""
    _, defaults = NETWORKS[FLAGS.network]
    return {
        "input_shape": task.training[0].shape[1:],
        "classes": task.classes,
        "timesteps": timesteps(),
        **({"delays": FLAGS.delays} if FLAGS.network == "rnn" else {}),
        **{name: _flags.sizes(FLAGS[name].value or default) for name, default in defaults.items()},
        **({"skips": FLAGS.skips} if FLAGS.skips else {}),
    }


def build(method, task):
    """Return the model that a method trains; its encoder always has the same initial weights."""
    keras.utils.set_random_seed(FLAGS.seed)
    builder = getattr(keras_bsd.applications, NETWORKS[FLAGS.network][0])
    options = {"layer_loss": FLAGS.layer_loss} if FLAGS.layer_loss else {}
    options |= neurons()
    if FLAGS.dataset.startswith(events.PREFIX):  # numbers of events
        options["stimulus_range"] = None
    pair = functools.partial(builder, **network_arguments(task), weights=FLAGS.weights, **options)
    if method == "paper":
        return pair(**keras_bsd.paper_configuration())
    if method == "bsd":
        return pair()
    if method in BSD:
        return pair(rule="surrogate" if method == "surrogate" else "rate", **_flags.local_readouts(method))
    model = pair()
    if method in ("backprop", "ann"):
        return model.encoder if method == "backprop" else as_ann(model.encoder)
    return keras_bsd.baselines.get(method)(model.encoder, stimulus_range=model.stimulus_range)


def as_ann(encoder):
    """Return the same network with ReLU in place of spiking neurons, without a time axis."""

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


def augmentation() -> list:
    """Return the layers of the flags."""
    return recognition.augmentation(**{name: FLAGS[name].value for name in AUGMENTATIONS})


def fit(model, method, task, run) -> dict:
    """Train a model, resumed from an interrupted run, and return its history."""
    training, validation = task.split(FLAGS.validation, FLAGS.seed)
    batches = keras_bsd.datasets.Batches(*training, FLAGS.batch_size, augmentation(), FLAGS.seed)
    batches = _shared_run.share(batches)
    loss = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    steps = len(training[0]) // FLAGS.batch_size if FLAGS.on_device else len(batches)
    _flags.compile_model(model, METHODS[method], steps, FLAGS.ema, **loss)
    callbacks = []
    if FLAGS.patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping("val_accuracy", patience=FLAGS.patience, restore_best_weights=True)
        )
    if FLAGS.tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(run.folder / "tensorboard" / method))
    if FLAGS.on_device:
        return run.fit_on_device(method, model, batches, FLAGS.epochs, validation)
    validation = {"validation_data": validation, "validation_batch_size": recognition.BATCH}
    return run.fit(method, model, batches, FLAGS.epochs, callbacks, **validation)


def train(method, task, run) -> dict:
    """Train by one method, save the model, and return its results."""
    print(f"{METHODS[method].title}, {len(task.training[0])} samples of {FLAGS.dataset}:")
    with _shared_run.scope():
        model = build(method, task)
        history = fit(model, method, task, run)
    model = run.save(method, model, task.test[0])
    if not _processes.is_first():
        return {}
    return {
        "scores": task.scores(model),
        "seconds": sum(history["seconds"]),
        "parameters": getattr(model, "encoder", model).count_params(),
        "history": history,
    }


def draw_report(results, task, folder):
    if isinstance(task, EventRecognition):
        titles = {method: METHODS[method].title for method in results}
        pair = next((method for method in results if method in BSD), None)
        model = pair and keras.saving.load_model(folder / f"{pair}.keras")
        return events.draw_report(results, titles, model, task.test[0][0])
    histories = {METHODS[method].title: result["history"] for method, result in results.items()}
    pair = next((method for method in results if method in BSD), None)
    if pair is None:
        return recognition.draw_report(histories)
    model = keras.saving.load_model(folder / f"{pair}.keras")
    return recognition.draw_report(histories, METHODS[pair].title, model, task.test[0][0])


def shared_settings(task) -> dict:
    """Return what must be the same in all processes that train together."""
    data = [zlib.crc32(np.ascontiguousarray(array)) for array in task.training]
    return {**_run.settings(), "versions": _run.environment()["versions"], "data": data}


def main(_):
    keras.config.set_dtype_policy(FLAGS.dtype)
    folder = _run.expand(FLAGS.output_dir or f"runs/{pathlib.Path(FLAGS.dataset).stem.replace(':', '_')}")
    task = load_task()
    _processes.check_alike(functools.partial(shared_settings, task))
    _shared_run.check_batch_size(FLAGS.batch_size)
    _flags.check_weights(folder)
    for method in FLAGS.method:
        build(method, task)  # raises before the files of an earlier run are removed
    with _shared_run.SharedRun(folder, METHODS) as run:
        results = {
            method: run.result(method, functools.partial(train, method, task, run)) for method in FLAGS.method
        }
        if not _processes.is_first():
            return
        application = NETWORKS[FLAGS.network][0]
        record = _run.record(
            task.name, FLAGS.dataset, application, network_arguments(task), results, **_flags.origin()
        )
        if FLAGS.processes > 1:
            record["processes"] = FLAGS.processes
        _run.write_json(folder / "metrics.json", record)
        _run.save_figure(draw_report(results, task, folder), folder / "report.png")
    for method, result in results.items():
        scores = task.format_scores(result["scores"])
        print(f"{METHODS[method].title}: {scores}, {result['seconds']:.0f} s of training")
    print(f"Report: {folder / 'report.png'}")
    print(f"Models: {', '.join(str(folder / f'{method}.keras') for method in results)}")
    print(f"Results: {folder / 'metrics.json'}")


if __name__ == "__main__":
    app.run(_processes.connected(main))
