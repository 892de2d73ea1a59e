"""Processes that run files, one for each runtime."""

import json
import pathlib
import subprocess
import sys
import tempfile
import threading

import numpy as np

from benchmarks.runtimes import worker

HERE = pathlib.Path(__file__).parent
ENVIRONMENT = HERE.parents[1] / ".venv-peers" / "runtimes" / "bin" / "python"
NODE = ("onnxruntime-node", "onnxruntime-web")
NAMES = (*worker.RUNTIMES, *NODE)
SLOWEST = 5  # seconds of a sample, from which on a runtime gives no answer in time


class Refused(Exception):
    """A runtime does not open or run a file."""


class Runtime:
    """The process of a runtime; `version` is None where it is not installed.

    Args:
        name: of `NAMES`.
        timeout: seconds after which an answer counts as a refusal.
    """

    def __init__(self, name, timeout=90):
        self.name, self.timeout, self.process = name, timeout, None
        self.folder = tempfile.TemporaryDirectory()
        self.suffix = ".tflite" if name == "litert" else ".onnx"
        self.start()

    def start(self):
        """Start the process, again after a crash."""
        python = ENVIRONMENT if ENVIRONMENT.exists() else sys.executable
        command = ["node" if self.name in NODE else python, str(self.script()), self.name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        try:
            self.process = subprocess.Popen(command, text=True, **pipes)
            self.version = json.loads(self.process.stdout.readline()).get("version")
        except (FileNotFoundError, json.JSONDecodeError):
            self.version = None

    def ask(self, do, extra_time=0, **request):
        """Return the answer to a request.

        Args:
            do: its name, see `worker.py`.
            extra_time: seconds for which it may take longer than others.
            **request: what belongs to it.

        Raises:
            Refused: the answer is an error, or the process ended.
        """
        timeout = self.timeout + extra_time
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        try:
            print(json.dumps({"do": do, **request}), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        expired = not timer.is_alive()
        timer.cancel()
        if not line:
            code = self.process.wait()
            self.start()
            raise Refused(f"no answer in {timeout:g} s" if expired else f"the process ended with code {code}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def file(self, stem):
        """Return the path of the file `stem` for the runtime, or of the reason why there is none."""
        path = stem.with_name(stem.name + self.suffix)
        return path if path.exists() else path.with_name(f"{path.name}.txt")

    def open(self, stem, outputs):
        """Open the file `stem` with the runtime's suffix."""
        path = self.file(stem)
        if path.suffix == ".txt":
            raise Refused(path.read_text())
        self.ask("open", path=str(path), outputs=list(outputs))

    def script(self):
        """Return the path of the program that the process runs."""
        return HERE / ("node.mjs" if self.name in NODE else "worker.py")

    def array(self, x):
        path = pathlib.Path(self.folder.name, "x")
        np.ascontiguousarray(x).tofile(path)
        return {"path": str(path), "shape": x.shape, "type": str(x.dtype)}

    def run(self, x, seconds, least):
        """Return the outputs for as many samples as fit into some seconds, and for `least` of them anyhow."""
        request = {"x": self.array(x), "folder": self.folder.name, "seconds": seconds, "least": least}
        answer = self.ask("run", extra_time=seconds + SLOWEST * least, **request)
        paths = [pathlib.Path(self.folder.name, f"{i}.bin") for i in range(len(answer["shapes"]))]
        return [np.fromfile(p, "float32").reshape(s) for p, s in zip(paths, answer["shapes"], strict=True)]

    def close(self):
        """End the process."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
        self.folder.cleanup()
