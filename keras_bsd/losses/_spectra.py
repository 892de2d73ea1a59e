"""Fourier coefficients of maps.

The discrete Fourier transform preserves cosines and distances (Parseval's theorem), so that spectra can be
compared without transforming them back.
"""

import numpy as np
from keras import ops


def is_map(values):
    """Return whether `values` are `(batch, height, width, channels)`."""
    return len(values.shape) == 4


def radial_frequencies(height, width):
    """Return the radial frequency of each coefficient, `(height, width)`, in cycles per pixel."""
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])


def weighted_spectrum(maps, gains):
    """Return the Fourier coefficients of maps, each multiplied by its gain.

    Args:
        maps: `(batch, height, width, channels)`.
        gains: NumPy array `(height, width)`.

    Returns:
        Real and imaginary parts, `(batch, 2, channels, height, width)`, float32.
    """
    maps = ops.moveaxis(ops.cast(maps, "float32"), -1, 1)
    coefficients = ops.fft2((maps, ops.zeros_like(maps)))
    return ops.stack(coefficients, axis=1) * ops.convert_to_tensor(gains.astype("float32"))
