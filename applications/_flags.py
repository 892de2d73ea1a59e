"""Flags that several recipes share, and what depends on them: initial weights, the optimizer, loaded models."""

import json
import pathlib
from typing import NamedTuple

import _run  # before Keras, to keep imports quiet
import keras
from absl import flags

import keras_bsd

PRESETS = pathlib.Path(keras_bsd.applications.__file__).parent / "weights"

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they belong to the recipe that calls these functions


class Method(NamedTuple):
    """A way to train."""

    title: str
    learning_rate: float  # AdamW's best


def baseline_methods(learning_rate, exclude) -> dict:
    """Return the rules of `keras_bsd.baselines` by name, as `Method`.

    Args:
        learning_rate: float, the default of all of them.
        exclude: names of rules that are methods of the recipe already.
    """
    rules = {name: keras_bsd.baselines.get(name) for name in keras_bsd.baselines.list_methods()}
    return {name: Method(rule.title, learning_rate) for name, rule in rules.items() if name not in exclude}


def define_image_flags():
    """Define where training images come from."""
    flags.DEFINE_string(
        "dataset",
        "digits",
        "digits, the name of an image set of TensorFlow Datasets, or the path of an .npz file.",
    )
    flags.DEFINE_string("data_dir", None, "Folder of TensorFlow Datasets.")
    flags.DEFINE_integer(
        "samples", None, "Number of training samples, the first of the set (default: all).", lower_bound=1
    )


def define_training_flags(methods, *, default, epochs, batch_size, output_dir, smallest_batch=1):
    """Define how to train.

    Args:
        methods: dict from a method's name to `Method`.
        default: names of the methods that are the default.
        epochs, batch_size: positive ints, the defaults.
        output_dir: default folder of the results, in words.
        smallest_batch: positive int, lower bound of the batch size.
    """
    titles = "; ".join(f"{name}, {method.title}" for name, method in methods.items())
    rates = ", ".join(f"{name} {method.learning_rate}" for name, method in methods.items())
    flags.DEFINE_list("method", default, f"One or several training methods: {titles}.")
    flags.DEFINE_integer("epochs", epochs, "Epochs.", lower_bound=1)
    flags.DEFINE_integer("batch_size", batch_size, "Samples per batch.", lower_bound=smallest_batch)
    flags.DEFINE_float(
        "learning_rate", None, f"AdamW's initial learning rate, decayed to zero by a cosine (default: {rates})."
    )
    flags.DEFINE_float("weight_decay", 0.004, "AdamW's weight decay.", lower_bound=0)
    flags.DEFINE_bool(
        "jit_compile", None, "Compile with XLA (default: where training is long enough for it to pay)."
    )
    flags.DEFINE_string(
        "dtype",
        "float32",
        "Keras's dtype policy. mixed_bfloat16 is faster where the processor supports bfloat16.",
    )
    flags.DEFINE_integer("seed", 0, "Seed of initial weights, order of samples and augmentation.")
    flags.DEFINE_string("output_dir", None, f"Folder of the results (default: {output_dir}).")
    flags.register_validator(
        "method",
        lambda names: names and set(names) <= set(methods),
        f"must be one or several of {', '.join(methods)}",
    )


def define_local_readouts(default, default_text):
    """Define the local readouts of the method `readouts`.

    Args:
        default: float, or None where `local_readouts` gets it.
        default_text: the default weight, in words.
    """
    flags.DEFINE_float(
        "local_readout_weight",
        default,
        f"Method readouts: weight of the local readouts' loss (default: {default_text}).",
    )
    flags.DEFINE_integer(
        "local_readout_depth", 1, "Method readouts: 2 for a hidden layer in each.", lower_bound=1, upper_bound=2
    )
    flags.register_multi_flags_validator(
        ("local_readout_depth", "method"),
        lambda values: values["local_readout_depth"] == 1 or "readouts" in values["method"],
        "--local_readout_depth needs method readouts, which has local readouts",
    )
    flags.register_validator(
        "local_readout_weight",
        lambda weight: weight is None or weight > 0,
        "must be above 0; method rate is the same without local readouts",
    )


