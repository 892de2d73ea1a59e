#!/usr/bin/env bash
# Version: neo 0.14.6, quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: An AnalogSignal sliced by numbers of samples keeps its times. `signal[a:b]` sets the begin to `a` sampling
# periods after the old one: for a negative `a`, counted from the end, to a time before the recording. A step is taken
# into account in `signal[::2, :]` only; `signal[::2]` keeps the old sampling rate.
#
# Seen: a signal from 2 to 12 s, 10 Hz, whose values are its times. `signal[-10:]` has the samples of 11 to 12 s, and
# says 1 to 2 s. `signal[::2]` has samples of 2 to 12 s, and says 2 to 7 s, at 10 Hz. `signal[90:]` and `signal[::2, :]`
# are right.
#
# Why it matters: the last second, or every second sample, is what one takes to look at or to thin out. Frequencies are
# doubled and spikes no longer lie on the signal, while the plot looks as it should.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 quantities==0.16.4 neo==0.14.6 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import neo
import numpy as np
import quantities as pq

print(*(f"{name} {version(name)}" for name in ("neo", "quantities", "numpy")))

times = 2 + np.arange(100) / 10
signal = neo.AnalogSignal(times[:, np.newaxis], units="mV", t_start=2 * pq.s, sampling_rate=10 * pq.Hz)
slices = {
    "signal[90:]": signal[90:],
    "signal[-10:]": signal[-10:],
    "signal[-10:, :]": signal[-10:, :],
    "signal[::2, :]": signal[::2, :],
    "signal[::2]": signal[::2],
}
wrong = {}
for name, piece in slices.items():
    expected, seen = piece.magnitude[:, 0], piece.times.rescale("s").magnitude
    rate = float(piece.sampling_rate.rescale("Hz"))
    print(f"{name}: expected times from {expected[0]:.1f} to {expected[-1]:.1f} s, seen {seen[0]:.1f} to "
          f"{seen[-1]:.1f} s, at {rate:.0f} Hz")
    if not np.allclose(seen, expected):
        wrong[name] = (round(float(seen[0]), 1), round(float(seen[-1]), 1))

if wrong != {"signal[-10:]": (1.0, 1.9), "signal[-10:, :]": (1.0, 1.9), "signal[::2]": (2.0, 6.9)}:
    sys.exit(f"changed: the slices with other times are {wrong}")
print("as stated")
PY
