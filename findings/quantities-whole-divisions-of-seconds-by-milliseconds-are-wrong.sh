#!/usr/bin/env bash
# Version: quantities 0.16.4, numpy 2.4.6.
#
# Behaviour: `a // b` of two times in different units divides the numbers as they are, rounds, and keeps both units: 1 s
# // 300 ms is floor(1 / 300), 0 s/ms. `a % b` converts first and is right, so that (a // b) * b + a % b is no longer a.
#
# Seen: bins of 300 ms in 1 s: expected 3, seen 0. Bins of 3 ms in 10 s: expected 3333, seen 3 s/ms, which is 3000 once
# simplified. Seconds in 2500 ms: expected 2, seen 2500 ms/s, or 2.5. In the same unit all are right.
#
# Why it matters: this is how the number of bins, windows or trials of a recording is computed, with lengths in seconds
# and bins in milliseconds. The result is a plausible number, without the last tenth of the recording, or 0.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
venv/bin/pip install -q --no-compile numpy==2.4.6 quantities==0.16.4 >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import version

import quantities as pq

print("quantities", version("quantities"), "numpy", version("numpy"))

whole, rest, same = [], [], []
for length, width, in_ms, width_ms in ((1 * pq.s, 300 * pq.ms, 1000, 300), (10 * pq.s, 3 * pq.ms, 10000, 3),
                                       (2500 * pq.ms, 1 * pq.s, 2500, 1000)):
    quotient = length // width
    whole.append(float(quotient.simplified))
    rest.append(abs(float((length % width).rescale("ms")) - in_ms % width_ms) < 1e-6)
    same.append(float(length.rescale("ms") // width.rescale("ms")) == in_ms // width_ms)
    total = (quotient * width + length % width).rescale("ms")
    print(f"{length} // {width}: expected {in_ms // width_ms}, seen {quotient}, simplified {whole[-1]:.4g}; with the "
          f"remainder: expected {in_ms} ms, seen {float(total):.5g} ms")

if not all(same) or not all(rest):
    sys.exit("changed: divisions in one unit, or remainders, are no longer right")
if [round(value, 6) for value in whole] != [0, 3000, 2.5]:
    sys.exit("changed: divisions of different units are converted first")
print("as stated")
PY
