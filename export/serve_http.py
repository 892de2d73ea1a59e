"""Serve an exported network to many clients over HTTP, on Ray Serve: one process, one machine or many.

    python export/serve_http.py runs/digits/rate.onnx --replicas=2
    python export/serve_http.py runs/digits/rate.onnx --replicas=16 --address=auto  # on a running Ray cluster

Paths: POST /predict, and those of the Open Inference Protocol, /v2, /v2/health/live, /v2/health/ready,
/v2/models/NAME, /v2/models/NAME/ready and POST /v2/models/NAME/infer. Prometheus reads /metrics on
--metrics_port. SIGTERM and Ctrl-C end the server after it has answered the requests that it has accepted.
"""

import argparse
import asyncio
import logging
import os
import pathlib
import re
import signal
import socket
import tempfile
import threading
import time

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import inference_protocol as protocol
import numpy as np
import ray
import serve_onnxruntime
from inference_protocol import Refused
from ray import serve
from serve_onnxruntime import BadInput, Network
from starlette.responses import JSONResponse

APP = "keras_bsd"
LIMITS = ("max_bytes", "max_batch_size", "max_wait", "rate")
for module in (protocol, serve_onnxruntime):  # replicas get this code as it is now, on any machine
    ray.cloudpickle.register_pickle_by_value(module)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", help="the .onnx file")
    parser.add_argument("--name", help="the model's name in paths (default: the file's name)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port of the requests (default: 8000)")
    parser.add_argument("--metrics_port", type=int, default=8080, help="port of the metrics (default: 8080)")
    parser.add_argument("--replicas", type=int, default=2, help="processes that run the network (default: 2)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a replica (default: 1)")
    parser.add_argument("--address", help="address of a running Ray cluster, or auto (default: start one here)")
    parser.add_argument("--max_batch_size", type=int, default=64, help="samples of a batch (default: 64)")
    parser.add_argument("--max_wait", type=float, default=2, help="ms to wait for a full batch (default: 2)")
    parser.add_argument(
        "--max_bytes", type=int, default=10_000_000, help="bytes of a body (default: 10 million)"
    )
    parser.add_argument("--max_queue", type=int, default=1000, help="requests that may wait (default: 1000)")
    parser.add_argument("--rate", type=float, default=0, help="requests/s of a replica (default: 0, no limit)")
    parser.add_argument(
        "--timeout", type=float, default=60, help="s for a request and its answer (default: 60)"
    )
    parser.add_argument("--grace", type=float, default=30, help="s to answer requests at the end (default: 30)")
    arguments = parser.parse_args()
    for name in ("replicas", "threads", "max_batch_size", "max_bytes", "max_queue"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1. Received: --{name}={getattr(arguments, name)}")
    for name in ("max_wait", "rate", "timeout", "grace"):
        if not 0 <= getattr(arguments, name) < float("inf"):
            parser.error(f"--{name} must be 0 or more. Received: --{name}={getattr(arguments, name)}")
    arguments.name = arguments.name or pathlib.Path(arguments.model).stem
    if not re.fullmatch(r"[\w.-]+", arguments.name):
        parser.error(f"--name must be of letters, digits, `_`, `.`, `-`. Received: --name={arguments.name}")
    return arguments


class Replica:
    """A process that runs the network, with its own batches.

    Args:
        model: bytes of the .onnx file, so that other machines need no copy.
        name: the model's name in paths.
        threads: CPU threads.
        limits: dict of the flags `LIMITS`.
    """

    def __init__(self, model, name, threads, limits):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, f"{name}.onnx")
            path.write_bytes(model)
            self.network = Network(str(path), threads)
        self.name, self.limits = name, limits
        self.rate = protocol.RateLimit(limits["rate"])
        zeros = np.zeros((1, *self.network.shape), self.network.dtype)
        scores_shape = self.network.scores(zeros).shape[1:]  # ready means: it has run
        samples = limits["max_batch_size"]
        self.metadata = protocol.model_metadata(name, self.network, scores_shape, samples)

        @serve.batch(
            max_batch_size=samples,
            batch_wait_timeout_s=limits["max_wait"] / 1e3,
            batch_size_fn=lambda requests: sum(map(len, requests)),
        )
        async def run_batch(requests):
            scores = await asyncio.to_thread(self.network.scores, np.concatenate(requests))
            return np.split(scores, np.cumsum([len(stimuli) for stimuli in requests])[:-1])

        self.run_batch = run_batch
        model_path = f"/v2/models/{name}"
        self.routes = {
            ("GET", "/v2"): self._server,
            ("GET", "/v2/health/live"): self._live,
            ("GET", "/v2/health/ready"): self._ready,
            ("POST", "/predict"): self._predict,
        }
        for path in (model_path, f"{model_path}/versions/{protocol.VERSION}"):
            self.routes[("GET", path)] = self._model
            self.routes[("GET", f"{path}/ready")] = self._model_ready
            self.routes[("POST", f"{path}/infer")] = self._infer

    async def __call__(self, request):
        try:
            return JSONResponse(await self._route(request)(request))
        except Refused as refused:
            return JSONResponse({"error": str(refused)}, refused.status, refused.headers)

    def _route(self, request):
        path = request.url.path.rstrip("/")
        if (request.method, path) in self.routes:
            return self.routes[request.method, path]
        methods = [method for method, known in self.routes if known == path]
        if methods:
            message = f"{path} takes {methods[0]}. Received: {request.method}"
            raise Refused(405, message, Allow=methods[0])
        known = ", ".join(dict.fromkeys(known for _, known in self.routes if "versions" not in known))
        raise Refused(404, f"The path must be one of {known}. Received: {path[:200]!r}")

    async def _server(self, request):
        return protocol.server_metadata()

    async def _live(self, request):
        return {"live": True}

    async def _ready(self, request):
        return {"ready": True}

    async def _model(self, request):
        return self.metadata

    async def _model_ready(self, request):
        return {"name": self.name, "ready": True}

    async def _predict(self, request):
        values, raw = protocol.parse_predict(await self._body(request))
        return protocol.predict_answer(self.network, await self._scores(values, raw))

    async def _infer(self, request):
        length = request.headers.get("inference-header-content-length")
        values, raw, identifier = protocol.parse_infer(await self._body(request), length)
        return protocol.infer_answer(self.name, identifier, await self._scores(values, raw))

    async def _scores(self, values, raw):
        stimuli = protocol.to_stimuli(self.network, values, raw, self.limits["max_batch_size"])
        return await self.run_batch(stimuli)

    async def _body(self, request):
        """Return the body, of which no more than the limit is kept."""
        self.rate.check(time.monotonic())
        encoding = request.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise Refused(415, f"A body must not be compressed. Received: Content-Encoding: {encoding[:40]}")
        body, length, max_bytes = bytearray(), 0, self.limits["max_bytes"]
        async for chunk in request.stream():
            length += len(chunk)
            if length <= max_bytes:
                body += chunk
            elif length > 10 * max_bytes:  # up to here the rest is read, since few clients listen as they send
                break
        protocol.check_length(length, max_bytes)
        return bytes(body)


