"""The server on Ray Serve: its routes in this process, and a server of two replicas under load."""

import asyncio
import importlib
import json
import re
import socket
import sys
import time
import urllib.error
import urllib.request
from unittest import mock

import keras
import numpy as np
import pytest

import keras_bsd
from tests.export.networks import lively
from tests.recipes.running import ROOT, loaded, run

pytest.importorskip("ray", reason="ray is not installed: pip install 'keras-bsd[serving-http]'")
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("serve_http")]
LABELS = ["ball", "doll", "kite"]
LIMITS = {"max_bytes": 2000, "max_batch_size": 8, "max_wait": 1.0, "rate": 0.0}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The path of a network's file, 300 distinct stimuli, and Keras's scores."""
    keras.utils.set_random_seed(1234)
    encoder = lively(keras_bsd.applications.SpikingMLP((6, 5, 1), 3, units=(12, 9)).encoder)
    path = tmp_path_factory.mktemp("http") / "toys.onnx"
    keras_bsd.export.export_onnx(encoder, path, labels=LABELS, preprocess=(0, 255))
    stimuli = np.random.default_rng(0).random((300, 6, 5, 1), dtype="float32")
    return path, stimuli, encoder.predict(stimuli, verbose=0)


# In this process


@pytest.fixture(scope="module")
def recipe():
    with mock.patch.object(sys, "path", [str(ROOT / "export"), *sys.path]):
        return importlib.import_module("serve_http")


def ask(replica, method, path, body=b"", **headers):
    """Return status, answer and headers of a request to a replica without a server."""
    from starlette.requests import Request

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": named, "query_string": b""}
    chunks = [body[i : i + 500] for i in range(0, len(body), 500)] or [b""]
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive():
        return messages.pop(0)

    response = asyncio.run(replica(Request(scope, receive)))
    return response.status_code, json.loads(response.body), dict(response.headers)


@pytest.fixture
def replica(recipe, network):
    def make(**limits):
        return recipe.Replica(network[0].read_bytes(), "toys", 1, {**LIMITS, **limits})

    return make


def test_paths_of_the_protocol(replica):
    toys = replica()
    assert ask(toys, "GET", "/v2")[1]["name"] == "keras_bsd"
    assert ask(toys, "GET", "/v2/health/live")[:2] == (200, {"live": True})
    assert ask(toys, "GET", "/v2/health/ready")[:2] == (200, {"ready": True})
    for path in ("/v2/models/toys", "/v2/models/toys/versions/1"):
        assert ask(toys, "GET", path)[1]["parameters"]["labels"] == LABELS
        assert ask(toys, "GET", f"{path}/ready")[:2] == (200, {"name": "toys", "ready": True})
    status, answer, _ = ask(toys, "GET", "/v2/models/others")
    assert status == 404
    assert re.match(r"The path must be one of /v2, .*. Received: '/v2/models/others'", answer["error"])
    status, answer, headers = ask(toys, "GET", "/predict")
    assert (status, answer["error"], headers["allow"]) == (405, "/predict takes POST. Received: GET", "POST")


def test_bodies_are_read_to_their_limit(replica):
    toys = replica(max_bytes=2000)
    status, answer, _ = ask(toys, "POST", "/predict", b"[" * 2001)
    assert (status, "at most 2000 bytes" in answer["error"]) == (413, True)
    status, answer, _ = ask(toys, "POST", "/predict", b"[" * 10**6)  # not read to its end
    assert (status, "Received: 20500" in answer["error"]) == (413, True)
    status, answer, _ = ask(toys, "POST", "/predict", b"{}", content_encoding="gzip")
    assert (status, "must not be compressed" in answer["error"]) == (415, True)


def test_requests_beyond_the_rate_are_refused(replica):
    toys = replica(rate=0.5)
    assert ask(toys, "POST", "/predict", b"{}")[0] == 400
    status, answer, headers = ask(toys, "POST", "/predict", b"{}")
    assert (status, headers["retry-after"]) == (429, "2")
    assert "At most 0.5 requests a second" in answer["error"]
    assert ask(toys, "GET", "/v2/health/live")[0] == 200


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--replicas=0", "--replicas must be at least 1. Received: --replicas=0"),
        ("--rate=-1", "--rate must be 0 or more. Received: --rate=-1.0"),
        ("--max_wait=nan", "--max_wait must be 0 or more. Received: --max_wait=nan"),
        ("--name=a/b", "--name must be of letters, digits, `_`, `.`, `-`. Received: --name=a/b"),
    ],
)
def test_bad_flags(flag, message):
    done = run("serve_http", "toys.onnx", flag)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_file_that_is_no_network(tmp_path):
    done = run("serve_http", str(tmp_path / "none.onnx"))
    assert done.returncode == 1
    assert re.match("error: .*none.onnx is not an ONNX file that can be run", done.stderr)


@pytest.mark.parametrize("flag", ["port", "metrics_port"])
def test_a_port_in_use(flag, network, measuring):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ports = {"port": measuring.free_port(), flag: listener.getsockname()[1]}
        done = run("serve_http", str(network[0]), *(f"--{name}={port}" for name, port in ports.items()))
    assert done.returncode == 1
    assert f"--{flag} must be free on --host=127.0.0.1. Received: --{flag}={ports[flag]}" in done.stderr


def test_an_address_of_the_sixth_version(recipe):
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    recipe.check_port("port", "::1", 0)


def test_a_cluster_that_serves_another_model_keeps_it(recipe, network):
    with (
        mock.patch.object(recipe, "ray") as ray,
        mock.patch.object(recipe, "serve") as serve,
        mock.patch.object(sys, "argv", ["serve_http.py", str(network[0]), "--address=auto"]),
    ):
        serve.status.return_value.applications = {"letters": "RUNNING"}
        with pytest.raises(SystemExit, match=r"serves nothing yet.* Received: a cluster that serves letters"):
            recipe.main()
        ray.init.assert_called_once()
        for change in (serve.start, serve.run, serve.delete, serve.shutdown):
            change.assert_not_called()
        recipe.stop()
        serve.delete.assert_called_once_with(recipe.APP)
        serve.shutdown.assert_not_called()


# A server


@pytest.fixture(scope="module")
def measuring():
    with loaded("measure_serving") as names:
        yield names


@pytest.fixture(scope="module")
def served(measuring, network):
    """A server's process, its URL and the URL of its metrics."""
    port = measuring.free_port()
    flags = [
        "--max_bytes=100000",
        "--max_batch_size=16",
        "--max_wait=20",
        "--timeout=6",
        f"--metrics_port={port}",
    ]
    with measuring.server(network[0], *flags) as (process, url):
        yield process, url, f"http://127.0.0.1:{port}/metrics"


