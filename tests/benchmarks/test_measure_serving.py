"""What the load test counts, on answers that are wrong on purpose."""

import types

import numpy as np
import pytest

from tests.recipes.running import loaded


@pytest.fixture(scope="module")
def measuring():
    with loaded("measure_serving") as names:
        yield names


DIRECT = np.array([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]], "float32")


def test_answers_of_other_inputs_are_mixed_up(measuring):
    right = {i: scores + 1e-6 for i, scores in enumerate(DIRECT)}
    assert measuring.mixed_up(right, DIRECT) == 0
    assert measuring.mixed_up({0: DIRECT[1], 1: DIRECT[0], 2: DIRECT[2]}, DIRECT) == 2
    assert measuring.mixed_up({0: np.array([0.11, 0.89])}, DIRECT) == 0  # wrong, but nobody else's
    assert measuring.largest_difference({0: np.array([0.11, 0.89])}, DIRECT) == pytest.approx(0.01, abs=1e-6)


def test_nearest_is_the_smallest_distance_of_two_inputs(measuring):
    assert measuring.nearest(DIRECT) == pytest.approx(0.3)


def test_row_of_a_load(measuring):
    load = types.SimpleNamespace(
        scores={0: DIRECT[0], 1: DIRECT[2]}, seconds=[0.01, 0.03], again=4, lost=1, elapsed=0.5
    )
    row = dict(zip(measuring.LOAD, measuring.load_row(8, load, DIRECT), strict=True))
    counts = {name: row[name] for name in ("clients", "requests", "lost", "mixed up", "sent again")}
    assert counts == {"clients": 8, "requests": 3, "lost": 1, "mixed up": 1, "sent again": 4}
    assert (row["p50, ms"], row["requests/s"], row["difference"]) == ("20.0", "4", "0.3")


def test_request_bodies_hold_the_stimulus(measuring):
    body = measuring.infer_body(np.array([[0.5, 1]], "float32"), 3)
    assert body == (
        '{"id": "3", "inputs": [{"name": "stimulus", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1.0]}]}'
    )
