"""Training on several devices equals training on one, except for statistics of each replica's own samples."""

import importlib.util
import socket

import numpy as np
import pytest

from tests.models.training_worker import Workers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("devices")]
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")

GLOBAL = ["nothing over the batch", "synchronized statistics"]
PER_REPLICA = ["statistics of the batch", "centring over the batch", "pairs of samples"]


def difference(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one, other, strict=True))


def assert_same(one, other):
    (weights, logs), (other_weights, other_logs) = one, other
    assert difference(weights, other_weights) < 1e-4
    assert logs == pytest.approx(other_logs, abs=1e-4)


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    """Return results of one device, of two TensorFlow replicas, and of the replicas in turn on one device."""
    workers = Workers(tmp_path_factory.mktemp("replicas"), GLOBAL + PER_REPLICA, steps=5)
    for layout in ("one device", "mirrored", "halves"):
        workers.start(layout, "tensorflow", layout)
    return workers.results()


@pytest.mark.parametrize("case", GLOBAL)
def test_replicas_equal_one_device_without_statistics_of_their_own(case, replicas):
    assert_same(replicas["mirrored"][case], replicas["one device"][case])


@pytest.mark.parametrize("case", PER_REPLICA)
def test_replicas_compute_over_their_own_samples(case, replicas):
    weights = {layout: results[case][0] for layout, results in replicas.items()}
    assert difference(weights["mirrored"], weights["halves"]) < 1e-4
    assert difference(weights["mirrored"], weights["one device"]) > 1e-3


@pytest.fixture(scope="module")
def sharded(tmp_path_factory):
    """Return results of JAX on one device, on two, and of two processes with one each, by name."""
    case, two = "all over the batch", "--xla_force_host_platform_device_count=2"
    workers = Workers(tmp_path_factory.mktemp("sharded"), [case], steps=5)
    workers.start("one device", "jax")
    workers.start("two devices", "jax", "data parallel", XLA_FLAGS=two)
    with socket.socket() as free_port:
        free_port.bind(("localhost", 0))
        address = f"localhost:{free_port.getsockname()[1]}"
    for process in range(2):
        workers.start(
            f"process {process}",
            "jax",
            "processes",
            KERAS_DISTRIBUTION_JOB_ADDRESSES=address,
            KERAS_DISTRIBUTION_NUM_PROCESSES="2",
            KERAS_DISTRIBUTION_PROCESS_ID=str(process),
        )
    return {name: cases[case] for name, cases in workers.results().items()}


@needs_jax
@pytest.mark.parametrize("name", ["two devices", "process 0", "process 1"])
def test_sharded_arrays_and_processes_equal_one_device(name, sharded):
    assert_same(sharded[name], sharded["one device"])
