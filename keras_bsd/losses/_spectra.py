"""Maps as spectra: what lies in which band of spatial frequencies.

The discrete Fourier transform keeps cosines and distances (Parseval), so that what is compared band by
band need not be transformed back.
"""

import numpy as np
from keras import ops


def is_map(values):
    """Whether `values` are `(batch, height, width, channels)`."""
    return len(values.shape) == 4


def radial_frequencies(height, width):
    """Distance of each coefficient from the constant one, `(height, width)`, in cycles a pixel."""
    return np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])


def weighted_spectrum(maps, gains):
    """Fourier coefficients of maps, each times its gain.

    Args:
        maps: `(batch, height, width, channels)`.
        gains: NumPy array `(height, width)`.

    Returns:
        Real and imaginary parts, `(batch, 2, channels, height, width)`, float32.
    """
    maps = ops.moveaxis(ops.cast(maps, "float32"), -1, 1)
    parts = ops.fft2((maps, ops.zeros_like(maps)))
    return ops.stack(parts, axis=1) * ops.convert_to_tensor(gains.astype("float32"))
