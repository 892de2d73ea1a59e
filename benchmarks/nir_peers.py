"""Run NIR files in another package, and write its own: a script for the Python of that package's environment.

    .venv-peers/torch/bin/python benchmarks/nir_peers.py snntorch FOLDER
    .venv-peers/torch/bin/python benchmarks/nir_peers.py snntorch FOLDER --export
    .venv-peers/torch/bin/python benchmarks/nir_peers.py snntorch FOLDER --probe

The first runs each NAME.nir of a folder on the graph's inputs by time step, `x` of NAME.npz, of the shape
`(time, batch, ...)`, and writes its outputs, NAME.npy, or the error, NAME.txt. The second writes networks of
the package itself: NAME.nir and, in NAME.npz, `x`, `outputs` and the argument `reset` of `from_nir`. The third
writes the spikes of one neuron, spikes.npy. The script requires nothing but the package and `nir`.
"""

import contextlib
import functools
import importlib.metadata
import io
import itertools
import json
import logging
import pathlib
import subprocess
import sys
import warnings

import nir
import numpy as np

ENVIRONMENTS = pathlib.Path(__file__).parents[1] / ".venv-peers"
ENVIRONMENT = {
    **dict.fromkeys(("snntorch", "spikingjelly", "norse"), "torch"),
    "sinabs": "sinabs",  # wants an older nir
    "rockpool": "rockpool",
    "spyx": "spyx",
}
TIME, BATCH = 8, 4


def find_python(peer):
    """Return the path of the Python of a package's environment, of `make .venv-peers/NAME`, or None."""
    python = ENVIRONMENTS / ENVIRONMENT[peer] / "bin" / "python"
    return python if python.exists() else None


def call(peer, folder, *options):
    """Run this script in a package's environment."""
    subprocess.run([find_python(peer), __file__, peer, folder, *options], check=True)


# Readers


def run_snntorch(path, x):
    from snntorch.import_nir import import_from_nir

    return step_by_step(import_from_nir(nir.read(path)), x)


def run_spikingjelly(path, x):
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    return step_by_step(import_from_nir(path), x)


def run_norse(path, x):
    import norse.torch

    graph = nir.read(path)
    return step_by_step(norse.torch.from_nir(graph, dt=float(graph.metadata["dt"])), x)


def run_sinabs(path, x):
    import sinabs.nir
    import torch

    network = sinabs.nir.from_nir(nir.read(path), batch_size=x.shape[1])
    outputs = network(torch.from_numpy(np.moveaxis(x, 0, 1).reshape(-1, *x.shape[2:])))  # (batch * time, ...)
    outputs = outputs[0] if isinstance(outputs, tuple) else outputs
    return np.moveaxis(outputs.detach().numpy().reshape(x.shape[1], x.shape[0], *outputs.shape[1:]), 0, 1)


def run_rockpool(path, x):
    import torch
    from rockpool.nn.modules.torch.nir import from_nir

    outputs, *_ = from_nir(nir.read(path))(torch.from_numpy(np.moveaxis(x, 0, 1)))  # (batch, time, ...)
    return np.moveaxis(outputs.detach().numpy(), 1, 0)


def run_spyx(path, x):
    import jax.numpy as jnp
    from spyx.nir import from_nir

    graph = nir.read(path)
    maps = np.moveaxis(x, 2, -1) if x.ndim > 3 else x
    return np.asarray(from_nir(graph, jnp.asarray(maps), dt=float(graph.metadata["dt"]))[1])


def step_by_step(network, x):
    """Return the outputs of a network that returns its state beside them."""
    import torch

    outputs, state = [], ()
    for current in torch.from_numpy(x):
        output, *state = network(current, *state)
        outputs.append(output.detach().numpy())
    return np.stack(outputs)


# Writers


def export_snntorch(layers, beta, threshold, reset, x):
    import snntorch
    import torch
    from snntorch.export_nir import export_to_nir

    def neurons(shape):
        mechanism = {"hard": "zero", "none": "none"}[reset]
        values = {"beta": torch.full(shape, beta), "threshold": torch.full(shape, threshold)}
        return snntorch.Leaky(**values, reset_mechanism=mechanism, init_hidden=True)

    network = torch.nn.Sequential(*layers(neurons))
    graph = export_to_nir(network, x[0], ignore_dims=[0])
    for layer in network:
        if isinstance(layer, snntorch.Leaky):
            layer.reset_mem()
    return graph, np.stack([network(current).detach() for current in x])


def export_spikingjelly(layers, beta, threshold, reset, x):
    import torch
    from spikingjelly.activation_based import functional, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    def neurons(_):
        if beta == 1:
            return neuron.IFNode(threshold)
        return neuron.LIFNode(1 / (1 - beta), v_threshold=threshold)

    network = torch.nn.Sequential(*layers(neurons))
    graph = export_to_nir(network, x[0])
    functional.reset_net(network)
    return graph, np.stack([network(current).detach() for current in x])


def export_norse(layers, beta, threshold, reset, x):
    import norse.torch
    import torch
    from norse.torch.functional.reset import reset_subtract, reset_value
    from norse.torch.module.iaf import IAFCell, IAFParameters
    from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters

    def neurons(shape):
        v_th = torch.full(shape, threshold)
        if beta == 1:
            return IAFCell(IAFParameters(v_th=v_th))
        method = {"hard": reset_value, "soft": reset_subtract}[reset]
        rate = torch.full(shape, (1 - beta) / 1e-3)  # of the default dt
        return LIFBoxCell(LIFBoxParameters(rate, torch.zeros(shape), v_th, reset_method=method))

    network = norse.torch.SequentialState(*layers(neurons))
    graph = norse.torch.to_nir(network, x[0, 0])
    graph.infer_types()
    return graph, step_by_step(lambda *arguments: network(*arguments), x.numpy())


