"""Serve an exported network with Python, NumPy and ONNX Runtime alone (and Pillow to read images).

    python export/serve_onnxruntime.py digits.onnx digit.png samples.npz
    python export/serve_onnxruntime.py digits.onnx - --json < samples.csv

Inputs are images of 1, 8 or 16 bits; .npy and .npz arrays of shape (samples, ...), of an .npz the array named
`x`, or its only one; and .csv files or standard input with one sample per line. Images, integer arrays and,
with --raw, all inputs are raw data: they are preprocessed as the network's file specifies. Other inputs are
stimuli and go to the network unchanged. Prints one line per sample.
"""

import argparse
import json
import math
import os
import pathlib
import struct
import sys
import tokenize
import warnings
import zipfile
import zlib

import numpy as np
import onnxruntime


class BadInput(Exception):
    """A mistake that the caller can correct."""


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="the .onnx file")
    parser.add_argument("inputs", nargs="+", help="files, or - for lines of standard input")
    parser.add_argument("--json", action="store_true", help="print one JSON object per sample")
    parser.add_argument("--top", type=int, default=1, help="number of labels per sample (default: 1)")
    parser.add_argument("--batch_size", type=int, default=256, help="maximum batch size (default: 256)")
    parser.add_argument("--raw", action="store_true", help="all inputs are raw data, to be preprocessed")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: one per core)")
    arguments = parser.parse_args()
    for name in ("top", "batch_size"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1. Received: --{name}={getattr(arguments, name)}")
    return arguments


class Network:
    """An exported file in an ONNX Runtime session.

    Args:
        path: path of the .onnx file.
        threads: CPU threads; 0 for one per core.

    Raises:
        BadInput: the file cannot be run, or was not exported for serving.
    """

    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(
                os.path.expanduser(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise BadInput(f"{path} is not an ONNX file that can be run. Export it again. ({error})") from error
        metadata = self.session.get_modelmeta().custom_metadata_map
        stimulus, *states = self.session.get_inputs()
        outputs = [output.name for output in self.session.get_outputs()]
        if stimulus.name != "stimulus" or "scores" not in outputs or "keras_bsd" not in metadata:
            raise BadInput(
                f"{path} must be a file that keras_bsd.export.export_onnx wrote with the output `scores`. "
                f"Received: input {stimulus.name!r}, outputs {outputs}"
            )
        if states:
            raise BadInput(f"{path} is one timestep of a network. Export it without `streaming` to serve it.")
        self.shape = tuple(stimulus.shape[1:])
        self.dtype = "float32" if stimulus.type == "tensor(float)" else "int32"
        self.tokens = (
            None if self.dtype == "float32" else self.session.get_outputs()[outputs.index("scores")].shape[-1]
        )
        self.range = json.loads(metadata.get("stimulus_range", "null"))
        self.labels = json.loads(metadata["labels"]) if "labels" in metadata else None
        self.preprocess = json.loads(metadata["preprocess"]) if "preprocess" in metadata else None

    def to_stimuli(self, name, values, raw):
        """Return the values of one input, `(samples, ...)`, as stimuli; raise BadInput if they do not fit."""
        if values.dtype.kind not in "biuf":
            raise BadInput(f"{name} must hold numbers. Received: dtype {values.dtype}")
        if values.shape == self.shape:
            values = values[None]
        size = math.prod(self.shape)
        if values.shape[1:] != self.shape and values.shape[1:] != (size,):
            raise BadInput(
                f"{name} must hold samples of shape {self.shape}, or of {size} numbers. "
                f"Received: shape {values.shape}"
            )
        if not np.isfinite(values).all():
            raise BadInput(f"{name} must hold finite numbers. Received: NaN or infinity")
        if raw and self.preprocess is None and self.dtype == "float32":
            raise BadInput(
                f"{name} is raw data, but the network's file specifies no preprocessing. Export it with "
                "`preprocess`, or pass floats without --raw."
            )
        values = values.reshape(-1, *self.shape)
        if self.tokens is not None:
            return self._check_tokens(name, values)
        received = values
        if raw and self.preprocess is not None:
            subtract, divide = (np.array(operand, "float32") for operand in self.preprocess)
            values = (values.astype("float32") - subtract) / divide
        low, high = self.range or (-math.inf, math.inf)
        slack = 1e-3 * (high - low) if self.range else 0  # rounding
        if raw and self.range is None and self.preprocess == [0, 255]:
            low, high = 0, 1
        if values.size and not low - slack <= values.min() <= values.max() <= high + slack:
            raise BadInput(
                f"{name} must hold stimuli in [{low:g}, {high:g}]{self._raw_range(raw)}. Received: "
                f"{received.dtype} from {received.min():g} to {received.max():g}. Scale them as in training."
            )
        return values.astype("float32")

    def _raw_range(self, raw):
        return (
            f", raw data (x - {self.preprocess[0]}) / {self.preprocess[1]}" if raw and self.preprocess else ""
        )

    def _check_tokens(self, name, values):
        known = (values == np.round(values)) & (values >= 0) & (values < self.tokens)
        if not known.all():
            raise BadInput(
                f"{name} must hold token ids, integers in [0, {self.tokens - 1}]. "
                f"Received: {values.dtype} from {values.min():g} to {values.max():g}"
            )
        return values.astype(self.dtype)

    def scores(self, stimuli):
        """Return the network's scores for a batch of stimuli."""
        return self.session.run(["scores"], {"stimulus": stimuli})[0]


def read_samples(network, arguments):
    """Yield the name and the stimulus of every sample."""
    for name in arguments.inputs:
        if name == "-":
            for number, line in enumerate(sys.stdin, 1):
                if line.strip():
                    where = f"line {number}"
                    yield where, network.to_stimuli(where, _parse_line(where, line)[None], arguments.raw)[0]
            continue
        path = pathlib.Path(os.path.expanduser(name))
        read = READERS.get(path.suffix.lower())
        if read is None:
            raise BadInput(f"Files must end in one of {', '.join(READERS)}. Received: {name}")
        try:
            values, raw = read(path, network.shape)
        except DAMAGED as error:
            raise BadInput(f"{name} cannot be read: {error}") from error
        stimuli = network.to_stimuli(name, values, raw or arguments.raw)
        for i, stimulus in enumerate(stimuli):
            yield f"{name}[{i}]" if len(stimuli) > 1 else name, stimulus


# What readers raise on damaged files.
DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    MemoryError,
    tokenize.TokenError,
)


def _parse_line(where, line):
    try:
        return np.array([float(number) for number in line.split(",")])
    except ValueError as error:
        raise BadInput(f"{where} must hold numbers separated by commas. Received: {error}") from error


def _read_image(path, shape):
    try:
        from PIL import Image
    except ImportError:
        raise BadInput("Images need Pillow: pip install pillow") from None
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if len(shape) != 3 or shape[-1] not in modes:
        raise BadInput(f"{path} is an image, but the network takes stimuli of shape {shape}")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path) as image:
                pixels = _pixels(image, modes[shape[-1]])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise ValueError(error) from error
    return pixels.reshape(1, *pixels.shape[:2], shape[-1]), True


def _pixels(image, mode):
    """Return an image's pixels, of any depth on the scale from 0 to 255."""
    if image.mode.startswith("I"):  # gray, of 16 bits
        gray = np.asarray(image).astype("float32") / 257
        return np.stack([*[gray] * min(len(mode), 3), np.full_like(gray, 255)], axis=-1)[..., : len(mode)]
    has_alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA")
    if has_alpha and mode != "RGBA" and image.convert("RGBA").getextrema()[3][0] < 255:
        raise ValueError("it has transparent pixels, which have no colour: put it on a background first")
    return np.asarray(image.convert(mode))


def _read_array(path, shape):
    values = np.load(path, allow_pickle=False)
    if not isinstance(values, np.ndarray):
        with values as arrays:
            name = "x" if "x" in arrays else arrays.files[0] if len(arrays.files) == 1 else None
            if name is None:
                raise ValueError(f"it must hold an array `x` or a single array. Received: {arrays.files}")
            values = arrays[name]
    return values, values.dtype.kind in "iu"


def _read_table(path, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a file without lines
        values = np.loadtxt(path, delimiter=",", ndmin=2)
    if not values.size:
        raise ValueError("it holds no numbers")
    return values, False


# Functions from a path and the stimulus's shape to values, `(samples, ...)`, and whether they are raw data.
READERS = {
    ".png": _read_image,
    ".jpg": _read_image,
    ".npy": _read_array,
    ".npz": _read_array,
    ".csv": _read_table,
}


def format_row(network, name, scores, arguments):
    """Return the line of one sample: its top labels and scores, or all values of a network without labels.

    Scores per element of a sequence are reduced to those after the last element.
    """
    if network.labels is None:
        row = {"sample": name, "values": scores.tolist()}
    else:
        scores = scores.reshape(-1, len(network.labels))[-1]
        order = np.argsort(-scores, kind="stable")[: arguments.top]
        top = {"labels": [network.labels[i] for i in order], "scores": [float(scores[i]) for i in order]}
        row = {"sample": name, **top}
    if arguments.json:
        return json.dumps(row)
    if network.labels is None:
        return f"{name}\t{' '.join(f'{value:.6g}' for value in scores.ravel())}"
    pairs = zip(row["labels"], row["scores"], strict=True)
    return "\t".join([name, *(f"{_printable(label)} {score:.4f}" for label, score in pairs)])


def _printable(label):
    return label.encode("unicode_escape").decode("ascii") if label.isspace() else label


def serve(arguments):
    """Print the line of every sample, batch by batch."""
    network, batch = Network(arguments.model, arguments.threads), []

    def run_batch():
        names, stimuli = zip(*batch, strict=True)
        for name, scores in zip(names, network.scores(np.stack(stimuli)), strict=True):
            print(format_row(network, name, scores, arguments), flush=True)
        batch.clear()

    for sample in read_samples(network, arguments):
        batch.append(sample)
        if len(batch) == arguments.batch_size:
            run_batch()
    if batch:
        run_batch()


def main():
    try:
        serve(parse_arguments())
    except BadInput as error:
        raise SystemExit(f"error: {error}") from error
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's flush at exit
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
