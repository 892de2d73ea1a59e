#!/usr/bin/env bash
# Version: pynapple 0.11.4, numpy 2.4.6, scipy 1.17.1.
#
# Behaviour: `compute_mean_power_spectral_density` averages the spectra of pieces of a signal, each multiplied by a
# Hamming window, and divides by the number of samples. A density has to be divided by the sum of the squares of the
# window, which is 0.397 of that number: what comes out is 0.4 of the density.
#
# Seen: white noise of variance 1 at 1 kHz. Summed over all frequencies a density gives the variance: that of
# `compute_power_spectral_density` does, as that of SciPy's `welch` with the same window. The mean density gives 0.397.
#
# Why it matters: powers in a band are compared between studies, with thresholds, and with those of the other function.
# Averaging alone takes 60 % of them, 4 dB, away.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 numba==0.68.1 xarray==2026.9.0 pynapple==0.11.4 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
import pynapple as nap
from scipy.signal import welch

print(*(f"{name} {version(name)}" for name in ("pynapple", "numpy", "scipy")))

RATE = 1000.0
noise = np.random.default_rng(0).normal(size=100_000)
noise /= noise.std()
signal = nap.Tsd(t=np.arange(len(noise)) / RATE, d=noise)

def power(frequencies, density):
    return float(density.sum() * (frequencies[1] - frequencies[0]))

single = nap.compute_power_spectral_density(signal, fs=RATE)
mean = nap.compute_mean_power_spectral_density(signal, interval_size=1.0, fs=RATE)
frequencies, density = welch(noise, RATE, window="hamming", nperseg=1000)
seen = {
    "compute_power_spectral_density": power(single.index.values, single.values[:, 0]),
    "scipy.signal.welch": power(frequencies, density),
    "compute_mean_power_spectral_density": power(mean.index.values, mean.values[:, 0]),
}
for name, value in seen.items():
    print(f"{name}: expected a power of 1, seen {value:.3f}")
print(f"mean of the squares of a Hamming window: {np.mean(np.hamming(1000) ** 2):.3f}")

single, by_scipy, mean = seen.values()
if abs(single - 1) > 0.02 or abs(by_scipy - 1) > 0.02:
    sys.exit("changed: the density of the whole signal, or SciPy's, is no longer right")
if abs(mean - 0.397) > 0.01:
    sys.exit("changed: the mean density no longer lacks the power of its window")
print("as stated")
PY
