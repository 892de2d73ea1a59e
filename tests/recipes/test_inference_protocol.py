import contextlib
import importlib
import json
import re
import sys
import types
from unittest import mock

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from tests.recipes.running import ROOT

with mock.patch.object(sys, "path", [str(ROOT / "export"), *sys.path]):
    protocol = importlib.import_module("inference_protocol")
    serve_onnxruntime = importlib.import_module("serve_onnxruntime")

STIMULUS = {"name": "stimulus", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.0]}


def network(**attributes):
    """Return a network of two pixels and three labels, without its session."""
    made = serve_onnxruntime.Network.__new__(serve_onnxruntime.Network)
    defaults = {"shape": (2,), "dtype": "float32", "tokens": None, "range": [0.0, 1.0]}
    vars(made).update(defaults | {"labels": ["a", "b", "c"], "preprocess": [0, 255]} | attributes)
    return made


def body(**changes):
    """Return a V2 request whose input has these values in place of those of `STIMULUS`."""
    return json.dumps({"inputs": [{**STIMULUS, **changes}]}).encode()


def stimuli(request, **attributes):
    """Return the stimuli of a V2 request, as the network takes them."""
    values, raw, _ = protocol.parse_infer(request)
    return protocol.to_stimuli(network(**attributes), values, raw, max_samples=4)


def refusal(function, *arguments, **kwargs):
    """Return the status and message with which a function refuses its arguments."""
    with pytest.raises(protocol.Refused) as refused:
        function(*arguments, **kwargs)
    assert 400 <= refused.value.status < 500
    return refused.value.status, str(refused.value)


def test_a_v2_request_becomes_stimuli_of_float32():
    values = stimuli(body(shape=[2, 2], data=[0, 0.25, 0.5, 1]))
    np.testing.assert_array_equal(values, np.array([[0, 0.25], [0.5, 1]], "float32"))
    assert values.dtype == "float32"
    np.testing.assert_array_equal(stimuli(body(shape=[2, 2], data=[[0, 0.25], [0.5, 1]])), values)


def test_integers_are_raw_data():
    np.testing.assert_allclose(stimuli(body(datatype="UINT8", data=[0, 51])), [[0, 0.2]], rtol=1e-6)


def test_a_binary_tensor_follows_the_json():
    tensor = {**STIMULUS, "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    del tensor["data"]
    header = json.dumps({"id": "x", "inputs": [tensor]}).encode()
    values, raw, identifier = protocol.parse_infer(
        header + np.array([0.5, 1], "<f4").tobytes(), str(len(header))
    )
    np.testing.assert_array_equal(values, [[0.5, 1]])
    assert (raw, identifier) == (False, "x")
    status, message = refusal(protocol.parse_infer, header + bytes(7), str(len(header)))
    assert (status, "must have 8 bytes. Received: 7 bytes" in message) == (400, True)


@pytest.mark.parametrize("length", ["-1", "1e3", "3", "9" * 30])
def test_a_header_length_beyond_the_body_is_refused(length):
    _, message = refusal(protocol.parse_infer, b"{}", length)
    assert "must be the number of bytes of the request's JSON, at most 2. Received" in message


def test_a_plain_request_holds_stimuli_or_raw_data():
    values, raw = protocol.parse_predict(b'{"stimuli": [[0.5, 1]]}')
    assert (values.tolist(), raw) == ([[0.5, 1.0]], False)
    values, raw = protocol.parse_predict(b'{"raw": [[0, 255]]}')
    assert (values.tolist(), raw) == ([[0, 255]], True)


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        (b"not JSON", "must be JSON, .* Received: Expecting value"),
        (b"", "must be JSON"),
        (b"\xff\xfe\x00", "must be JSON"),
        pytest.param(b"[" * 100_000, "Received: too many nested lists", id="deep"),
        (b"[1, 2]", r"must be an object in JSON, .* Received: \[1, 2\]"),
        (b"{}", r"must be .*\. Received: the keys \[\]"),
        (b'{"x": [1]}', r'Received: the keys \["x"\]'),
        (b'{"raw": [1, 2], "stimuli": [1, 2]}', "Received: the keys"),
        (b'{"stimuli": "text"}', '`stimuli` must hold lists of numbers. Received: "text"'),
        (b'{"stimuli": [[1, 2], [3]]}', "`stimuli` must hold lists of equal length"),
        (b'{"raw": [null, 1]}', "`raw` must hold lists of numbers"),
        pytest.param(b'{"raw": [' + b"9" * 400 + b"]}", "`raw` must hold lists of numbers", id="large"),
    ],
)
def test_plain_requests_that_are_refused(request_body, message):
    status, received = refusal(protocol.parse_predict, request_body)
    assert status == 400
    assert re.search(message, received), received


