"""Training by several processes, which needs JAX, whatever the backend of the tests."""

import csv
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import types
from unittest import mock

import keras
import numpy as np
import pytest
from absl import app
from absl import flags as absl_flags

import keras_bsd
from tests.recipes.running import ROOT, loaded, run

slow = pytest.mark.slow
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
GUIDE = ROOT / "docs" / "distributed-training.md"


# Flags


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--processes=2", "--process_id=2", "--coordinator=a:1"], "--process_id must be below --processes"),
        (["--process_id=0"], "--process_id and --coordinator need each other"),
        (["--coordinator=a:1"], "--process_id and --coordinator need each other"),
        (["--process_id=0", "--coordinator=a"], "must be HOST:PORT"),
        (["--processes=0"], "--processes"),
    ],
)
def test_flags_that_name_no_process(flags, message, tmp_path):
    done = run("train_recognition", *flags, f"--output_dir={tmp_path}")
    assert done.returncode
    assert message in done.stdout + done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", ["--on_device", "--tensorboard"])
def test_what_several_processes_exclude(flag):
    message = "several --processes exclude --on_device, which keeps all data on one device, and --tensorboard"
    on_jax = mock.patch("keras.config.backend", return_value="jax")
    with (
        on_jax,
        pytest.raises(absl_flags.Error, match=message),
        loaded("train_recognition", "--processes=2", flag),
    ):
        pass


@pytest.mark.skipif(keras.config.backend() == "jax", reason="the error of other backends")
def test_another_backend_is_refused_with_what_can_be_done(tmp_path):
    done = run("train_recognition", "--processes=2", f"--output_dir={tmp_path}")
    assert done.returncode
    message = (
        "several processes train on JAX: set KERAS_BACKEND=jax in the environment. On TensorFlow the GPUs of"
    )
    assert message in done.stdout + done.stderr


# Shares of batches


@pytest.fixture
def shared_run(monkeypatch):
    pytest.importorskip("jax")
    monkeypatch.syspath_prepend(str(ROOT / "applications"))
    return importlib.import_module("_shared_run")


def shares(shared_run, batches, processes, devices):
    """Return the share of each process, which has as many of the devices as any other."""
    for process in range(processes):
        counts = {"process_index": process, "process_count": processes, "device_count": devices}
        with mock.patch.multiple("jax", **{name: lambda value=value: value for name, value in counts.items()}):
            yield shared_run.Share(batches)


@pytest.mark.parametrize(
    "augmentation", [[], [keras.layers.RandomFlip("horizontal", data_format="channels_last")]]
)
def test_shares_are_those_of_the_whole_batches(augmentation, shared_run):
    x = np.random.default_rng(0).random((26, 4, 4, 1), "float32")
    batches = keras_bsd.datasets.Batches(x, np.arange(26), 8, augmentation, seed=3)
    parts = list(shares(shared_run, batches, 2, 2))
    for epoch in (1, 2):
        for part in parts:
            part.epoch_callback().on_epoch_begin(epoch)
        assert [len(part) for part in parts] == [4, 4]
        for index, size in enumerate([4, 4, 4, 1]):
            images, targets = batches[index]
            own = [part[index] for part in parts]
            assert [len(part_targets) for _, part_targets in own] == [size, size]
            np.testing.assert_array_equal(np.concatenate([images for images, _ in own]), images)
            np.testing.assert_array_equal(np.concatenate([targets for _, targets in own]), targets)


def test_samples_that_the_devices_cannot_divide_are_not_used(shared_run):
    batches = keras_bsd.datasets.Batches(np.zeros((23, 2, 2, 1)), np.arange(23), 8)
    of_four = list(shares(shared_run, batches, 2, 4))  # two each: of the last seven samples four are used
    assert [len(part[2][1]) for part in of_four] == [2, 2]
    of_eight = list(shares(shared_run, batches, 2, 8))
    assert [len(part) for part in of_eight] == [2, 2]


