#!/usr/bin/env bash
# Version: bindsnet 0.3.4, torch 2.13.0, scikit-learn 1.9.1. The evaluation's file is run by itself, without the rest of
# the package, whose requirements are large and have no part in it.
#
# Behaviour: `bindsnet.evaluation.ngram` predicts a class by the sequences of n spikes in a sample, whose scores
# `update_ngram_scores` has counted. The scores hold each sequence, the prediction stops one before the last: the n
# spikes that end a sample are not looked at. A sample of exactly n spikes has no sequence left, all scores are 0, and
# the class is 0.
#
# Seen: two neurons and two classes; neuron 0 fires before neuron 1 in class 0, after it in class 1. Pairs are scored
# right, and predicted on the same samples both are class 0. With one more spike at the end, of a third neuron, which is
# in no pair of the scores, both are right. Ten classes, each by its own pair: all ten are class 0.
#
# Why it matters: sparse codes have few spikes a sample, and the order of the last ones may be what tells classes
# apart. Accuracy falls to that of class 0 without an error.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
python3.11 -m venv venv
{ venv/bin/pip install -q --no-compile torch==2.13.0 numpy==2.4.6 scikit-learn==1.9.1 && venv/bin/pip install -q --no-compile --no-deps bindsnet==0.3.4; } \
    >pip.log 2>&1 || { cat pip.log; echo "could not install"; exit 2; }

venv/bin/python -W ignore - <<'PY'
import sys
from importlib.metadata import distribution, version
from importlib.util import module_from_spec, spec_from_file_location

import torch

print(*(f"{name} {version(name)}" for name in ("bindsnet", "torch", "scikit-learn")))
path = distribution("bindsnet").locate_file("bindsnet/evaluation/evaluation.py")
spec = spec_from_file_location("evaluation", path)
evaluation = module_from_spec(spec)
spec.loader.exec_module(evaluation)
STEPS, N = 6, 2

def samples(orders, neurons):
    """Return spikes of shape (samples, time, neurons): the neurons of each order fire one after another."""
    spikes = torch.zeros(len(orders), STEPS, neurons)
    for sample, order in enumerate(orders):
        for step, neuron in enumerate(order):
            spikes[sample, step, neuron] = 1
    return spikes

def predictions(orders, shown=None):
    """Return the classes of `shown`, by scores of `orders`, of which each is a class."""
    neurons, classes = 1 + max(max(order) for order in shown or orders), len(orders)
    scores = evaluation.update_ngram_scores(samples(orders, neurons), torch.arange(classes), classes, N, {})
    assert all(scores[order].argmax() == label for label, order in enumerate(orders))
    return evaluation.ngram(samples(shown or orders, neurons), scores, classes, N).tolist()

two = predictions([(0, 1), (1, 0)])
longer = predictions([(0, 1), (1, 0)], [(0, 1, 2), (1, 0, 2)])
ten = predictions([(i, i + 1) for i in range(10)])
print(f"two classes: expected [0, 1], seen {two}")
print(f"with one more spike at the end: expected [0, 1], seen {longer}")
print(f"ten classes: expected {list(range(10))}, seen {ten}")

if longer != [0, 1]:
    sys.exit("changed: pairs before the last one are no longer scored right")
if two != [0, 0] or ten != [0] * 10:
    sys.exit("changed: the last pair of a sample counts")
print("as stated")
PY
