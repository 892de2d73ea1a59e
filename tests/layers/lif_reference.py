"""The membrane equation in plain NumPy, forward and backward, for one tensor of neurons."""

import numpy as np


def forward(currents, beta, threshold, reset="hard", refractory_steps=0, mask=None):
    """Spikes `(batch, time, units)` and final membrane for currents of the same shape."""
    batch, steps, units = currents.shape
    membrane = np.zeros((batch, units), currents.dtype)
    silence = np.zeros((batch, units), int)
    spikes = np.zeros_like(currents)
    for b in range(batch):
        for t in range(steps):
            if mask is not None and not mask[b, t]:
                continue
            for j in range(units):
                ready = silence[b, j] == 0
                u = beta * membrane[b, j] + (currents[b, t, j] if ready else 0)
                fired = ready and u >= threshold
                if fired and reset == "hard":
                    u = 0
                if fired and reset == "soft":
                    u = u - threshold
                membrane[b, j], spikes[b, t, j] = u, fired
                silence[b, j] = refractory_steps if fired else max(silence[b, j] - 1, 0)
    return spikes, membrane


def gradient(currents, upstream, beta, threshold, derivative, reset="hard", detach_reset=True):
    """d sum(upstream * spikes) / d currents by the chain rule, last time step first."""
    membranes, membrane = [], np.zeros_like(currents[:, 0])
    for t in range(currents.shape[1]):
        membranes.append(beta * membrane + currents[:, t])
        fired = (membranes[-1] >= threshold).astype(currents.dtype)
        membrane = {
            "hard": membranes[-1] * (1 - fired),
            "soft": membranes[-1] - threshold * fired,
            "none": membranes[-1],
        }[reset]
    result = np.zeros_like(currents)
    carried = np.zeros_like(currents[:, 0])  # d loss / d membrane after the reset
    for t in reversed(range(currents.shape[1])):
        u = membranes[t]
        fired, slope = (u >= threshold).astype(currents.dtype), derivative(u - threshold)
        through_reset = {"hard": 1 - fired, "soft": np.ones_like(u), "none": np.ones_like(u)}[reset]
        if not detach_reset:
            through_reset = through_reset - slope * {"hard": u, "soft": threshold, "none": 0.0}[reset]
        result[:, t] = upstream[:, t] * slope + carried * through_reset
        carried = beta * result[:, t]
    return result
