"""Compare `keras_bsd.audit.neurobench` with NeuroBench itself, on the same networks in snnTorch.

    KERAS_BACKEND=torch .venv/bin/python -m benchmarks.measure_neurobench --output=runs/neurobench.md

Needs `pip install neurobench snntorch`. All weights are random multiples of 1/64, so that sums are exact and
both libraries' neurons spike alike. Prints the metrics side by side; `--output` writes them as a page, and a
.json file beside it. Fails if a metric differs where the definitions agree.
"""

from benchmarks import _results  # isort: skip, before Keras

import contextlib
import io

import keras
import numpy as np
from absl import app, flags

from keras_bsd.audit import neurobench
from keras_bsd.layers import SpikingLIF, SpikingStage

FLAGS = flags.FLAGS
flags.DEFINE_integer("seed", 0, "Seed of weights and stimuli.")
flags.DEFINE_integer("samples", 6, "Stimuli.", lower_bound=2)
flags.DEFINE_integer("timesteps", 5, "Timesteps.", lower_bound=1)
flags.DEFINE_string("output", None, "Path of a .md page; a .json file goes beside it.")

BETA, THRESHOLD = 0.5, 0.6
HEADER = ["network", "metric", "keras_bsd", "NeuroBench"]
PACKAGES = ["neurobench", "snntorch", "torch"]


def stage(*synapse, **arguments):
    """Return a stage of the neurons that both libraries have."""
    return SpikingStage(list(synapse), SpikingLIF(beta=BETA, threshold=THRESHOLD), **arguments)


def dense(*units, timesteps, held=False):
    """Return a network of dense stages; the first of `units` is the number of inputs."""
    shape = units[:1] if held else (timesteps, *units[:1])
    first = {"timesteps": timesteps} if held else {}
    stages = [stage(keras.layers.Dense(n), **(first if i == 0 else {})) for i, n in enumerate(units[1:])]
    return keras.Sequential([keras.Input(shape), *stages])


def convolutional(timesteps):
    """Return a padded and pooled convolutional stage, another one, and a dense one."""
    return keras.Sequential(
        [
            keras.Input((timesteps, 6, 7, 2)),
            stage(keras.layers.Conv2D(3, 3, padding="same"), keras.layers.MaxPooling2D(2)),
            stage(keras.layers.Conv2D(4, 2, use_bias=False)),
            stage(keras.layers.Flatten(), keras.layers.Dense(5)),
        ]
    )


def randomize(network, generator):
    """Assign random multiples of 1/64, a third of them zero, to all weights."""
    for weight in network.weights:
        values = generator.integers(-48, 80, weight.shape) * (generator.random(weight.shape) > 1 / 3)
        weight.assign(values / 64)
    return network


def counterpart(network, **neuron):
    """Return the network in snnTorch, of the same weights, for one time step of channels-first inputs."""
    import snntorch
    import torch

    class ChannelsLast(torch.nn.Module):
        def forward(self, x):
            return x.movedim(1, -1)

    def convert(layer):
        if isinstance(layer, keras.layers.Flatten):
            return [ChannelsLast(), torch.nn.Flatten()]
        if isinstance(layer, keras.layers.MaxPooling2D):
            return [torch.nn.MaxPool2d(layer.pool_size)]
        kernel = keras.ops.convert_to_numpy(layer.kernel)
        if isinstance(layer, keras.layers.Dense):
            converted = torch.nn.Linear(*kernel.shape, bias=layer.use_bias)
        else:
            converted = torch.nn.Conv2d(
                *kernel.shape[2:], kernel.shape[:2], layer.strides, layer.padding, bias=layer.use_bias
            )
        converted.weight.data = torch.tensor(np.moveaxis(kernel, (-1, -2), (0, 1)).copy())
        if layer.use_bias:
            converted.bias.data = torch.tensor(keras.ops.convert_to_numpy(layer.bias))
        return [converted]

    class Network(torch.nn.Sequential):
        def forward(self, x):
            return super().forward(x), None  # NeuroBench expects spikes and membranes

    options = {"reset_mechanism": "zero", "reset_delay": False, "init_hidden": True, **neuron}
    modules = []
    for each in network.layers:
        for layer in each.synapse.layers:
            modules += convert(layer)
        modules.append(snntorch.Leaky(BETA, THRESHOLD, **options))
    return Network(*modules)


