"""Serve an exported network: needs Python, NumPy and ONNX Runtime alone, and Pillow to read images.

    python export/serve_onnxruntime.py digits.onnx digit.png samples.npz
    python export/serve_onnxruntime.py digits.onnx - --json < samples.csv

Reads images, .npy and .npz arrays (of .npz the one named `x`, or the only one) of shape
(samples, ...), and .csv files, or standard input, with one sample a line. Images, arrays of whole
numbers and, with --raw, everything is raw data, of which the file's own preprocessing makes stimuli;
the rest is taken as it is. Prints a line for each sample.
"""

import argparse
import json
import math
import pathlib
import signal
import sys
import zipfile

import numpy as np
import onnxruntime


class BadInput(Exception):
    """Something that the caller can put right."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="the .onnx file")
    parser.add_argument("inputs", nargs="+", help="files, or - for lines of standard input")
    parser.add_argument("--json", action="store_true", help="print an object in JSON for each sample")
    parser.add_argument("--top", type=int, default=1, help="how many labels to print (default: 1)")
    parser.add_argument("--batch_size", type=int, default=256, help="most samples at a time (default: 256)")
    parser.add_argument("--raw", action="store_true", help="numbers are raw data, to be preprocessed")
    parser.add_argument("--threads", type=int, default=0, help="processor threads (default: all cores)")
    given = parser.parse_args()
    for name in ("top", "batch_size"):
        if getattr(given, name) < 1:
            parser.error(f"--{name} must be at least 1. Received: {getattr(given, name)}")
    return given


class Network:
    """An exported file, ready to run."""

    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's have no base of their own
            raise BadInput(f"{path} is not an ONNX file that can be run. Export it again. ({error})") from error
        stored = self.session.get_modelmeta().custom_metadata_map
        stimulus, *states = self.session.get_inputs()
        outputs = [output.name for output in self.session.get_outputs()]
        if stimulus.name != "stimulus" or "scores" not in outputs or "keras_bsd" not in stored:
            raise BadInput(
                f"{path} was not written by keras_bsd.export.export_onnx, or without its output `scores`. "
                f"Received: input {stimulus.name!r}, outputs {outputs}"
            )
        if states:
            raise BadInput(f"{path} is one time step of a network. Export it without `streaming` to serve it.")
        self.shape = tuple(stimulus.shape[1:])
        self.type = "float32" if stimulus.type == "tensor(float)" else "int32"
        self.labels = json.loads(stored["labels"]) if "labels" in stored else None
        self.preprocess = json.loads(stored["preprocess"]) if "preprocess" in stored else None

    def stimuli(self, name, values, raw):
        """Values of a whole file, `(samples, ...)`, as the network takes them."""
        if values.dtype.kind not in "biuf":
            raise BadInput(f"{name} must hold numbers. Received: values of type {values.dtype}")
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
        if raw and self.preprocess is None and self.type == "float32":
            raise BadInput(
                f"{name} is raw data, but the network's file does not say how to make stimuli of it. Export "
                "with `preprocess`, or give floats."
            )
        values = values.reshape(-1, *self.shape)
        if raw and self.preprocess is not None:
            subtract, divide = (np.array(part, "float32") for part in self.preprocess)
            values = (values.astype("float32") - subtract) / divide
        return values.astype(self.type)

    def scores(self, stimuli):
        return self.session.run(["scores"], {"stimulus": stimuli})[0]


def samples(network, given):
    """Name and stimulus of each sample, one after the other."""
    for name in given.inputs:
        if name == "-":
            for number, line in enumerate(sys.stdin, 1):
                if line.strip():
                    where = f"line {number}"
                    yield where, network.stimuli(where, _numbers(where, line)[None], given.raw)[0]
            continue
        path = pathlib.Path(name)
        read = READERS.get(path.suffix.lower())
        if read is None:
            raise BadInput(f"Files must end in one of {', '.join(READERS)}. Received: {name}")
        try:
            values, raw = read(path, network.shape)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise BadInput(f"{name} cannot be read: {error}") from error
        stimuli = network.stimuli(name, values, raw or given.raw)
        for i, stimulus in enumerate(stimuli):
            yield f"{name}[{i}]" if len(stimuli) > 1 else name, stimulus


def _numbers(where, line):
    try:
        return np.array([float(number) for number in line.split(",")])
    except ValueError as error:
        raise BadInput(f"{where} must hold numbers with commas between. Received: {error}") from error


def _image(path, shape):
    try:
        from PIL import Image
    except ImportError:
        raise BadInput("Images need Pillow: pip install pillow") from None
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    if len(shape) != 3 or shape[-1] not in modes:
        raise BadInput(f"{path} is an image, but the network takes stimuli of shape {shape}")
    with Image.open(path) as image:
        pixels = np.asarray(image.convert(modes[shape[-1]]))
    return pixels.reshape(1, *pixels.shape[:2], shape[-1]), True


def _array(path, shape):
    values = np.load(path)
    if not isinstance(values, np.ndarray):
        with values as arrays:
            name = "x" if "x" in arrays else arrays.files[0] if len(arrays.files) == 1 else None
            if name is None:
                raise ValueError(f"it must hold an array `x`, or a single one, and holds {arrays.files}")
            values = arrays[name]
    return values, values.dtype.kind in "iu"


def _table(path, shape):
    return np.loadtxt(path, delimiter=",", ndmin=2), False


READERS = {".png": _image, ".jpg": _image, ".npy": _array, ".npz": _array, ".csv": _table}


def told(network, name, scores, given):
    """What is printed of one sample: its likeliest labels or, of a network without labels, its values.

    Of a network that says something of every element of a sequence, that is what follows the last one.
    """
    if network.labels is None:
        found = {"sample": name, "values": scores.tolist()}
    else:
        scores = scores.reshape(-1, len(network.labels))[-1]
        order = np.argsort(-scores, kind="stable")[: given.top]
        likeliest = {"labels": [network.labels[i] for i in order], "scores": [float(scores[i]) for i in order]}
        found = {"sample": name, **likeliest}
    if given.json:
        return json.dumps(found)
    if network.labels is None:
        return f"{name}\t{' '.join(f'{value:.6g}' for value in scores.ravel())}"
    pairs = zip(found["labels"], found["scores"], strict=True)
    return "\t".join([name, *(f"{_printable(label)} {score:.4f}" for label, score in pairs)])


def _printable(label):
    return label.encode("unicode_escape").decode("ascii") if label.isspace() else label


def serve(given):
    network, waiting = Network(given.model, given.threads), []

    def run():
        names, stimuli = zip(*waiting, strict=True)
        for name, scores in zip(names, network.scores(np.stack(stimuli)), strict=True):
            print(told(network, name, scores, given), flush=True)
        waiting.clear()

    for sample in samples(network, given):
        waiting.append(sample)
        if len(waiting) == given.batch_size:
            run()
    if waiting:
        run()


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as other filters do, when nobody reads on
    try:
        serve(arguments())
    except BadInput as error:
        raise SystemExit(f"error: {error}") from error
