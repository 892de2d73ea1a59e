"""Other packages run our NIR files, and we run theirs, spike for spike: `make test-peers`."""

import keras
import numpy as np
import pytest

from benchmarks import nir_networks, nir_peers
from keras_bsd.export import from_nir, to_nir
from keras_bsd.export._nir_packages import READERS, UNABLE, WRITERS
from keras_bsd.layers import SpikingLIF

# What to_nir refuses for each package, and the words of its error.
REFUSED = {
    "snntorch": {"Conv1D": "needs the node Conv1d, which snnTorch"},
    "spikingjelly": {"dense, no memory": "SpikingJelly .* forgotten at each time step"},
    "norse": {"Conv1D": "needs the node Conv1d, which Norse"},
}
ALWAYS = {
    "dense, soft reset": "have reset='soft'",
    "dense, no reset": "have reset='none'",
    "recurrent": "its feedback goes from element to element",
}
# Spikes of those that `to_nir` and `from_nir` refuse as a whole, where this library has 1 and 1.
OTHERS = {"sinabs": [2, 0], "rockpool": [2, 0], "spyx": [0, 1]}
SEEDS = range(3)


def require(peer):
    if nir_peers.find_python(peer) is None:
        pytest.skip(f"no environment of {peer}: make test-peers")
    return peer


@pytest.fixture(scope="module", params=READERS)
def peer(request):
    return require(request.param)


def test_others_run_our_files(peer, tmp_path):
    expected = {}
    for name, seed in [(name, seed) for name in nir_networks.NETWORKS for seed in SEEDS]:
        network, x = nir_networks.make(name, seed)
        path = tmp_path / f"{name}-{seed}.nir"
        if message := {**REFUSED[peer], **ALWAYS}.get(name):
            with pytest.raises(ValueError, match=message):
                to_nir(network, path, reader=peer)
            continue
        graph = to_nir(network, path, reader=peer)
        np.savez(path.with_suffix(".npz"), x=nir_networks.graph_inputs(graph, x))
        expected[path.stem] = nir_networks.by_step(network(x))
    nir_peers.call(peer, tmp_path)
    assert [path.read_text() for path in tmp_path.glob("*.txt")] == []
    for name, spikes in expected.items():
        found = np.load(tmp_path / f"{name}.npy")
        np.testing.assert_array_equal(found.reshape(spikes.shape), spikes, err_msg=name)


def test_we_run_the_files_of_others(peer, tmp_path):
    nir_peers.call(peer, tmp_path, "--export")
    paths = sorted(tmp_path.glob("*.nir"))
    assert len(paths) >= 6
    for path in paths:
        record = np.load(path.with_suffix(".npz"))
        network = read(path, peer, str(record["reset"]))
        x, spikes = (nir_networks.from_step(record[name]) for name in ("x", "outputs"))
        assert 0.01 < spikes.mean() < 0.99, path.name
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(network(x)), spikes, err_msg=path.name)


def test_each_package_is_read_and_written_or_refused():
    assert set(READERS) == set(WRITERS)
    assert set(OTHERS) == set(UNABLE)


def read(path, peer, reset):
    """Return the network of a file, read as the documentation says for its package."""
    if WRITERS[peer].resets_alike:
        with pytest.raises(ValueError, match="`reset` must be given, 'hard' or"):
            from_nir(path, peer, dt=WRITERS[peer].dt or 1e-3)
    if WRITERS[peer].dt is None:
        with pytest.raises(ValueError, match="`dt` must be given"):
            from_nir(path, peer, reset)
    return from_nir(path, peer, reset, {"snntorch": None, "spikingjelly": 1e-4, "norse": 1e-3}[peer])


@pytest.mark.parametrize(("name", "spikes"), [(None, [1, 1]), ("snntorch", [1, 0]), *OTHERS.items()])
def test_neurons_that_are_none_of_this_library(name, spikes, tmp_path):
    """One current of 2.4 thresholds, a leak of 0.8: why soft resets and whole packages are refused."""
    if name is None:
        currents = keras.ops.reshape([2.4, 0.0, 0.0, 0.0], (1, 4, 1))
        found = keras.ops.convert_to_numpy(SpikingLIF(0.8, threshold=1.0, reset="soft")(currents)).ravel()
    else:
        nir_peers.call(require(name), tmp_path, "--probe")
        found = np.load(tmp_path / "spikes.npy")
    np.testing.assert_array_equal(found, [*spikes, 0, 0])