def reference(network, x, batch_size=1, **neuron):
    """Return NeuroBench's own metrics of a network on stimuli `(samples, time, ...)`.

    Its footprint is measured after the run, without the constants that snnTorch stores, which are returned too.
    """
    import torch
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics import static, workload
    from neurobench.models import SNNTorchModel

    stimuli = torch.tensor(np.moveaxis(x, -1, 2).copy() if x.ndim == 5 else x)
    data = torch.utils.data.TensorDataset(stimuli, torch.zeros(len(stimuli)))
    model = SNNTorchModel(counterpart(network, **neuron))
    metrics = [
        [static.ParameterCount, static.ConnectionSparsity],
        [workload.ActivationSparsity, workload.SynapticOperations, workload.MembraneUpdates],
    ]
    loader = torch.utils.data.DataLoader(data, batch_size=batch_size)
    printed = io.StringIO()
    with torch.no_grad(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        measured = Benchmark(model, loader, [], [], metrics).run()
    if "Error" in printed.getvalue():  # NeuroBench prints it, and reports 0
        raise RuntimeError(f"NeuroBench failed: {printed.getvalue()}")
    buffers = model.net.named_buffers()
    constants = sum(buffer.nbytes for name, buffer in buffers if not name.endswith("mem"))
    return {**measured, "Footprint": static.Footprint()(model) - constants, "constants": constants}


def flatten(metrics):
    """Return a dict of the metrics by name, the synaptic operations one by one."""
    nested = metrics["SynapticOperations"]
    names = ("Footprint", "ParameterCount", "ConnectionSparsity", "ActivationSparsity", "MembraneUpdates")
    return {**{name: metrics[name] for name in names}, **nested}


def cases(seed, samples, timesteps):
    """Yield names, networks and stimuli for which both must count the same."""
    generator = np.random.default_rng(seed)
    keras.utils.set_random_seed(seed)

    def spikes(*shape):
        return (generator.random((samples, timesteps, *shape)) < 0.4).astype("float32")

    def analogue(*shape):
        return generator.integers(0, 64, (samples, timesteps, *shape)).astype("float32") / 64

    yield "two dense layers", randomize(dense(12, 10, 4, timesteps=timesteps), generator), spikes(12)
    yield "three dense layers", randomize(dense(9, 8, 7, 3, timesteps=timesteps), generator), analogue(9)
    yield "convolutional", randomize(convolutional(timesteps), generator), spikes(6, 7, 2)


def differences(seed, samples, timesteps):
    """Yield rows of metrics for which the definitions differ: description, keras_bsd, NeuroBench."""
    generator = np.random.default_rng(seed)
    network = randomize(dense(6, 5, timesteps=timesteps), generator)
    x = np.ones((samples, timesteps, 6), "float32")
    x[0, 0, 0] = 2
    ours = flatten(neurobench(network, x).to_dict())["Effective_MACs"]
    for size in (1, samples):
        theirs = flatten(reference(network, x, size))["Effective_MACs"]
        yield f"one value of 2, NeuroBench's batches of {size}", "Effective_MACs", ours, theirs
    held = randomize(dense(6, 5, timesteps=timesteps, held=True), generator)
    stimuli = x[:, 0] / 4
    ours = flatten(neurobench(held, stimuli).to_dict())["Dense"]
    theirs = flatten(reference(held, np.repeat(stimuli[:, None], timesteps, axis=1)))["Dense"]
    yield "a held stimulus", "Dense", ours, theirs
    ours = flatten(neurobench(network, x).to_dict())
    for delay in (False, True):
        theirs = reference(network, x, reset_delay=delay)
        name = f"snnTorch's `reset_delay={delay}`"
        yield name, "MembraneUpdates", ours["MembraneUpdates"], theirs["MembraneUpdates"]
    theirs = reference(network, x)
    yield "with snnTorch's constants", "Footprint", ours["Footprint"], theirs["Footprint"] + theirs["constants"]


def main(_):
    arguments = (FLAGS.seed, FLAGS.samples, FLAGS.timesteps)
    rows = []
    for name, network, x in cases(*arguments):
        ours, theirs = flatten(neurobench(network, x).to_dict()), flatten(reference(network, x))
        rows += [[name, metric, ours[metric], theirs[metric]] for metric in theirs]
    equal = [round(ours, 4) == round(theirs, 4) for _, _, ours, theirs in rows]
    other = [list(row) for row in differences(*arguments)]
    tables = [
        _results.table(HEADER, [[*row[:2], *(f"{value:,.10g}" for value in row[2:])] for row in part])
        for part in (rows, other)
    ]
    agreement = f"{sum(equal)} of {len(equal)} metrics agree to four decimals."
    print(tables[0], agreement, tables[1], sep="\n\n")
    if FLAGS.output:
        facts = [("seed", FLAGS.seed)]
        body = [tables[0], agreement, "## Where definitions differ", tables[1]]
        title = "NeuroBench's metrics, by keras_bsd and by NeuroBench"
        _results.write_page(FLAGS.output, title, *body, packages=PACKAGES, facts=facts)
        record = {"equal": all(equal), "metrics": rows, "differences": other}
        _results.write_record(FLAGS.output.removesuffix(".md") + ".json", record, packages=PACKAGES)
    if not all(equal):
        raise SystemExit("A metric differs from NeuroBench's.")


if __name__ == "__main__":
    app.run(main)