def test_devices_that_cannot_divide_a_batch_are_an_error(shared_run):
    message = "must be a multiple of the number of devices, which divide each batch. Received: --batch_size=8 "
    message += "--processes=3, with 6 devices"
    flags = mock.patch.object(shared_run, "FLAGS", types.SimpleNamespace(processes=3))
    with flags, mock.patch("jax.device_count", return_value=6):
        shared_run.check_batch_size(12)
        with pytest.raises(app.UsageError, match=message):
            shared_run.check_batch_size(8)


# Connections


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def start(module, *flags, **environment):
    """Start a module of the tests or a script of the recipes, on JAX."""
    settings = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
    settings |= {
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_ENABLE_X64": "0",
    }  # compiling takes most of the time
    program = [module] if module.endswith(".py") else ["-m", module]
    return subprocess.Popen(
        [sys.executable, *program, *map(str, flags)],
        cwd=ROOT,
        env={**os.environ, **settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_two(flags, modules=("tests.recipes.process_worker",) * 2, others=((), ())):
    """Start two processes that connect on this machine, on its own address alone."""
    address = f"127.0.0.1:{free_port()}"
    bind = {"JAX_COORDINATOR_BIND_ADDRESS": address}
    return [
        start(module, *other, "--processes=2", f"--process_id={i}", f"--coordinator={address}", *flags, **bind)
        for i, (module, other) in enumerate(zip(modules, others, strict=True))
    ]


def ended(processes):
    """Wait for the ends of processes, and return status, stdout and stderr of each."""
    try:
        return [
            (process.returncode, *output)
            for process, output in [(process, process.communicate(timeout=600)) for process in processes]
        ]
    finally:
        for process in processes:
            process.kill()


def check_that_the_first_alone_prints(processes):
    (status, output, _), (other_status, other_output, _) = ended(processes)
    assert (status, other_status) == (0, 0)
    assert output == "only the first prints: True, of the first\n"
    assert other_output == ""


@slow
@needs_jax
def test_processes_connect_share_what_the_first_has_and_print_once():
    check_that_the_first_alone_prints(start_two([]))


@slow
@needs_jax
def test_slurm_says_which_process_is_which():
    environment = {"SLURM_JOB_ID": str(free_port()), "SLURM_STEP_NODELIST": "127.0.0.1", "SLURM_NTASKS": "2"}
    address = f"127.0.0.1:{free_port()}"
    environment |= {
        "SLURM_LOCALID": "0",
        "JAX_COORDINATOR_PORT": address.rpartition(":")[2],
        "JAX_COORDINATOR_BIND_ADDRESS": address,
    }
    worker = "tests.recipes.process_worker"
    processes = [start(worker, "--processes=2", SLURM_PROCID=str(i), **environment) for i in range(2)]
    check_that_the_first_alone_prints(processes)


@slow
@needs_jax
def test_different_flags_end_all_processes():
    message = (
        "All processes must have the same flags, versions and data as process 0. Received: in process 1 "
        "setting='b' and not 'a'\n"
    )
    for status, output, errors in ended(start_two([], others=((), ["--setting=b"]))):
        assert (status, output) == (1, "")
        assert errors.endswith(message)


@slow
@needs_jax
@pytest.mark.parametrize("process_id", [0, 1])
def test_processes_that_do_not_come_are_an_error_in_time(process_id):
    """Neither the coordinator that cannot be reached, nor the process that does not reach it."""
    address = f"127.0.0.1:{free_port()}"
    flags = ["--processes=2", f"--process_id={process_id}", f"--coordinator={address}", "--process_timeout=1"]
    bind = {"JAX_COORDINATOR_BIND_ADDRESS": address}
    ((status, _, errors),) = ended([start("tests.recipes.process_worker", *flags, **bind)])
    assert status == 1
    assert (
        "All processes must have started within 1 s (--process_timeout). Start one for each id from 0 to 1"
        in errors
    )
    assert errors.endswith(f"Received: --processes=2 --process_id={process_id} --coordinator={address}\n")


@slow
@needs_jax
def test_a_process_must_be_named_by_flags_or_environment():
    ((status, _, errors),) = ended([start("tests.recipes.process_worker", "--processes=2")])
    assert status == 1
    assert errors.startswith(
        "--processes needs --process_id and --coordinator, unless SLURM or Open MPI provides"
    )


# Training


def history(folder):
    """Return the last row of each epoch in a log of training."""
    with open(folder / "rate.csv", newline="") as rows:
        return {row["epoch"]: row for row in csv.DictReader(rows)}


@slow
@needs_jax
def test_after_a_process_is_killed_two_processes_or_one_resume_to_the_same_end(tmp_path):
    recipe, killed = "applications/train_recognition.py", "tests.recipes.interrupted_worker"
    flags = ["--method=rate", "--units=8", "--timesteps=2", "--epochs=3", "--samples=300"]
    both, one = tmp_path / "both", tmp_path / "one"
    processes = start_two([*flags, f"--output_dir={both}"], (recipe, killed), ((), ["2"]))
    (status, _, errors), (other_status, other_output, _) = ended(processes)
    assert (other_status, other_output) == (-signal.SIGKILL, "")
    assert status == 1
    assert (
        "Another process seems to have ended, and therefore this one: see what the others printed. The same"
        in errors
    )
    assert not (both / "metrics.json").exists()
    shutil.copytree(both, one)
    processes = [*start_two([*flags, f"--output_dir={both}"], (recipe, recipe))]
    processes.append(start(recipe, *flags, f"--output_dir={one}"))
    (status, output, errors), *others = ended(processes)
    assert status == 0, errors
    assert [(status, output if i == 0 else "") for i, (status, output, _) in enumerate(others)] == [
        (0, ""),
        (0, ""),
    ]
    assert "Epoch 1/3" not in output  # which had been trained
    assert "Epoch 3/3" in output
    assert re.search(r"^Results: ", output, re.MULTILINE)
    for name in ("rate.keras", "metrics.json", "report.png"):
        assert (both / name).exists()
    by_two, by_one = history(both), history(one)
    assert list(by_two) == list(by_one) == ["0", "1", "2"]
    for epoch in by_two:
        for metric in ("loss", "val_loss", "val_accuracy"):
            assert float(by_two[epoch][metric]) == pytest.approx(float(by_one[epoch][metric]), abs=1e-4)
    models = [keras.saving.load_model(folder / "rate.keras") for folder in (both, one)]
    for first, second in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-4)


# The guide


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)


