"""Random e-prop in NumPy, time step by time step, with an eligibility trace for every synapse."""

import numpy as np


def normalized(currents, gamma, beta):
    """Return layer-normalised currents `(batch, units)`, and a function that passes errors back through it."""
    deviations = currents - currents.mean(axis=1, keepdims=True)
    scale = np.sqrt((deviations**2).mean(axis=1, keepdims=True) + 1e-3)
    ratios = deviations / scale

    def back(errors):
        errors = errors * gamma
        projected = ratios * (errors * ratios).mean(axis=1, keepdims=True)
        return (errors - errors.mean(axis=1, keepdims=True) - projected) / scale

    return gamma * ratios + beta, back


def gradients(x, errors, kernel, feedback, steps, leak, reset="hard", bias=None, norm=None, refractory=0):
    """Run a recurrent stage of LIF neurons of threshold 0.6 with the atan surrogate, and learn by e-prop.

    Args:
        x: `(batch, elements, features)`.
        errors: of the rates, `(batch, elements, units)`.
        kernel: `(delays, features, units)`, the present element last.
        feedback: `(units, units)`.
        steps: int, time steps of an element.
        leak: float.
        reset: "hard", "soft" or "none".
        bias: `(units,)`, or None.
        norm: the weights `(gamma, beta)` of a layer normalisation, or None.
        refractory: int.

    Returns:
        Rates `(batch, elements, units)`, and the gradients of the sum of errors times rates by kernel, bias and
        feedback, summed over the batch.
    """
    batch, elements, _ = x.shape
    delays, _, units = kernel.shape
    padded = np.concatenate([np.zeros_like(x[:, : delays - 1]), x], axis=1)
    membrane, rates = np.zeros((batch, units)), np.zeros((batch, elements, units))
    silence = np.zeros((batch, units))
    before = np.zeros((batch, units))
    signals = [kernel, np.zeros(units) if bias is None else bias, feedback]
    traces = [np.zeros((batch, *weight.shape)) for weight in signals]  # one for each synapse
    updates = [np.zeros_like(weight) for weight in signals]
    for n in range(elements):
        window = padded[:, n : n + delays]
        raw = np.einsum("bdf,dfu->bu", window, kernel) + before @ feedback + signals[1]
        current, back = (raw, lambda errors: errors) if norm is None else normalized(raw, *norm)
        for _ in range(steps):
            able = silence <= 0
            membrane = leak * membrane + able * current
            slope = able / (1 + (np.pi * (membrane - 0.6)) ** 2)
            spikes = able * (membrane >= 0.6)
            membrane = {"hard": membrane * (1 - spikes), "soft": membrane - 0.6 * spikes, "none": membrane}[
                reset
            ]
            silence = np.where(spikes, refractory, np.maximum(silence - 1, 0))
            rates[:, n] += spikes / steps
            error = back(errors[:, n] * slope / steps)
            inputs = [window[..., None], np.ones((batch, 1)), before[..., None]]
            for trace, presynaptic, update in zip(traces, inputs, updates, strict=True):
                trace *= leak
                trace += presynaptic
                update += np.sum(trace * error.reshape(batch, *[1] * (trace.ndim - 2), units), axis=0)
        before = rates[:, n]
    return rates, updates
