"""Events for the tests."""

import numpy as np


def events_of(t, x, y=None, p=None, dtype=None):
    """Return a structured array of events; `dtype` is a list of fields with their types, in their order."""
    fields = {"t": t, "x": x, "y": y, "p": p}
    fields = {name: values for name, values in fields.items() if values is not None}
    types = {"t": "i8", "x": "i2", "y": "i2", "p": "?"}
    events = np.zeros(len(t), dtype or [(name, types[name]) for name in fields])
    for name, values in fields.items():
        events[name] = values
    return events


def random_events(count, width=6, height=5, duration=1000, seed=0):
    """Return events at random pixels and sorted times, of dtype (t, x, y, p)."""
    generator = np.random.default_rng(seed)
    return events_of(
        np.sort(generator.integers(duration, size=count)),
        generator.integers(width, size=count),
        generator.integers(height, size=count),
        generator.integers(2, size=count),
    )
