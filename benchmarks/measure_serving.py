"""Measure `export/serve_http.py` under load on this machine: no answer may be lost or another input's.

    .venv/bin/python -m benchmarks.measure_serving --output=runs/serving.md

Needs `make .venv/.ready-serving-http`. Exports a preset, starts the server on 127.0.0.1, and sends each request
with an input of its own from concurrent clients; every answer is compared with that of ONNX Runtime. Then kills
one of the server's processes under load, and at last ends the server while it computes. Takes one to three
minutes. Prints tables, and fails if an answer is lost or wrong.
"""

from benchmarks import _results  # isort: skip, before Keras

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
ROOT = pathlib.Path(__file__).parents[1]
flags.DEFINE_string("preset", "mnist_dense", "Preset to serve.")
flags.DEFINE_integer("requests", 1000, "Requests of each row.", lower_bound=10)
flags.DEFINE_list(
    "concurrency", ["1", "8", "32"], "Clients at once; the worker is killed under the last number."
)
flags.DEFINE_integer("replicas", 2, "Processes that run the network.", lower_bound=2)
flags.DEFINE_integer("max_batch_size", 64, "Samples of a batch.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page.")

LOAD = [
    "clients",
    "requests",
    "lost",
    "mixed up",
    "sent again",
    "p50, ms",
    "p99, ms",
    "requests/s",
    "difference",
]
END = ["answered", "refused", "broken off", "exit status"]
TRIES, TIMEOUT = 20, 60  # of a request; s of each
TOLERANCE = 1e-4


def free_port():
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def server(path, *arguments):
    """Start the server of an .onnx file; yield its process and URL when it is ready, and end it.

    Args:
        path: path of the file.
        arguments: further flags of `export/serve_http.py`.
    """
    port = free_port()
    command = [sys.executable, ROOT / "export" / "serve_http.py", path, f"--port={port}", *arguments]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            if "is served at" not in process.stdout.readline():
                log.seek(0)
                raise RuntimeError(f"The server did not start: {log.read()}")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)


def replicas(process):
    """Return the ids of the processes that run the network for the server in `process`."""
    return {pid for pid, (_, name) in processes(process).items() if "ServeReplica:" in name}


def processes(process):
    """Return the resident KiB and the names of a server's processes, by id."""
    columns = ["ps", "-eo", "pid=,ppid=,rss=,args="]
    listed = subprocess.run(columns, capture_output=True, text=True, check=True).stdout
    rows = {int(row[0]): row[1:] for row in (line.split(None, 3) for line in listed.splitlines())}

    def belongs(pid):
        return pid == process.pid or (pid in rows and belongs(int(rows[pid][0])))

    return {pid: (int(kilobytes), name) for pid, (_, kilobytes, name) in rows.items() if belongs(pid)}


@dataclasses.dataclass
class Load:
    """Scores and seconds of the answers, tries beyond the first, requests never answered, and s of them all."""

    scores: dict
    seconds: list
    again: int
    lost: int
    elapsed: float


async def send(url, name, stimuli, clients, halfway=None):
    """Send each stimulus in a request of its own and return a `Load`.

    Args:
        url: of the server.
        name: of the model.
        stimuli: array, `(samples, ...)`.
        clients: number of requests at once.
        halfway: function that is called when half of the requests are sent.
    """
    import aiohttp

    load, waiting, start = Load({}, [], 0, 0, 0.0), iter(range(len(stimuli))), time.perf_counter()
    path = f"{url}/v2/models/{name}/infer"

    async def try_once(session, i):
        try:
            async with session.post(path, data=infer_body(stimuli[i : i + 1], i)) as response:
                if response.status >= 500:
                    return None
                answer = await response.json()
        except aiohttp.ClientError:
            return None
        assert response.status == 200, answer
        assert answer["id"] == str(i)
        return np.array(answer["outputs"][0]["data"], "float32")

    async def client(session):
        for i in waiting:
            if i == len(stimuli) // 2 and halfway:
                halfway()
            sent = time.perf_counter()
            for attempt in range(TRIES):
                scores = await try_once(session, i)
                if scores is not None:
                    load.scores[i] = scores
                    load.seconds.append(time.perf_counter() - sent)
                    break
                load.again += attempt + 1 < TRIES
                await asyncio.sleep(0.5)
            else:
                load.lost += 1

    timeout = aiohttp.ClientTimeout(TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, headers={"Content-Type": "application/json"}) as session:
        await asyncio.gather(*[client(session) for _ in range(clients)])
    load.elapsed = time.perf_counter() - start
    return load


def infer_body(stimuli, identifier):
    """Return the body of a V2 inference request."""
    tensor = {"name": "stimulus", "shape": list(stimuli.shape), "datatype": "FP32"}
    return json.dumps({"id": str(identifier), "inputs": [{**tensor, "data": stimuli.ravel().tolist()}]})


def mixed_up(scores, direct):
    """Return how many answers are nearer to the direct scores of another input than to those of their own."""
    count = 0
    for i, values in scores.items():
        distances = np.abs(direct - values).max(axis=1)
        count += int(distances[i] > TOLERANCE and distances.argmin() != i)
    return count


def largest_difference(scores, direct):
    return max(float(np.abs(direct[i] - values).max()) for i, values in scores.items())


def load_row(clients, load, direct):
    """Return the table's row of a load."""
    p50, p99 = np.percentile(load.seconds, [50, 99]) * 1e3
    rate, difference = len(load.scores) / load.elapsed, largest_difference(load.scores, direct)
    counts = [clients, len(direct), load.lost, mixed_up(load.scores, direct), load.again]
    return [*counts, f"{p50:.1f}", f"{p99:.1f}", f"{rate:.0f}", f"{difference:.1g}"]


