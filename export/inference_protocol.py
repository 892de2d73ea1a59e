"""Requests and answers over HTTP for an exported network, in the Open Inference Protocol (V2) and plain JSON.

The protocol: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
Tensors of a request may be binary, as in Triton's extension `binary_tensor_data`; answers are JSON.
"""

import json
import math
import re

import numpy as np
from serve_onnxruntime import BadInput

VERSION = "1"
# Signed and unsigned integers are raw data, floats are stimuli, as in `serve_onnxruntime.py`.
DATATYPES = {f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)}
DATATYPES |= {f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)}
DATATYPES |= {f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)}
PLAIN = '{"stimuli": [[0.0, 0.5, ...]]} or {"raw": [[0, 128, ...]]}'
INFER = '{"inputs": [{"name": "stimulus", "shape": [1, ...], "datatype": "FP32", "data": [0.0, ...]}]}'


class Refused(Exception):
    """A request that the client can correct, with the HTTP status and the headers of the answer."""

    def __init__(self, status, message, **headers):
        super().__init__(message)
        self.status, self.headers = status, headers


def parse_predict(body):
    """Return the values of a request to `/predict` and whether they are raw data.

    Args:
        body: bytes, an object in JSON with nested lists of numbers, `stimuli` or `raw`.

    Raises:
        Refused: the body is another.
    """
    request = _parse_object(body, PLAIN)
    if len(request) != 1 or not request.keys() <= {"stimuli", "raw"}:
        raise Refused(400, f"The body must be {PLAIN}. Received: the keys {_names(request)}")
    ((name, values),) = request.items()
    return _to_array(name, values), name == "raw"


def parse_infer(body, header_length=None):
    """Return the values, whether they are raw data, and the id of a V2 inference request.

    Args:
        body: bytes, an inference request in JSON; behind it the tensor, where the request has a binary one.
        header_length: value of the header `Inference-Header-Content-Length`, the bytes of the JSON alone.

    Raises:
        Refused: the body is another.
    """
    body, binary = _split(body, header_length)
    request = _parse_object(body, INFER)
    inputs, outputs = request.get("inputs"), request.get("outputs") or [{"name": "scores"}]
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Refused(400, f"The body must have one input, {INFER}. Received: {_describe(inputs)}")
    if not isinstance(outputs, list) or any(_get(output, "name") != "scores" for output in outputs):
        raise Refused(400, f"The only output is `scores`. Received: outputs={_describe(outputs)}")
    tensor, identifier = inputs[0], request.get("id", "")
    if not isinstance(identifier, str):
        raise Refused(400, f"`id` must be a string. Received: id={_describe(identifier)}")
    if tensor.get("name") != "stimulus":
        raise Refused(400, f"The input's name must be `stimulus`. Received: {_describe(tensor.get('name'))}")
    datatype = tensor.get("datatype")
    if not isinstance(datatype, str) or datatype not in DATATYPES:
        raise Refused(
            400, f"`datatype` must be one of {', '.join(DATATYPES)}. Received: datatype={_describe(datatype)}"
        )
    values = _read_tensor(tensor, _check_shape(tensor.get("shape")), DATATYPES[datatype], binary)
    return values, values.dtype.kind != "f", identifier


def to_stimuli(network, values, raw, max_samples):
    """Return values as stimuli, `(samples, ...)`, of the network's shape and type.

    Args:
        network: `serve_onnxruntime.Network`.
        values: array, one sample or `(samples, ...)`.
        raw: whether they are raw data, to be preprocessed.
        max_samples: maximum number of samples of a request.

    Raises:
        Refused: the network does not take them, or they are too many.
    """
    if network.tokens is not None and not raw and values.dtype.kind == "f":
        raise Refused(
            400, "The network takes token ids: send integers, as raw data. Received: floating-point numbers"
        )
    if raw and network.preprocess is None and network.tokens is None:
        raise Refused(
            400, "The network's file specifies no preprocessing: send stimuli, as floats. Received: raw data"
        )
    try:
        with np.errstate(over="ignore"):  # of numbers beyond float32, found below
            stimuli = network.to_stimuli("The request", values, raw)
    except BadInput as error:
        raise Refused(400, str(error)) from error
    if not 1 <= len(stimuli) <= max_samples:
        raise Refused(
            413 if len(stimuli) else 400,
            f"A request must hold 1 to {max_samples} samples. Send more in several requests. "
            f"Received: {len(stimuli)}",
        )
    if not np.isfinite(stimuli).all():
        raise Refused(400, "The request must hold numbers within the range of float32. Received: larger ones")
    return stimuli


def check_length(length, max_bytes):
    """Raise `Refused` if a body of `length` bytes is longer than `max_bytes`."""
    if length > max_bytes:
        raise Refused(
            413, f"A body must have at most {max_bytes} bytes. Send fewer samples. Received: {length}"
        )


def predict_answer(network, scores):
    """Return the answer of `/predict`: scores, and where the network has labels the best of each sample.

    Scores per element of a sequence have the label after the last element.
    """
    answer = {"scores": scores.tolist()}
    if network.labels is not None:
        last = scores.reshape(len(scores), -1, len(network.labels))[:, -1]
        answer["labels"] = [network.labels[i] for i in last.argmax(axis=1)]
    return answer