# Resets and kinds of network that a package can export; Norse exports neither Flatten nor pooling.
EXPORTS = {
    "snntorch": (export_snntorch, ("hard", "none"), (0.5, 0.8), ("dense", "pool")),
    "spikingjelly": (export_spikingjelly, ("hard",), (0.5, 0.8, 1.0), ("dense", "pool")),
    "norse": (export_norse, ("hard", "soft"), (0.5, 0.8, 1.0), ("dense", "conv")),
}


def layers_of(kind, generator, neurons):
    """Return layers of PyTorch with random weights, and neurons `neurons(shape)` between them."""
    from torch import nn

    map_ = (4, 4, 4)
    if kind == "dense":
        layers = [nn.Linear(5, 9), neurons((9,)), nn.Linear(9, 8, bias=False), neurons((8,))]
    else:
        layers = [nn.Conv2d(2, 4, 3, stride=2, padding=1), neurons(map_)]
        layers += [nn.AvgPool2d((2, 2))] if kind == "pool" else []
        layers += [nn.Conv2d(4, 3, 2), neurons((3, 1, 1) if kind == "pool" else (3, 3, 3))]
        layers += [nn.Flatten(), nn.Linear(3, 6), neurons((6,))] if kind == "pool" else []
    for layer in layers:
        for weight in layer.parameters() if isinstance(layer, (nn.Linear, nn.Conv2d)) else ():
            weight.data.normal_(0.05, 0.6, generator=generator)
    return layers


def export(peer, folder):
    import torch

    function, resets, betas, kinds = EXPORTS[peer]
    for seed, (reset, beta, kind) in enumerate(itertools.product(resets, betas, kinds)):
        if peer == "norse" and beta == 1 and reset != "hard":
            continue  # its neurons without leak have one reset
        generator = torch.Generator().manual_seed(seed)
        shape = (5,) if kind == "dense" else (2, 8, 8)
        x = 2 * torch.rand(TIME, BATCH, *shape, generator=generator)
        layers = functools.partial(layers_of, kind, generator)
        graph, outputs = function(layers, beta, 0.4, reset, x)
        path = folder / f"{kind}-{reset}-{beta}.nir"
        nir.write(path, graph)
        outputs = np.stack(
            [np.asarray(output.detach()) if hasattr(output, "detach") else output for output in outputs]
        )
        np.savez(path.with_suffix(".npz"), x=x.numpy(), outputs=outputs, reset=reset)


def run(peer, folder):
    for path in sorted(folder.glob("*.nir")):
        try:
            outputs = RUNS[peer](path, np.load(path.with_suffix(".npz"))["x"])
        except Exception as error:  # of any kind: what a package makes of a file is what is asked
            path.with_suffix(".txt").write_text(f"{type(error).__name__}: {error}")
        else:
            np.save(path.with_suffix(".npy"), outputs)


# One neuron of packages that neither read nor write what this library computes


def probe_snntorch(x):
    import snntorch
    import torch

    neuron, membrane, spikes = snntorch.Leaky(0.8, reset_mechanism="subtract"), torch.zeros(1, 1), []
    for current in torch.from_numpy(x):
        spike, membrane = neuron(current, membrane)
        spikes.append(spike.item())
    return spikes


def probe_sinabs(x):
    import sinabs.layers
    import torch

    neuron = sinabs.layers.LIF(tau_mem=-1 / np.log(0.8), norm_input=False)
    return neuron(torch.from_numpy(np.moveaxis(x, 0, 1))).detach().numpy()


def probe_rockpool(x):
    import torch
    from rockpool.nn.modules.torch import LIFNeuronTorch

    neuron = LIFNeuronTorch(1, tau_mem=-1e-3 / np.log(0.8), bias=0.0, threshold=1.0, dt=1e-3)
    return neuron(torch.from_numpy(np.moveaxis(x, 0, 1)))[0].detach().numpy()


def probe_spyx(x):
    import spyx.nn
    from flax import nnx

    neuron = spyx.nn.LIF((1,), beta=0.8, rngs=nnx.Rngs(0))
    state, spikes = neuron.initial_state(1), []
    for current in x:
        spike, state = neuron(current, state)
        spikes.append(float(spike[0, 0]))
    return spikes


def probe(peer, folder):
    """Write the spikes of a neuron by time step, for a leak of 0.8, a threshold of 1 and one current of 2.4.

    Reset by subtraction, the membranes of this library are 2.4, 1.12 and 0.096, and the spikes 1, 1 and 0.
    """
    x = np.zeros((4, 1, 1), "float32")
    x[0] = 2.4
    np.save(folder / "spikes.npy", np.asarray(PROBES[peer](x), "float32").ravel())


PROBES = {
    name.removeprefix("probe_"): function for name, function in globals().items() if name.startswith("probe_")
}


def by_package(prefix):
    """Return the functions whose name begins so by the rest of their name, a package's."""
    return {name.removeprefix(prefix): value for name, value in globals().items() if name.startswith(prefix)}


RUNS, PROBES = by_package("run_"), by_package("probe_")


def versions(peer):
    """Return the versions of a package and of those that it reads NIR with, by name."""
    names = (peer, "nir", "nirtorch", "jax" if peer == "spyx" else "torch")
    found = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def main(peer, folder, *options):
    logging.disable()
    warnings.simplefilter("ignore")
    folder = pathlib.Path(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        {(): run, ("--export",): export, ("--probe",): probe}[options](peer, folder)
    (folder / "versions.json").write_text(json.dumps(versions(peer)))


if __name__ == "__main__":
    main(*sys.argv[1:])