def test_commands_of_the_guide_have_flags_of_the_recipe():
    text = "".join([*blocks("sh"), *blocks("bash"), *blocks("yaml")]).replace("\\\n", " ")
    commands = re.findall(r"python applications/train_recognition\.py((?:\s+--?[\w-]+(?:=\S+)?)*)", text)
    assert len(commands) >= 3
    with loaded("train_recognition") as recipe:
        for command in commands:
            names = re.findall(r"--([\w-]+)", command)
            assert {"processes"} <= {*names} <= {*recipe.FLAGS}


def test_kubernetes_example_starts_each_process_once():
    yaml = pytest.importorskip("yaml")
    service, job = yaml.safe_load_all("".join(blocks("yaml")))
    assert (service["kind"], service["spec"]["clusterIP"]) == ("Service", "None")
    assert service["spec"]["publishNotReadyAddresses"] is True  # process 0 must be found before all are ready
    assert (job["kind"], job["spec"]["completionMode"]) == ("Job", "Indexed")
    pod, name = job["spec"]["template"]["spec"], job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == service["metadata"]["name"]
    (container,) = pod["containers"]
    (command,) = container["args"]
    assert job["spec"]["completions"] == job["spec"]["parallelism"]
    assert f"--processes={job['spec']['completions']} --process_id=$JOB_COMPLETION_INDEX" in command
    assert f"--coordinator={name}-0.{pod['subdomain']}:" in command
    assert {"name": "KERAS_BACKEND", "value": "jax"} in container["env"]
