"""The membrane equation in plain NumPy, forward and backward, for one tensor of neurons."""

import numpy as np


def forward(currents, beta, threshold, reset="hard", refractory_steps=0, mask=None):
    """Return spikes `(batch, time, units)` and the final membrane for currents of the same shape."""
    batch, steps, units = currents.shape
    membrane = np.zeros((batch, units), currents.dtype)
    remaining = np.zeros((batch, units), int)
    spikes = np.zeros_like(currents)
    for b in range(batch):
        for t in range(steps):
            if mask is not None and not mask[b, t]:
                continue
            for j in range(units):
                ready = remaining[b, j] == 0
                u = beta * membrane[b, j] + (currents[b, t, j] if ready else 0)
                spiked = ready and u >= threshold
                if spiked and reset == "hard":
                    u = 0
                if spiked and reset == "soft":
                    u = u - threshold
                membrane[b, j], spikes[b, t, j] = u, spiked
                remaining[b, j] = refractory_steps if spiked else max(remaining[b, j] - 1, 0)
    return spikes, membrane


def gradient(currents, upstream, beta, threshold, derivative, reset="hard", detach_reset=True):
    """Return d sum(upstream * spikes) / d currents by the chain rule, from the last time step to the first."""
    membranes, membrane = [], np.zeros_like(currents[:, 0])
    for t in range(currents.shape[1]):
        membranes.append(beta * membrane + currents[:, t])
        spiked = (membranes[-1] >= threshold).astype(currents.dtype)
        membrane = {
            "hard": membranes[-1] * (1 - spiked),
            "soft": membranes[-1] - threshold * spiked,
            "none": membranes[-1],
        }[reset]
    result = np.zeros_like(currents)
    carried = np.zeros_like(currents[:, 0])  # d loss / d membrane after the reset
    for t in reversed(range(currents.shape[1])):
        u = membranes[t]
        spiked, slope = (u >= threshold).astype(currents.dtype), derivative(u - threshold)
        through_reset = {"hard": 1 - spiked, "soft": np.ones_like(u), "none": np.ones_like(u)}[reset]
        if not detach_reset:
            through_reset = through_reset - slope * {"hard": u, "soft": threshold, "none": 0.0}[reset]
        result[:, t] = upstream[:, t] * slope + carried * through_reset
        carried = beta * result[:, t]
    return result
