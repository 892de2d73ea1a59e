"""Run network files in one runtime: a process that obeys lines of JSON, with NumPy and the runtime alone.

    .venv-peers/runtimes/bin/python benchmarks/runtimes/worker.py openvino

Each line gets one line of JSON as its answer, which may be `{"error": TEXT}` in place. An array is the path of
a file of its bytes, its shape and type. `node.mjs` obeys the same lines.

- `{"do": "open", "path": FILE, "outputs": NAMES}`: `{}`. What a runtime compiles lies beside the file.
- `{"do": "run", "x": ARRAY, "folder": FOLDER, "seconds": S, "least": N}`: runs samples one by one for S
  seconds, and N at least, after a first call that does not count, as some runtimes compile in it. The outputs
  are written, 0.bin and so on: `{"shapes": SHAPES}`, `(samples, 1, ...)`.
- `{"do": "batch", "x": ARRAY}`: runs all samples as one batch: `{"shapes": SHAPES}`, `(samples, ...)`.
- `{"do": "time", "x": ARRAY, "seconds": S}`: runs the first sample for S seconds: `{"median": SECONDS}`.
"""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

THREADS = 1


# Each of these opens a file, and returns a function from a batch `(batch, ...)` to the list of outputs.


def open_onnxruntime(path, names):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(names, {"stimulus": x})


def open_openvino(path, names):
    import openvino

    # By default it computes in bfloat16 on CPUs that can, which moves membranes across their threshold.
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    core, requests = openvino.Core(), {}

    def run(x):
        if x.shape not in requests:  # networks of known shapes are faster
            model = core.read_model(path)
            model.reshape(x.shape)
            compiled = core.compile_model(model, "CPU", {**options, "INFERENCE_NUM_THREADS": THREADS})
            requests[x.shape] = compiled.create_infer_request()
        outputs = requests[x.shape].infer([x], share_inputs=True)
        return [outputs[name] for name in names]

    return run


def open_litert(path, names):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=THREADS)
    runner = interpreter.get_signature_runner()

    def run(x):
        outputs = runner(stimulus=x)
        return [outputs[name] for name in names]

    return run


def open_opencv(path, names):
    import cv2

    cv2.setNumThreads(THREADS)
    network = cv2.dnn.readNetFromONNX(path)

    def run(x):
        network.setInput(x, "stimulus")
        return network.forward(names)

    return run


def open_mnn(path, names):
    import MNN

    converted = compiled_file(path, ".mnn")
    if not converted.exists():
        program = "import sys; from MNN.tools import mnnconvert; sys.argv[0] = 'mnnconvert'; mnnconvert.main()"
        options = ["-f", "ONNX", "--modelFile", path, "--MNNModel", str(converted), "--bizCode", "MNN"]
        call([sys.executable, "-c", program, *options])
    manager = MNN.nn.create_runtime_manager(({"backend": 0, "numThread": THREADS, "precision": "high"},))
    network = MNN.nn.load_module_from_file(str(converted), ["stimulus"], names, runtime_manager=manager)

    def run(x):
        kind = MNN.expr.dtype.float if x.dtype == "float32" else MNN.expr.dtype.int
        return [y.read() for y in network.forward([MNN.expr.const(x, [*x.shape], MNN.expr.NCHW, kind)])]

    return run


def open_iree(path, names):
    import iree.compiler
    import iree.runtime

    binary = compiled_file(path, ".vmfb")
    if not binary.exists():
        source = str(binary.with_suffix(".mlir"))
        call([sys.executable, "-m", "iree.compiler.tools.import_onnx", path, "-o", source])
        options = {"target_backends": ["llvm-cpu"], "extra_args": ["--iree-llvmcpu-target-cpu=host"]}
        iree.compiler.compile_file(source, output_file=str(binary), **options)
    module = iree.runtime.load_vm_flatbuffer_file(str(binary), driver="local-sync")
    (function,) = [
        name for name in module.vm_module.function_names if "$async" not in name and "__" not in name
    ]

    def run(x):
        outputs = module[function](x)
        return [np.asarray(y) for y in (outputs if isinstance(outputs, tuple | list) else [outputs])]

    return run


def open_reference(path, names):
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(path)
    return lambda x: evaluator.run(names, {"stimulus": x})


# By name: the package that is installed, and the function.
RUNTIMES = {
    "onnxruntime": ("onnxruntime", open_onnxruntime),
    "openvino": ("openvino", open_openvino),
    "litert": ("ai-edge-litert", open_litert),
    "opencv": ("opencv-python-headless", open_opencv),
    "reference": ("onnx", open_reference),
    "mnn": ("MNN", open_mnn),
    "iree": ("iree-base-compiler", open_iree),
}


def compiled_file(path, suffix):
    """Return the path of a compiled file, without that of an earlier version of the source."""
    compiled, source = pathlib.Path(path).with_suffix(suffix), pathlib.Path(path)
    if compiled.exists() and compiled.stat().st_mtime < source.stat().st_mtime:
        compiled.unlink()
    return compiled


def call(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode or "rror" in done.stdout:
        raise RuntimeError(done.stdout)


class Worker:
    """The runtime's function for the open file."""

    def __init__(self, name):
        self.open_file = RUNTIMES[name][1]

    def open(self, path, outputs):
        self.run_batch = self.open_file(path, outputs)
        return {}

    def run(self, x, folder, seconds, least):
        x, collected = read_array(x), []
        self.run_batch(x[:1])
        end = time.monotonic() + seconds
        for i in range(len(x)):
            if i >= least and time.monotonic() > end:
                break
            collected.append([np.array(y, "float32") for y in self.run_batch(x[i : i + 1])])
        outputs = [np.stack(values) for values in zip(*collected, strict=True)]
        for i, values in enumerate(outputs):
            values.tofile(pathlib.Path(folder, f"{i}.bin"))
        return {"shapes": [values.shape for values in outputs]}

    def batch(self, x):
        return {"shapes": [np.shape(y) for y in self.run_batch(read_array(x))]}

    def time(self, x, seconds):
        x = read_array(x)[:1]
        end, measured = time.monotonic() + seconds, []
        while not measured or time.monotonic() < end:
            start = time.perf_counter()
            self.run_batch(x)
            measured.append(time.perf_counter() - start)
        return {"median": statistics.median(measured)}


def read_array(described):
    return np.fromfile(described["path"], described["type"]).reshape(described["shape"])


def main(name):
    package, _ = RUNTIMES[name]
    # Runtimes print to the standard output, where the answers go.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        answer = {"version": importlib.metadata.version(package)}
    except importlib.metadata.PackageNotFoundError:
        answer = {"error": "not installed"}
    print(json.dumps(answer), file=answers, flush=True)
    worker = Worker(name)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # runtimes raise what they like
            answer = {"error": f"{error}" or repr(error)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(sys.argv[1])
