"""What the training recipes have in common: flags, what is learned on from, and the optimizer."""

import json
import pathlib

import keras
from absl import flags

from keras_bsd.applications import presets

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they are those of the recipe that calls for them


def define_image_flags():
    """Where images come from."""
    flags.DEFINE_string(
        "dataset", "digits", "digits, the name of a tensorflow_datasets image set, or the path of an .npz file."
    )
    flags.DEFINE_string("data_dir", None, "Folder of tensorflow_datasets.")
    flags.DEFINE_integer(
        "samples", None, "Training samples, the first of the set (default: all).", lower_bound=1
    )


def define_flags(rules, *, chosen, epochs, batch_size, output_dir, smallest_batch=1):
    """How to train.

    Args:
        rules: dict by rule of what it is called and AdamW's best learning rate with it.
        chosen: names of the rules to train by unless told otherwise.
        epochs, batch_size, smallest_batch: positive ints, the latter what the flag may not go below.
        output_dir: where results go unless told otherwise, in words.
    """
    called = "; ".join(f"{rule}, {title}" for rule, (title, _) in rules.items())
    best = ", ".join(f"{rule} {rate}" for rule, (_, rate) in rules.items())
    flags.DEFINE_list("rule", chosen, f"How to train, one or several: {called}.")
    flags.DEFINE_integer("epochs", epochs, "Epochs.", lower_bound=1)
    flags.DEFINE_integer("batch_size", batch_size, "Samples a batch.", lower_bound=smallest_batch)
    flags.DEFINE_float(
        "learning_rate", None, f"AdamW's highest; it falls to zero as a cosine (default: {best})."
    )
    flags.DEFINE_float("weight_decay", 0.004, "AdamW's.", lower_bound=0)
    flags.DEFINE_bool(
        "jit_compile", None, "Compile by XLA (default: Keras decides): dense networks train faster on a CPU."
    )
    flags.DEFINE_string(
        "dtype", "float32", "Keras's dtype policy: mixed_bfloat16 is faster where the processor knows bfloat16."
    )
    flags.DEFINE_integer("seed", 0, "Of weights, order of samples and whatever else is drawn.")
    flags.DEFINE_string("output_dir", None, f"Where results go (default: {output_dir}).")
    flags.register_validator("rule", lambda given: given and set(given) <= set(rules), f"of {', '.join(rules)}")


def check_local_readouts():
    """Their weight must count: without them the rule is another."""
    flags.register_validator(
        "local_readout_weight",
        lambda weight: weight is None or weight > 0,
        "must be above 0; rule rate is the same without local readouts",
    )


def define_weights(fresh):
    """What to learn on from; the rule `fresh` always begins anew."""
    flags.DEFINE_string(
        "weights",
        None,
        "What to learn on from: a preset, its sizes given by flags as well, or the file of a pair, as a rule "
        "of BSD writes it (default: drawn by the seed).",
    )
    flags.register_multi_flags_validator(
        ("weights", "rule"),
        lambda given: given["weights"] is None or fresh not in given["rule"],
        f"--weights are those of a trained spiking network: the rule {fresh} cannot learn on from them",
    )


def check_weights(folder):
    """Raise if a run in `folder` would remove what it is to learn on from."""
    path = pathlib.Path(FLAGS.weights or "")
    if path.is_file() and path.resolve().parent == folder.resolve():
        raise ValueError(
            "A run removes what an earlier one left in its folder: give another --output_dir than that of "
            f"--weights. Received: --output_dir={folder}, --weights={FLAGS.weights}"
        )


def origin():
    """For a run's figures, what it learned on from: the record of a preset, or that of another run."""
    if FLAGS.weights is None:
        return {}
    if presets.is_preset(FLAGS.weights):
        return {"learned_on_from": presets.record(FLAGS.weights)}
    beside = pathlib.Path(FLAGS.weights).parent / "metrics.json"
    return {"learned_on_from": json.loads(beside.read_text()) if beside.exists() else None}


def compile_model(model, rate, batches, ema=None, **kwargs):
    """Compile a model with AdamW, as the flags say.

    Args:
        model: Keras model.
        rate: highest learning rate unless the flags give one.
        batches: of an epoch, sized.
        ema: momentum of an average of the weights that replaces them at the end, or None.
        **kwargs: further arguments of `compile`.
    """
    schedule = keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate or rate, FLAGS.epochs * len(batches))
    average = {} if ema is None else {"use_ema": True, "ema_momentum": ema}
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=FLAGS.weight_decay, **average),
        jit_compile="auto" if FLAGS.jit_compile is None else FLAGS.jit_compile,
        **kwargs,
    )