def measure_kill(process, url, name, stimuli, clients):
    """Kill a replica under load; return the load, and s until another process has replaced it."""
    before, killed = replicas(process), []

    def kill():
        killed.append(time.perf_counter())
        os.kill(min(before), signal.SIGKILL)

    load = asyncio.run(send(url, name, stimuli, clients, kill))
    while len(replicas(process) - {min(before)}) < len(before):
        if time.perf_counter() - killed[0] > 60:
            raise RuntimeError("The killed process was not replaced within 60 s.")
        time.sleep(0.1)
    return load, time.perf_counter() - killed[0]


def measure_end(process, url, name, stimuli, requests=16):
    """Send requests of many samples, end the server while it computes, and count what became of them.

    Returns:
        Counts of requests answered, refused and broken off, and the server's exit status.
    """
    import aiohttp

    async def post(session, i):
        try:
            async with session.post(f"{url}/v2/models/{name}/infer", data=infer_body(stimuli, i)) as response:
                answer = await response.text()
                return (
                    "answered" if response.status == 200 and json.loads(answer)["id"] == str(i) else "refused"
                )
        except aiohttp.ClientConnectorError:
            return "refused"  # the port is closed
        except aiohttp.ClientError:
            return "broken off"

    async def send_and_end():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT)) as session:
            sent = [asyncio.create_task(post(session, i)) for i in range(requests)]
            await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            process.terminate()
            return await asyncio.gather(*sent)

    outcomes = asyncio.run(send_and_end())
    return [*(outcomes.count(name) for name in ("answered", "refused", "broken off")), process.wait(60)]


def export_preset(path):
    from keras_bsd.applications import load_preset
    from keras_bsd.export import export_onnx

    export_onnx(load_preset(FLAGS.preset), path, labels=FLAGS.preset)


def direct_scores(path, stimuli):
    """Return ONNX Runtime's scores of each stimulus, and its seconds for one alone."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    seconds, scores = [], []
    for stimulus in stimuli:
        start = time.perf_counter()
        scores.append(session.run(["scores"], {"stimulus": stimulus[None]})[0][0])
        seconds.append(time.perf_counter() - start)
    return np.array(scores), np.median(seconds)


def nearest(scores):
    """Return the smallest distance between the scores of two inputs: below it answers cannot be mistaken."""
    return min(
        np.abs(np.delete(scores, i, axis=0) - values).max(axis=1).min() for i, values in enumerate(scores)
    )


NOTE = """\
Each request holds one input of its own, in JSON. `difference` is the largest between an answer's scores and
those of ONNX Runtime for that input alone; the scores of any two inputs differ by at least {nearest:.1g}. An
answer nearer to another input's scores is mixed up. Requests that fail are sent again, and counted; their time
runs from the first try."""


def measure(folder):
    """Return the page's paragraphs and tables, and whether all answers were right."""
    path, name = str(folder / f"{FLAGS.preset}.onnx"), FLAGS.preset
    export_preset(path)
    import onnxruntime

    shape = onnxruntime.InferenceSession(path).get_inputs()[0].shape[1:]
    stimuli = np.random.default_rng(0).random((FLAGS.requests, *shape), dtype="float32").round(4)
    direct, alone = direct_scores(path, stimuli)
    limits = [f"--replicas={FLAGS.replicas}", f"--max_batch_size={FLAGS.max_batch_size}"]
    rows, start = [], time.perf_counter()
    with server(path, *limits, f"--metrics_port={free_port()}") as (process, url):
        started = time.perf_counter() - start
        asyncio.run(send(url, name, stimuli[:50], 4))  # warm-up
        for clients in map(int, FLAGS.concurrency):
            load = asyncio.run(send(url, name, stimuli, clients))
            rows.append(load_row(clients, load, direct))
        load, replaced = measure_kill(process, url, name, stimuli, clients)
        rows.append(load_row(f"{clients}, a replica killed", load, direct))
        kilobytes = [resident for resident, _ in processes(process).values()]
        batch = np.tile(stimuli[:1], (FLAGS.max_batch_size, *[1] * (stimuli.ndim - 1)))
        end = measure_end(process, url, name, batch)
    body = [
        NOTE.format(nearest=nearest(direct)),
        _results.print_rows(LOAD, rows),
        f"The server was ready after {started:.0f} s; the killed replica was replaced after {replaced:.0f} s. "
        f"ONNX Runtime takes {alone * 1e3:.2f} ms for an input alone, without a server. "
        f"The server's {len(kilobytes)} processes hold {sum(kilobytes) / 2**20:.1f} GiB, "
        "with what they share counted in each.",
        "## End of the server",
        f"SIGTERM while it computes {sum(end[:3])} requests of {FLAGS.max_batch_size} samples each:",
        _results.print_rows(END, [end]),
    ]
    wrong = sum(row[LOAD.index("lost")] + row[LOAD.index("mixed up")] for row in rows)
    return body, not wrong and not end[END.index("broken off")] and not end[-1]


def main(_):
    with tempfile.TemporaryDirectory() as folder:
        body, right = measure(pathlib.Path(folder))
    if FLAGS.output:
        facts = [(name, FLAGS[name].value) for name in ("preset", "replicas", "max_batch_size")]
        packages = ["onnxruntime", "ray"]
        _results.write_page(FLAGS.output, "Serving many requests", *body, packages=packages, facts=facts)
    if not right:
        raise SystemExit("Answers were lost, mixed up or broken off.")


if __name__ == "__main__":
    app.run(main)