def post(url, body):
    """Return status and text of the answer to a body, bytes or an object for JSON."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_answers_are_those_of_keras(served, network):
    _, url, _ = served
    _, stimuli, scores = network
    status, answer = post(f"{url}/predict", {"stimuli": stimuli[:16].tolist()})
    assert status == 200, answer
    np.testing.assert_allclose(json.loads(answer)["scores"], scores[:16], atol=1e-5)
    assert json.loads(answer)["labels"] == [LABELS[i] for i in scores[:16].argmax(axis=1)]


def test_bad_requests_leave_the_server_running(served, network):
    _, url, _ = served
    nan = {"name": "stimulus", "shape": [1, 30], "datatype": "FP32", "data": [float("nan")] * 30}
    bodies = [b"not JSON", b"[" * 50_000, b"\xff", {"inputs": [nan]}, {"inputs": [{**nan, "name": "x"}]}]
    for body in bodies:
        status, answer = post(f"{url}/v2/models/toys/infer", body)
        assert status == 400, answer
        assert "Received: " in json.loads(answer)["error"]
    assert post(f"{url}/predict", b" " * 200_000)[0] == 413
    assert post(f"{url}/predict", {"stimuli": network[1][:17].tolist()})[0] == 413
    assert post(f"{url}/predict", {"raw": [[0] * 30]})[0] == 200


def test_a_client_that_stops_sending_is_given_up(served):
    host, port = served[1].removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert connection.recv(100).startswith(b"HTTP/1.1 408")


def test_answers_under_load_and_after_a_process_dies(served, measuring, network):
    process, url, _ = served
    _, stimuli, scores = network
    before = measuring.replicas(process)
    assert len(before) == 2
    load, seconds = measuring.measure_kill(process, url, "toys", stimuli, 8)
    assert (load.lost, len(load.scores), len(load.seconds)) == (0, 300, 300)
    for i, received in load.scores.items():
        np.testing.assert_allclose(received, scores[i], atol=1e-4)
    assert len(measuring.replicas(process) - before) == 1
    assert seconds < 60


def read_metrics(url, pattern):
    """Return the metrics as soon as a line has the pattern: Ray collects them every few seconds."""
    metrics, end = "", time.monotonic() + 30
    while not re.search(pattern, metrics, re.MULTILINE):
        assert time.monotonic() < end, metrics[:2000]
        with urllib.request.urlopen(url, timeout=30) as response:
            metrics = response.read().decode()
        time.sleep(0.5)
    return metrics


def test_metrics_are_those_of_prometheus(served):
    metrics = read_metrics(served[2], r'^ray_serve_num_http_requests_total{.*status_code="400".*} [1-9]')
    assert "ray_serve_http_request_latency_ms_bucket{" in metrics


def test_concurrent_requests_share_batches(served, measuring, network):
    _, url, metrics = served
    asyncio.run(measuring.send(url, "toys", network[1], 32))
    pattern = r"^ray_serve_actual_batch_size_{}{{.*}} (.*)$"
    counted = read_metrics(metrics, pattern.format("count"))
    samples, batches = (
        sum(map(float, re.findall(pattern.format(name), counted, re.MULTILINE))) for name in ("sum", "count")
    )
    assert samples > batches + 20


def test_requests_in_flight_are_answered_before_the_end(served, measuring, network):
    process, url, _ = served
    answered, refused, broken_off, status = measuring.measure_end(process, url, "toys", network[1][:16])
    assert (broken_off, status) == (0, 0)
    assert answered >= 1
    assert answered + refused == 16
