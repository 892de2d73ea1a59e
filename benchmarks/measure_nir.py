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

FLAGS = flags.FLAGS
flags.DEFINE_integer("seeds", 5, "Networks of each kind.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page for the tables.")

# What `from_nir` must be told of each package's files, besides the reset.
TIME_STEPS = {"snntorch": None, "spikingjelly": 1e-4, "norse": 1e-3}
FOR_READERS = """Networks written by `to_nir(network, path, reader=...)` and run by the reader's own import: outputs
equal to those of Keras, of all outputs at all time steps. For what is refused `to_nir` raises an error before a
file is written."""
BY_DEFAULT = """The same networks written by `to_nir(network, path)`, which is what NIR defines."""
FROM_WRITERS = """Networks of the packages, exported by them and read by
`from_nir(path, written_by=..., reset=..., dt=...)`: outputs equal to those in the package."""


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
            results.setdefault(f"{kind}, {reset} reset", []).append((int(equal.sum()), equal.size))
    return results


def cell(results):
    """Return a short text for the results of networks of a kind."""
    counts = [result for result in results if not isinstance(result, str)]
    if counts:
        equal, total = (sum(numbers) for numbers in zip(*counts, strict=True))
        text = f"all {total}" if equal == total else f"{equal} of {total}"
        failed = len(results) - len(counts)
        return f"{text}; {failed} of {len(results)} fail" if failed else text
    return "refused" if results[0].startswith("refused") else "fails"


def notes(columns):
    """Return a list item for each error and refusal, those of one text together."""
    found = {}
    for peer, results in columns.items():
        for kind, values in results.items():
            for value in {value for value in values if isinstance(value, str)}:
                text = re.sub(r"^refused: (Layer '\w+' cannot be written to NIR: )?", "", value).strip()
                text = re.split(r"\. (Received|Train)|\n", text)[0]
                found.setdefault((peer, text), []).append(kind)
    lines = [
        f"- {peer}: {text[:160]} ({'; '.join(dict.fromkeys(kinds))})" for (peer, text), kinds in found.items()
    ]
    return "\n".join(lines)


def table(columns):
    kinds = dict.fromkeys(kind for results in columns.values() for kind in results)
    rows = [
        [kind, *(cell(results[kind]) if kind in results else "" for results in columns.values())]
        for kind in kinds
    ]
    return _results.table(["network", *columns], rows)


def main(_):
    peers = [peer for peer in (*READERS, *UNABLE) if nir_peers.find_python(peer)]
    if not peers:
        raise app.UsageError("No package has an environment: make peers")
    networks = {
        (kind, seed): nir_networks.make(kind, seed)
        for kind in nir_networks.NETWORKS
        for seed in range(FLAGS.seeds)
    }
    chosen, default, read, versions = {}, {}, {}, {}
    for peer in peers:
        default[peer], versions[peer] = run_in(peer, networks, None)
        if peer in READERS:
            chosen[peer], _ = run_in(peer, networks, peer)
            read[peer] = read_from(peer)
    installed = [
        [peer, ", ".join(f"{name} {n}" for name, n in found.items())] for peer, found in versions.items()
    ]
    unable = "\n".join(f"- {peer}: {why}." for peer, why in UNABLE.items())
    body = [
        _results.table(["package", "versions"], installed),
        "## Files for a reader",
        FOR_READERS,
        table(chosen),
        notes(chosen),
        f"`to_nir` refuses these readers, and `from_nir` their files, because no network spikes alike there:\n\n{unable}",
        "## Files by default",
        BY_DEFAULT,
        table(default),
        notes(
            {
                peer: {k: v for k, v in results.items() if cell(v) != "refused"}
                for peer, results in default.items()
            }
        ),
        "## Files of others",
        FROM_WRITERS,
        table(read),
    ]
    print("\n\n".join(body))
    if FLAGS.output:
        _results.write_page(FLAGS.output, "NIR files in other packages", *body, packages=["nir"])
        record = {"for_readers": chosen, "by_default": default, "of_writers": read, "packages": versions}
        _results.write_record(pathlib.Path(FLAGS.output).with_suffix(".json"), record, packages=["nir"])


if __name__ == "__main__":
    app.run(main)