def local_readouts(method, default=None) -> dict:
    """Return the arguments of a builder by which a method has local readouts or none.

    Args:
        method: name of the method.
        default: weight that counts unless `--local_readout_weight` is set or has a default.
    """
    if method != "readouts":
        return {}
    weight = default if FLAGS.local_readout_weight is None else FLAGS.local_readout_weight
    return {"local_readout_weight": weight, "local_readout_depth": FLAGS.local_readout_depth}


def define_weights(fresh):
    """Define the initial weights.

    Args:
        fresh: name of the method that cannot start from them.
    """
    flags.DEFINE_string(
        "weights",
        None,
        "Initial weights: a preset name (also pass its size flags) or a .keras file of a pair. "
        "Default: random.",
    )
    flags.register_multi_flags_validator(
        ("weights", "method"),
        lambda values: values["weights"] is None or fresh not in values["method"],
        f"--weights must be those of a trained spiking pair: method {fresh} cannot start from them",
    )


def define_evaluation_flags(recipe, output_dir, *, dataset="digits", samples=None, least_samples=1):
    """Define what to evaluate, and on which data.

    Args:
        recipe: name of the recipe that takes the same data sets.
        output_dir: default folder of the results.
        dataset: default data set, or None.
        samples: default number of test samples, or None for all.
        least_samples: positive int, lower bound of that number; or None to define no such flag.
    """
    flags.DEFINE_string("model", None, "Preset, or path of a .keras file.", required=True)
    flags.DEFINE_string("dataset", dataset, f"Data set, see {recipe}.")
    flags.DEFINE_string("data_dir", None, f"Folder of the data set, see {recipe}.")
    if least_samples is not None:
        default = samples or "all"
        flags.DEFINE_integer(
            "samples",
            samples,
            f"Number of test samples, the first of the set (default: {default}).",
            lower_bound=least_samples,
        )
    flags.DEFINE_string("output_dir", output_dir, "Folder of the results.")


def define_baseline():
    """Define what to compare the evaluated model with."""
    flags.DEFINE_list("baseline", [], "One or several presets or .keras files to compare with.")


def load_models() -> dict:
    """Load `--model` and `--baseline`, by the stems of their names, or by their names where stems coincide."""
    names = [FLAGS.model, *FLAGS.baseline]
    stems = [pathlib.Path(name).stem for name in names]
    labels = stems if len({*stems}) == len(names) else names
    models = map(keras_bsd.applications.load_preset, names)
    return dict(zip(labels, models, strict=True))


def check_weights(folder):
    """Raise if a run in `folder` would remove the file of its initial weights."""
    path = _run.expand(FLAGS.weights or "")
    if path.is_file() and path.resolve().parent == folder.resolve():
        raise ValueError(
            "A run removes the files of an earlier run in its folder: give another --output_dir than that of "
            f"--weights. Received: --output_dir={folder}, --weights={FLAGS.weights}"
        )


def origin() -> dict:
    """Return a record's entry for `--weights`: the record of the preset, or of the run that saved the file."""
    if FLAGS.weights is None:
        return {}
    path = _run.expand(FLAGS.weights)
    record = path if path.suffix == ".json" else path.with_name("metrics.json")
    record = record if path.suffix else PRESETS / f"{path}.json"
    return {"fine_tuned_from": json.loads(record.read_text()) if record.is_file() else None}


def compile_model(model, method: Method, steps, ema=None, **kwargs):
    """Compile a model with AdamW and the settings of the flags.

    Args:
        model: Keras model.
        method: its learning rate counts unless `--learning_rate` is set.
        steps: number of batches in an epoch.
        ema: momentum of a moving average of the weights that replaces them at the end, or None.
        **kwargs: further arguments of `compile`.
    """
    schedule = keras.optimizers.schedules.CosineDecay(
        FLAGS.learning_rate or method.learning_rate, FLAGS.epochs * steps
    )
    average = {} if ema is None else {"use_ema": True, "ema_momentum": ema}
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay, **average),
        jit_compile="auto" if FLAGS.jit_compile is None else FLAGS.jit_compile,
        **kwargs,
    )


def sizes(values) -> tuple:
    """Return the values of a list flag as ints."""
    return tuple(map(int, values or ()))
