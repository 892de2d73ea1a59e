#!/usr/bin/env bash
# Version: bmtk 1.2.0, h5py 3.16.0, numpy 2.4.6.
#
# Behaviour: a SONATA report has samples from tstart on, one each dt; that of tstop is not among them. `time_trace()` of
# a report spreads the times evenly from tstart to tstop with tstop included: steps are too long, and the last sample
# is one dt too late. `data(time_window=)` computes the first sample as int((begin - tstart) / dt): where the quotient
# is a little below a whole number, as 0.3 / 0.1 is, it begins and ends one sample too early.
#
# Seen: 20 samples each 0.1 ms from 0 to 2 ms, each with its own time as its value. Sample 10 stands at 1.053 for
# 1.0 ms, the last at 2.0 for 1.9 ms. Of the 20 windows that begin at 0, 0.1, ... 1.9 ms, 6 begin one sample early,
# that from 0.3 ms on at 0.2 ms.
#
# Why it matters: membranes and spikes of one simulation are laid over each other by these times: the membrane crosses
# its threshold after the spike, by up to a step. Windows around events are not all from the same samples.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 pandas==3.1.1 h5py==3.16.0 six==1.17.0 \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }
venv/bin/pip install -q --no-compile --no-deps bmtk==1.2.0 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import numpy as np
from bmtk.utils.reports.compartment import CompartmentReport

print(*(f"{name} {version(name)}" for name in ("bmtk", "h5py", "numpy")))
DT, STEPS = 0.1, 20
report = CompartmentReport("report.h5", mode="w", default_population="v1", variable="v", units="mV", tstart=0.0,
                           tstop=2.0, dt=DT)
report.add_cell(0, [0], [0.5], population="v1")
report.initialize()
for step in range(STEPS):
    report.record_cell(0, [step * DT], step, population="v1")
report.close()

report = CompartmentReport("report.h5")
values, times = report.data(node_id=0).flatten(), report.time_trace()
print(f"samples: {values.size}; sample 10: expected {values[10]:.3f} ms, seen {times[10]:.3f};",
      f"the last: expected {values[-1]:.3f} ms, seen {times[-1]:.3f}")
begins = [round(step * DT, 1) for step in range(STEPS)]
firsts = [round(float(report.data(node_id=0, time_window=(begin, 2.0)).flat[0]), 1) for begin in begins]
early = {begin: first for begin, first in zip(begins, firsts, strict=True) if begin != first}
print(f"windows: expected the first sample at their begin, seen another for {early}")

if values.size != STEPS or not np.allclose(values, np.arange(STEPS) * DT):
    sys.exit("changed: the samples themselves")
if not np.allclose(times, np.linspace(0, 2, STEPS)):
    sys.exit("changed: the times of samples")
if early != {begin: round(begin - DT, 1) for begin in (0.3, 0.6, 0.7, 1.2, 1.4, 1.9)}:
    sys.exit("changed: windows that begin one sample early")
print("as stated")
PY
