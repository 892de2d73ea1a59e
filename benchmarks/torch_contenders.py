"""The benchmark's networks in snnTorch and SpikingJelly, written as in their own tutorials.

Both compute the stimulus's current again at every timestep: snnTorch in a loop over time, SpikingJelly on one
sequence.
"""

import importlib
import itertools
import math

import torch
from torch import nn

CLASSES = 10
UNITS = (512, 512, 512, 512, 512)
FILTERS = (32, 64, 128, 128, 128)
POOL_SIZES = (1, 2, 2, 2, 1)
BETA, THRESHOLD = 0.5, 0.6


def stages(layers, network, neurons=None):
    """Return the layers of each stage's synapse, from `torch.nn` or from SpikingJelly's `layer`."""
    if network == "layer":
        return [[layers.Linear(neurons, neurons, bias=False)]]
    if network == "dense":
        synapses = [
            [layers.Linear(before, after, bias=False), layers.BatchNorm1d(after)]
            for before, after in itertools.pairwise((28 * 28, *UNITS))
        ]
        synapses[0].insert(0, layers.Flatten())
        return synapses
    return [
        [
            layers.Conv2d(before, after, 3, padding=1, bias=False),
            layers.BatchNorm2d(after),
            *([layers.MaxPool2d(pool_size)] if pool_size > 1 else []),
        ]
        for (before, after), pool_size in zip(itertools.pairwise((3, *FILTERS)), POOL_SIZES, strict=True)
    ]


def readout(network):
    """Return the layer from the last stage's firing rates to scores, or to the rates of a lone layer."""
    if network == "layer":
        return nn.Identity()
    pixels = (32 // math.prod(POOL_SIZES)) ** 2
    return nn.Linear(UNITS[-1] if network == "dense" else FILTERS[-1] * pixels, CLASSES)


def as_batch(x):
    """Return a NumPy array as a tensor: images with channels first, spikes over time with time first."""
    tensor = torch.from_numpy(x)
    return (tensor.movedim(-1, 1) if x.ndim == 4 else tensor.movedim(1, 0)).contiguous()


class SnnTorchNetwork(nn.Module):
    library = "snntorch"

    def __init__(self, network, timesteps, neurons=None):
        super().__init__()
        import snntorch
        from snntorch import surrogate

        self.timesteps, self.holds = timesteps, network != "layer"
        self.synapses = nn.ModuleList(nn.Sequential(*layers) for layers in stages(nn, network, neurons))
        self.neurons = nn.ModuleList(
            snntorch.Leaky(BETA, THRESHOLD, spike_grad=surrogate.atan(), reset_mechanism="zero")
            for _ in self.synapses
        )
        self.readout = readout(network)

    def forward(self, x):
        membranes = [neuron.reset_mem() for neuron in self.neurons]
        recorded = []
        for t in range(self.timesteps):
            spikes = x if self.holds else x[t]
            for i, (synapse, neuron) in enumerate(zip(self.synapses, self.neurons, strict=True)):
                spikes, membranes[i] = neuron(synapse(spikes), membranes[i])
            recorded.append(spikes)
        return self.readout(torch.stack(recorded).mean(0).flatten(1))

    def reset_state(self):
        """Do nothing: every forward pass starts with membranes at zero."""


class SpikingJellyNetwork(nn.Module):
    library = "spikingjelly.activation_based"

    def __init__(self, network, timesteps, neurons=None):
        super().__init__()
        from spikingjelly.activation_based import functional, layer, neuron, surrogate

        self.timesteps, self.holds = timesteps, network != "layer"
        self.spiking = nn.Sequential()
        for layers in stages(layer, network, neurons):
            lif = neuron.LIFNode(
                tau=1 / (1 - BETA),
                decay_input=False,
                v_threshold=THRESHOLD,
                v_reset=0.0,
                surrogate_function=surrogate.ATan(),
                detach_reset=True,
            )
            self.spiking.extend([*layers, lif])
        self.readout = readout(network)
        functional.set_step_mode(self.spiking, "m")
        self.reset_state = lambda: functional.reset_net(self)

    def forward(self, x):
        sequence = x.unsqueeze(0).expand(self.timesteps, *x.shape) if self.holds else x
        return self.readout(self.spiking(sequence).mean(0).flatten(1))


OPTIMIZERS = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
NETWORKS = {"snntorch": SnnTorchNetwork, "spikingjelly": SpikingJellyNetwork}


class Contender:
    """A network and its optimizer, with one batch in memory."""

    steps_per_tick = 1

    def __init__(self, case, x, y):
        torch.manual_seed(0)
        device = "cuda" if case["device"] == "gpu" else "cpu"
        network = NETWORKS[case["contender"]]
        self.network = network(case["network"], case["timesteps"], case["neurons"]).to(device)
        self.optimizer = OPTIMIZERS[case["optimizer"]](self.network.parameters())
        self.loss = nn.functional.mse_loss if case["network"] == "layer" else nn.functional.cross_entropy
        self.autocast = torch.autocast(device, torch.bfloat16, enabled=case["dtype"] == "mixed_bfloat16")
        self.x, self.y = as_batch(x).to(device), torch.from_numpy(y).to(device)
        self.trainable_weights = sum(weights.numel() for weights in self.network.parameters())

    def train(self, stopwatch):
        self.network.train()
        while not stopwatch.done:
            with self.autocast:
                loss = self.loss(self.network(self.x), self.y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.network.reset_state()
            loss.item()
            stopwatch.tick()

    def predict(self, stopwatch):
        self.network.eval()
        with torch.no_grad(), self.autocast:
            while not stopwatch.done:
                self.network(self.x).softmax(1).float().cpu().numpy()
                self.network.reset_state()
                stopwatch.tick()


def device_peak():
    """Return the most bytes that have been allocated on the GPU."""
    return torch.cuda.max_memory_allocated()


def warm_up(case):
    """Train one weight: what PyTorch loads at first use must not count as the network's memory."""
    importlib.import_module(NETWORKS[case["contender"]].library)
    layer = nn.Linear(1, 1)
    layer(torch.ones(2, 1)).sum().backward()
    torch.optim.AdamW(layer.parameters()).step()