def infer_answer(name, identifier, scores):
    """Return the V2 inference response."""
    output = {
        "name": "scores",
        "datatype": "FP32",
        "shape": list(scores.shape),
        "data": scores.ravel().tolist(),
    }
    answer = {"model_name": name, "model_version": VERSION, "outputs": [output]}
    return {**answer, "id": identifier} if identifier else answer


def server_metadata():
    """Return the V2 server metadata response."""
    return {"name": "keras_bsd", "version": VERSION, "extensions": ["binary_tensor_data"]}


def model_metadata(name, network, scores_shape, max_samples):
    """Return the V2 model metadata response; labels, preprocessing and limits are its `parameters`."""
    datatype = "FP32" if network.dtype == "float32" else "INT32"
    parameters = {
        "labels": network.labels,
        "preprocess": network.preprocess,
        "stimulus_range": network.range,
        "max_samples": max_samples,
    }
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "onnxruntime_onnx",
        "inputs": [{"name": "stimulus", "datatype": datatype, "shape": [-1, *network.shape]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, *scores_shape]}],
        "parameters": {key: value for key, value in parameters.items() if value is not None},
    }


class RateLimit:
    """Tokens that requests take: at most `burst` at once, and `rate` a second on average.

    Args:
        rate: requests a second; 0 for no limit.
        burst: requests at once; by default those of one second.
    """

    def __init__(self, rate, burst=None):
        self.rate, self.burst = rate, burst or max(1.0, rate)
        self.tokens, self.time = self.burst, -math.inf

    def check(self, now):
        """Take a token at the time `now`, in seconds; raise `Refused` if there is none."""
        if not self.rate:
            return
        self.tokens = min(self.burst, self.tokens + self.rate * (now - self.time))
        self.time = now
        if self.tokens < 1:
            wait = math.ceil((1 - self.tokens) / self.rate)
            message = f"At most {self.rate:g} requests a second. Received: more. Send it again in {wait} s."
            raise Refused(429, message, **{"Retry-After": str(wait)})
        self.tokens -= 1


def _parse_object(body, expected):
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:  # of its syntax, its encoding, or its depth
        reason = "too many nested lists" if isinstance(error, RecursionError) else str(error)[:200]
        raise Refused(400, f"The body must be JSON, {expected}. Received: {reason}") from error
    if not isinstance(request, dict):
        raise Refused(400, f"The body must be an object in JSON, {expected}. Received: {_describe(request)}")
    return request


def _split(body, header_length):
    """Return the JSON and the binary tensor, or None, of a V2 request's body."""
    if header_length is None:
        return body, None
    if not re.fullmatch(r"[0-9]{1,18}", header_length) or int(header_length) > len(body):
        raise Refused(
            400,
            "Inference-Header-Content-Length must be the number of bytes of the request's JSON, "
            f"at most {len(body)}. Received: {header_length[:40]!r}",
        )
    return body[: int(header_length)], body[int(header_length) :]


def _check_shape(shape):
    if not isinstance(shape, list) or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise Refused(400, f"`shape` must be a list of sizes. Received: shape={_describe(shape)}")
    if len(shape) > 32:  # NumPy's arrays have 64 axes at most
        raise Refused(400, f"`shape` must have at most 32 axes. Received: {len(shape)}")
    return shape


def _read_tensor(tensor, shape, dtype, binary):
    """Return an input's array, from its `data` or from what is behind the JSON."""
    dtype, size = np.dtype(dtype), math.prod(shape)
    if "data" in tensor:
        return _convert(_to_array("data", tensor["data"]), shape, dtype)
    binary_size = _get(tensor.get("parameters"), "binary_data_size")
    if binary is None or binary_size is None:
        raise Refused(400, f"The input must have `data`, {INFER}. Received: the keys {_names(tensor)}")
    expected = size * dtype.itemsize
    if len(binary) != expected or type(binary_size) is not int or binary_size != expected:
        raise Refused(
            400,
            f"A binary tensor of shape {shape} must have {expected} bytes. "
            f"Received: {len(binary)} bytes, binary_data_size={_describe(binary_size)}",
        )
    return np.frombuffer(binary, dtype).reshape(shape)


def _convert(values, shape, dtype):
    """Return `data` from JSON, flat or nested, as an array of the shape and type that the request declares."""
    if values.size != math.prod(shape) or (values.ndim > 1 and values.shape != tuple(shape)):
        raise Refused(
            400, f"`data` must hold the values of shape {shape}, flat or nested. Received: shape {values.shape}"
        )
    if dtype.kind != "f" and values.size:
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        if values.dtype.kind == "f" or not low <= int(values.min()) <= int(values.max()) <= high:
            raise Refused(
                400,
                f"`data` must hold integers in [{low}, {high}] for the input's datatype. Received: "
                f"{values.dtype} from {values.min():g} to {values.max():g}",
            )
    if dtype.kind == "f":  # `to_stimuli` checks the range, float32's included
        return values.astype("float64").reshape(shape)
    return values.astype(dtype).reshape(shape)


def _to_array(name, values):
    try:
        array = np.array(values)
    except (ValueError, OverflowError, RecursionError) as error:
        raise Refused(400, f"`{name}` must hold lists of equal length. Received: lists that differ") from error
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise Refused(400, f"`{name}` must hold lists of numbers. Received: {_describe(values)}")
    return array.astype("uint8") if array.dtype.kind == "b" else array


def _get(value, key):
    return value.get(key) if isinstance(value, dict) else None


def _names(value):
    return _describe(sorted(map(str, value)))


def _describe(value):
    """Return a value of a request in JSON, shortened."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
