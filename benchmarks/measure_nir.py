"""Count the spikes that NIR files have alike in Keras and in the packages that read and write them.

    make peers && .venv/bin/python -m benchmarks.measure_nir

Random networks of each kind, with random weights, on random stimuli; a package without an environment is left
out. Prints Markdown tables; `--output` writes them as a page, and beside it a record in JSON.
"""

from benchmarks import _results  # isort: skip, before Keras

import json
import pathlib
import re
import tempfile

import keras
import numpy as np
from absl import app, flags

from benchmarks import nir_networks, nir_peers
from keras_bsd.export import from_nir, to_nir
from keras_bsd.export._nir_packages import READERS, UNABLE
from keras_bsd.layers import SpikingLIF

FLAGS = flags.FLAGS
flags.DEFINE_integer("seeds", 5, "Networks of each kind.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page for the tables.")

# What `from_nir` must be told of each package's files, besides the reset.
TIME_STEPS = {"snntorch": None, "spikingjelly": 1e-4, "norse": 1e-3}
KINDS = {"dense": "dense", "conv": "Conv2d", "pool": "Conv2d, AvgPool2d, Flatten, Linear"}
ORDER = [
    *nir_networks.NETWORKS,
    *(f"{kind}, {reset} reset" for kind in KINDS.values() for reset in ("hard", "soft", "no")),
]
FOR_READERS = """Networks written by `to_nir(network, path, reader=...)` and run by the reader's own import:
outputs that equal those of Keras, of all at all time steps. For what is refused `to_nir` raises an error before
it writes."""
BY_DEFAULT = """The same networks written by `to_nir(network, path)`, which is what NIR defines."""
FROM_WRITERS = """Networks of the packages, exported by them and read by
`from_nir(path, written_by=..., reset=..., dt=...)`: outputs equal to those in the package."""
OTHERS = """Spikes by time step of a neuron with soft reset, for a leak of 0.8, a threshold of 1 and a current
of 2.4 at the first time step. `to_nir` and `from_nir` refuse Sinabs, Rockpool and Spyx as a whole, and
`from_nir` the soft reset of snnTorch."""


def count_equal(folder, expected):
    """Return by name the outputs equal to those expected, of how many, or the error of a package."""
    results = {}
    for name, spikes in expected.items():
        error, path = folder / f"{name}.txt", folder / f"{name}.npy"
        if error.exists():
            results[name] = error.read_text()
            continue
        found = np.load(path)
        if found.size != spikes.size:
            results[name] = f"outputs of shape {found.shape[2:]} in place of {spikes.shape[2:]}"
        else:
            results[name] = int((found.reshape(spikes.shape) == spikes).sum()), spikes.size
    return results


def run_in(peer, networks, reader):
    """Return by kind of network the result of each of its networks in a package, and the package's versions."""
    results, expected = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for (kind, seed), (network, x) in networks.items():
            path = folder / f"{kind}-{seed}.nir"
            try:
                graph = to_nir(network, path, reader=reader)
            except ValueError as error:
                results.setdefault(kind, []).append(f"refused: {error}")
                continue
            np.savez(path.with_suffix(".npz"), x=nir_networks.graph_inputs(graph, x))
            expected[f"{kind}-{seed}"] = nir_networks.by_step(network(x))
        nir_peers.call(peer, folder)
        for name, result in count_equal(folder, expected).items():
            results.setdefault(name.rpartition("-")[0], []).append(result)
        return results, json.loads((folder / "versions.json").read_text())