def check_port(flag, host, port):
    """Raise BadInput if nothing can listen on the port of a flag, which the engine would only log."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            raise BadInput(
                f"--{flag} must be free on --host={host}. Received: --{flag}={port} ({error})"
            ) from error


def check_cluster():
    """Raise BadInput if the cluster that this process has joined serves something already."""
    if names := [*serve.status().applications]:
        raise BadInput(
            "--address must be of a cluster that serves nothing yet: it has one HTTP server, and one model "
            f"would replace the other. Received: a cluster that serves {', '.join(names)}. End that, or start "
            "a cluster for this model."
        )


def start(arguments):
    """Start Ray, or join its cluster, and the replicas; return when they are ready."""
    quiet = {"log_to_driver": False, "logging_level": "warning"}
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if arguments.address:
        ray.init(arguments.address, **quiet)
        check_cluster()
    else:
        ray.init(
            num_cpus=arguments.replicas * arguments.threads,
            include_dashboard=False,
            object_store_memory=100 * 2**20,  # requests pass it by
            _metrics_export_port=arguments.metrics_port,
            **quiet,
        )
    logs = {"log_level": "WARNING", "enable_access_log": False}
    http_options = {
        "host": arguments.host,
        "port": arguments.port,
        "request_timeout_s": arguments.timeout or None,
    }
    serve.start(http_options=http_options, logging_config=logs)
    deployment = serve.deployment(
        Replica,
        num_replicas=arguments.replicas,
        ray_actor_options={"num_cpus": arguments.threads},
        max_ongoing_requests=2 * arguments.max_batch_size,  # one batch runs while the next gathers
        max_queued_requests=arguments.max_queue,
        health_check_period_s=2,
        health_check_timeout_s=30,
        graceful_shutdown_timeout_s=arguments.grace,
        graceful_shutdown_wait_loop_s=0.1,
        logging_config=logs,
    )
    limits = {name: getattr(arguments, name) for name in LIMITS}
    model = pathlib.Path(arguments.model).expanduser().read_bytes()
    serve.run(deployment.bind(model, arguments.name, arguments.threads, limits), name=APP)


def stop():
    """Take the replicas away, which answer their requests first, and end what `start` has started."""
    serve.delete(APP)
    time.sleep(0.5)  # for the last answers on their way through the proxy
    if not serve.status().applications:  # of somebody else, who has joined the cluster since
        serve.shutdown()
    ray.shutdown()


def main():
    arguments = parse_arguments()
    try:
        Network(arguments.model, 1)
        if not arguments.address:
            check_port("port", arguments.host, arguments.port)
            check_port("metrics_port", arguments.host, arguments.metrics_port)
        start(arguments)
    except BadInput as error:
        raise SystemExit(f"error: {error}") from error
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    print(f"{arguments.name} is served at http://{arguments.host}:{arguments.port}", flush=True)
    ended.wait()
    stop()


if __name__ == "__main__":
    main()