@pytest.mark.parametrize(
    ("request_body", "message"),
    [
        (b'{"inputs": []}', r"must have one input, .* Received: \[\]"),
        (b'{"inputs": 3}', "must have one input, .* Received: 3"),
        (b'{"inputs": [1]}', r"must have one input, .* Received: \[1\]"),
        (json.dumps({"inputs": [STIMULUS, STIMULUS]}), "must have one input"),
        (json.dumps({"inputs": [STIMULUS], "outputs": [{"name": "y"}]}), "only output is `scores`. Received"),
        (json.dumps({"inputs": [STIMULUS], "outputs": {"scores": 1}}), "only output is `scores`. Received"),
        (json.dumps({"inputs": [STIMULUS], "id": 7}), "`id` must be a string. Received: id=7"),
        (body(name="pixels"), 'name must be `stimulus`. Received: "pixels"'),
        (body(datatype="BYTES"), '`datatype` must be one of INT8, .* Received: datatype="BYTES"'),
        (body(datatype=["FP32"]), "`datatype` must be one of"),
        (body(shape=[-1, 2]), r"`shape` must be a list of sizes. Received: shape=\[-1, 2\]"),
        (body(shape=[True, 2]), "`shape` must be a list of sizes"),
        (body(shape="1,2"), "`shape` must be a list of sizes"),
        (body(shape=[2**40]), "`shape` must be a list of sizes"),
        (body(shape=[1] * 40), "at most 32 axes. Received: 40"),
        (body(shape=[1, 3]), r"the values of shape \[1, 3\], flat or nested. Received: shape \(2,\)"),
        (body(data=[[1], [2]]), r"the values of shape \[1, 2\], .* Received: shape \(2, 1\)"),
        (body(data={"a": 1}), "`data` must hold lists of numbers"),
        (body(datatype="UINT8"), r"integers in \[0, 255\] for the input's datatype. Received: float64"),
        (body(datatype="UINT8", data=[0, 256]), "Received: int64 from 0 to 256"),
        (body(datatype="INT8", data=[-129, 0]), r"integers in \[-128, 127\]"),
        (
            json.dumps({"inputs": [{**STIMULUS, "data": None}]}),
            "`data` must hold lists of numbers. Received: null",
        ),
        (
            json.dumps({"inputs": [{"name": "stimulus", "shape": [1, 2], "datatype": "FP32"}]}),
            "must have `data`",
        ),
    ],
)
def test_v2_requests_that_are_refused(request_body, message):
    status, received = refusal(protocol.parse_infer, request_body)
    assert status == 400
    assert re.search(message, received), received


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"data": [float("nan"), 0]}, 400, "must hold finite numbers. Received: NaN or infinity"),
        ({"data": [float("inf"), 0]}, 400, "must hold finite numbers"),
        ({"data": [0, 2]}, 400, r"must hold stimuli in \[0, 1\]. Received: float64 from 0 to 2. Scale them"),
        (
            {"datatype": "INT32", "data": [0, 999]},
            400,
            r"raw data \(x - 0\) / 255. Received: int32 from 0 to 999",
        ),
        ({"shape": [1, 3], "data": [0, 0, 0]}, 400, r"samples of shape \(2,\), .* Received: shape \(1, 3\)"),
        ({"shape": [0, 2], "data": []}, 400, "must hold 1 to 4 samples. .* Received: 0"),
        (
            {"shape": [5, 2], "data": [0] * 10},
            413,
            "must hold 1 to 4 samples. Send more in several .* Received: 5",
        ),
    ],
)
def test_tensors_that_are_refused(changes, status, message):
    received = refusal(stimuli, body(**changes))
    assert received[0] == status
    assert re.search(message, received[1]), received


def test_stimuli_beyond_float32_are_refused():
    status, message = refusal(stimuli, body(data=[1e300, 0]), range=None)
    assert (status, "within the range of float32" in message) == (400, True)


def test_raw_data_need_preprocessing():
    _, message = refusal(stimuli, body(datatype="UINT8", data=[0, 1]), preprocess=None)
    assert "specifies no preprocessing: send stimuli, as floats. Received: raw data" in message


def test_token_ids_are_integers():
    text = {"dtype": "int32", "tokens": 3, "range": None, "preprocess": None}
    tokens = stimuli(body(datatype="INT64", data=[0, 2]), **text)
    assert (tokens.tolist(), tokens.dtype) == ([[0, 2]], "int32")
    assert "send integers" in refusal(stimuli, body(), **text)[1]
    assert "token ids, integers in [0, 2]" in refusal(stimuli, body(datatype="INT8", data=[0, 3]), **text)[1]