def read_from(peer):
    """Return by kind of network the result of each file of a package."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        nir_peers.call(peer, folder, "--export")
        for path in sorted(pathlib.Path(folder).glob("*.nir")):
            record = np.load(path.with_suffix(".npz"))
            network = from_nir(path, peer, str(record["reset"]), TIME_STEPS[peer])
            x, spikes = (nir_networks.from_step(record[name]) for name in ("x", "outputs"))
            equal = keras.ops.convert_to_numpy(network(x)) == spikes
            kind, reset, _ = path.stem.split("-")
            name = f"{KINDS[kind]}, {reset} reset" if reset != "none" else f"{KINDS[kind]}, no reset"
            results.setdefault(name, []).append((int(equal.sum()), equal.size))
    return results


def cell(results):
    """Return a short text for the results of networks of a kind, or of none."""
    if results is None:
        return ""
    counts = [result for result in results if not isinstance(result, str)]
    if counts:
        equal, total = (sum(numbers) for numbers in zip(*counts, strict=True))
        text = f"all {total}" if equal == total else f"{equal} of {total}"
        failed = len(results) - len(counts)
        return f"{text}; {failed} of {len(results)} fail" if failed else text
    return "refused" if results[0].startswith("refused") else "fails"


def notes(columns):
    """Return a list item for each error and refusal, those that differ in numbers alone together."""
    found = {}
    for peer, results in columns.items():
        for kind, values in results.items():
            for value in (value for value in values if isinstance(value, str)):
                text = re.sub(r"^refused: (Layer '\w+' cannot be written to NIR: )?", "", value).strip()
                text = re.split(r"\. (?:Received|Train)|\n", text)[0]
                kinds = found.setdefault((peer, re.sub(r"[\d, ]+", "", text)), (text, {}))[1]
                kinds[kind] = None
    return "\n".join(f"- {peer}: {text} ({'; '.join(kinds)})" for (peer, _), (text, kinds) in found.items())


def table(columns):
    kinds = [kind for kind in dict.fromkeys(ORDER) if any(kind in results for results in columns.values())]
    rows = [[kind, *(cell(results.get(kind)) for results in columns.values())] for kind in kinds]
    return _results.table(["network", *columns], rows)


def probe(peer):
    """Return the spikes of a package's neuron by time step."""
    with tempfile.TemporaryDirectory() as folder:
        nir_peers.call(peer, folder, "--probe")
        return np.load(pathlib.Path(folder, "spikes.npy")).tolist()


def own_spikes():
    currents = np.array([2.4, 0, 0, 0], "float32").reshape(1, -1, 1)
    spikes = SpikingLIF(beta=0.8, threshold=1.0, reset="soft")(currents)
    return keras.ops.convert_to_numpy(spikes).ravel().tolist()


def measure(peers):
    """Return the record: results by package and kind of network, and versions."""
    kinds = [(kind, seed) for kind in nir_networks.NETWORKS for seed in range(FLAGS.seeds)]
    networks = {(kind, seed): nir_networks.make(kind, seed) for kind, seed in kinds}
    record = {"for_readers": {}, "by_default": {}, "of_writers": {}, "packages": {}, "spikes": {}}
    record["spikes"]["keras_bsd"] = own_spikes()
    for peer in peers:
        record["by_default"][peer], record["packages"][peer] = run_in(peer, networks, None)
        if peer in READERS:
            record["for_readers"][peer], _ = run_in(peer, networks, peer)
            record["of_writers"][peer] = read_from(peer)
        if peer in nir_peers.PROBES:
            record["spikes"][peer] = probe(peer)
    return record


def page(record):
    """Return the paragraphs and tables of a page."""
    written = {  # without what no reader gets
        peer: {kind: values for kind, values in results.items() if cell(values) != "refused"}
        for peer, results in record["by_default"].items()
    }
    packages = [
        [peer, ", ".join(f"{name} {version}" for name, version in versions.items())]
        for peer, versions in record["packages"].items()
    ]
    spikes = [[peer, *(f"{n:g}" for n in values)] for peer, values in record["spikes"].items()]
    return [
        _results.table(["package", "versions"], packages),
        "## Files for a reader",
        *(FOR_READERS, table(record["for_readers"]), notes(record["for_readers"])),
        "## Files by default",
        *(BY_DEFAULT, table(written), notes(written)),
        "## Files of others",
        *(FROM_WRITERS, table(record["of_writers"])),
        "## Other neurons",
        *(OTHERS, _results.table(["package", "1", "2", "3", "4"], spikes)),
    ]


def main(_):
    peers = [peer for peer in (*READERS, *UNABLE) if nir_peers.find_python(peer)]
    if not peers:
        raise app.UsageError("No package has an environment: make peers")
    record = measure(peers)
    body = page(record)
    print("\n\n".join(body))
    if FLAGS.output:
        _results.write_page(FLAGS.output, "NIR files in other packages", *body, packages=["nir"])
        _results.write_record(pathlib.Path(FLAGS.output).with_suffix(".json"), record, packages=["nir"])


if __name__ == "__main__":
    app.run(main)