def test_bodies_have_a_maximum_length():
    protocol.check_length(10, 10)
    status, message = refusal(protocol.check_length, 11, 10)
    assert (status, message) == (413, "A body must have at most 10 bytes. Send fewer samples. Received: 11")


def test_the_rate_is_limited_after_a_burst():
    limit = protocol.RateLimit(rate=2)
    for _ in range(2):
        limit.check(now=10.0)
    with pytest.raises(
        protocol.Refused, match=r"At most 2 requests a second. .* Send it again in 1 s"
    ) as refused:
        limit.check(now=10.25)
    assert (refused.value.status, refused.value.headers) == (429, {"Retry-After": "1"})
    limit.check(now=10.5)
    unlimited = protocol.RateLimit(rate=0)
    for _ in range(100):
        unlimited.check(now=0.0)


def test_a_slow_rate_lets_one_request_through():
    limit = protocol.RateLimit(rate=0.1)
    limit.check(now=0.0)
    assert refusal(limit.check, now=1.0)[0] == 429
    limit.check(now=10.0)


def test_answers():
    scores = np.array([[0.25, 0.5, 0.25], [0.75, 0.25, 0]], "float32")
    plain = protocol.predict_answer(network(), scores)
    assert plain == {"scores": [[0.25, 0.5, 0.25], [0.75, 0.25, 0.0]], "labels": ["b", "a"]}
    sequence = np.stack([scores[::-1], scores], axis=1)  # the last element's scores are those above
    assert protocol.predict_answer(network(), sequence)["labels"] == ["b", "a"]
    assert "labels" not in protocol.predict_answer(network(labels=None), scores)
    answer = protocol.infer_answer("digits", "7", scores)
    assert answer["outputs"][0]["shape"] == [2, 3]
    assert answer["outputs"][0]["data"] == [0.25, 0.5, 0.25, 0.75, 0.25, 0.0]
    assert (answer["id"], answer["model_name"]) == ("7", "digits")
    assert "id" not in protocol.infer_answer("digits", "", scores)


def test_metadata():
    metadata = protocol.model_metadata("digits", network(), (3,), max_samples=4)
    assert metadata["inputs"] == [{"name": "stimulus", "datatype": "FP32", "shape": [-1, 2]}]
    assert metadata["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}]
    parameters = {
        "labels": ["a", "b", "c"],
        "preprocess": [0, 255],
        "stimulus_range": [0.0, 1.0],
        "max_samples": 4,
    }
    assert metadata["parameters"] == parameters
    bare = protocol.model_metadata("x", types.SimpleNamespace(**vars(network(labels=None))), (3,), 4)
    assert "labels" not in bare["parameters"]
    assert protocol.server_metadata()["extensions"] == ["binary_tensor_data"]


NUMBERS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3))
VALUES = st.recursive(NUMBERS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner))
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.just("stimulus") | VALUES,
        "shape": st.sampled_from([[1, 2], [2], [2, 2], [0, 2], [1]]) | VALUES,
        "datatype": st.sampled_from([*protocol.DATATYPES]) | VALUES,
        "data": st.lists(st.integers(-300, 300) | st.floats(), min_size=2, max_size=2) | VALUES,
        "parameters": st.dictionaries(st.just("binary_data_size"), VALUES) | VALUES,
    },
)
REQUESTS = st.one_of(
    VALUES,
    st.dictionaries(st.sampled_from(["stimuli", "raw"]), VALUES, max_size=2),
    st.fixed_dictionaries(
        {"inputs": st.lists(TENSORS | VALUES, min_size=1, max_size=2) | VALUES},
        optional={"id": VALUES, "outputs": VALUES},
    ),
)


@hypothesis.given(REQUESTS, st.binary(max_size=20), st.none() | st.integers(0, 200).map(str))
@hypothesis.settings(deadline=None, max_examples=100)
def test_any_request_is_refused_or_becomes_stimuli(request_body, tail, header_length):
    sent = json.dumps(request_body).encode() + tail
    for parse in (protocol.parse_predict, lambda sent: protocol.parse_infer(sent, header_length)[:2]):
        with contextlib.suppress(protocol.Refused):
            values = protocol.to_stimuli(network(), *parse(sent), max_samples=4)
            assert values.dtype == "float32"
            assert values.shape[1:] == (2,)
            assert np.isfinite(values).all()


@hypothesis.given(st.binary(max_size=100))
def test_any_bytes_are_refused(sent):
    for parse in (protocol.parse_predict, protocol.parse_infer):
        with contextlib.suppress(protocol.Refused):
            parse(sent)
