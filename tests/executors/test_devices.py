"""Which GPUs each trial gets, on a machine whose GPUs are numbers."""

import os
import stat
from pathlib import Path

import pytest

from automl_img.executors.devices import CONTEXT_BYTES, DevicePool, Devices
from automl_img.executors.local import LocalSite
from automl_img.recipe import ComputeSettings
from automl_img.training import hardware
from automl_img.training.hardware import Hardware

GIB = 2**30


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch):
    """Puts a script in the place of NVIDIA's tool, on a machine that lists no GPU itself."""

    def put(script: str) -> None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(hardware, "DEVICES", tmp_path / "none")

    return put


def test_without_gpus_a_trial_gets_none():
    assert DevicePool().take(1) == Devices()
    assert DevicePool(per_trial=4).take(1) == Devices()


def test_each_trial_has_a_gpu_to_itself_where_there_are_enough():
    pool = DevicePool([0] * 3)
    assert [pool.take(trial).gpus for trial in (1, 2, 3)] == [(0,), (1,), (2,)]
    pool.give_back(2)
    assert pool.take(4) == Devices((1,))


def test_more_trials_than_gpus_share_them_evenly():
    pool = DevicePool([0] * 2)
    assert sorted(pool.take(trial).gpus for trial in range(6)) == [(0,)] * 3 + [(1,)] * 3
    pool.give_back(0)
    pool.give_back(0)
    assert pool.take(7).gpus == (0,)


def test_another_attempt_at_a_trial_takes_one_place_only():
    pool = DevicePool([0] * 2)
    assert pool.take(1).gpus == (0,) and pool.take(2).gpus == (1,)
    pool.give_back(1)
    assert pool.take(1).gpus == (0,)


def test_a_trial_gets_several_gpus_that_no_other_uses():
    pool = DevicePool([0] * 4, per_trial=2)
    assert [pool.take(trial).gpus for trial in (1, 2)] == [(0, 1), (2, 3)]
    pool.give_back(1)
    assert pool.take(3).gpus == (0, 1)
    assert DevicePool([0] * 2, per_trial=8).take(1).gpus == (0, 1), "as many as there are"


def test_trials_that_share_a_gpu_get_equal_parts_of_its_memory_and_one_alone_has_it_all():
    pool = DevicePool([16 * GIB, 24 * GIB], sharing=2)
    assert pool.take(1) == Devices((0,), 8 * GIB - CONTEXT_BYTES)
    assert pool.take(2) == Devices((1,), 12 * GIB - CONTEXT_BYTES)
    assert pool.take(3, alone=True) == Devices((0,), None)


def test_trials_on_a_gpu_of_unknown_memory_take_what_they_need():
    assert DevicePool([0], sharing=4).take(1) == Devices((0,), None)


@pytest.mark.parametrize(
    ("gpus", "compute", "slots", "sharing"),
    [
        (4, {}, 4, 1),
        (4, {"devices_per_trial": 2}, 2, 1),
        (4, {"trials_per_device": 3}, 12, 3),
        (2, {"slots": 5}, 5, 3),
        (1, {"devices_per_trial": 2}, 1, 1),
    ],
)
def test_slots_and_parts_follow_the_recipe(gpus, compute, slots, sharing, monkeypatch):
    monkeypatch.setattr(Hardware, "gpu_memory", lambda self: (16 * GIB,) * self.gpus)
    hardware, settings = Hardware(64, 2**38, gpus, True), ComputeSettings(**compute)
    counts = {name: getattr(settings, name) for name in ("devices_per_trial", "trials_per_device")}
    assert hardware.slots(settings.slots, **counts) == slots
    part = 16 * GIB // sharing - CONTEXT_BYTES if sharing > 1 else None
    assert DevicePool.of(hardware, settings).take(1).memory == part


@pytest.mark.parametrize(
    ("gpus", "cores", "compute", "each", "alone"),
    [
        (4, 64, {}, 1, 1),
        (4, 64, {"trials_per_device": 2}, 0.5, 1),
        (1, 64, {"slots": 4}, 0.25, 1),
        (4, 64, {"slots": 2}, 1, 1),
        (2, 64, {"devices_per_trial": 4}, 2, 2),
        (3, 64, {"devices_per_trial": 2, "slots": 2}, 1.5, 2),
        (0, 8, {"slots": 2}, 4, 8),
        (0, 3, {"slots": 2}, 1, 3),
        (0, 2, {"slots": 4}, 0.5, 2),
    ],
)
def test_a_trial_counts_the_devices_or_the_part_of_one_that_it_has(gpus, cores, compute, each, alone, monkeypatch):
    monkeypatch.setattr(Hardware, "detect", lambda gpus=gpus: Hardware(cores, 2**38, gpus, True))
    capacity = LocalSite(ComputeSettings(**compute), None).capacity
    assert (capacity.devices_each, capacity.devices_alone) == (each, alone)
    assert capacity.slots * capacity.devices_each <= capacity.devices == (gpus or cores)


def test_a_trial_on_several_gpus_and_several_trials_on_one_exclude_each_other():
    with pytest.raises(ValueError, match="devices_per_trial"):
        ComputeSettings(devices_per_trial=2, trials_per_device=2)


def listed(*values, only=""):
    """A script that says of each GPU its number, its UUID and one value, as nvidia-smi does; it says it to a query of ``only``."""
    told = "".join(f"{number}, GPU-{number}aaa-{number}bbb, {value}\\n" for number, value in enumerate(values))
    names = "".join(f"{number}, GPU-{number}aaa-{number}bbb\\n" for number, _ in enumerate(values))
    return f'case "$1" in *uuid,*{only}) printf "{told}";; *uuid) printf "{names}";; *) exit 9;; esac'


@pytest.mark.parametrize(
    ("script", "found"),
    [
        (listed(81559, 40960), (81559 * 2**20, 40960 * 2**20)),
        (listed(81559), (81559 * 2**20, 0)),
        (listed("[N/A]"), (0, 0)),
        ("echo No devices were found", (0, 0)),
        ("exit 9", (0, 0)),
    ],
)
def test_the_memory_of_gpus_is_what_nvidia_smi_says(script, found, nvidia_smi, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvidia_smi(script)
    assert Hardware(8, 2**36, 2, True).gpu_memory() == found


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        (["9.0"], "mixed_bfloat16"),
        (["8.0", "8.6"], "mixed_bfloat16"),
        (["8.0", "7.5"], "mixed_float16"),
        (["[N/A]"], "mixed_float16"),
    ],
)
def test_gpus_that_multiply_bfloat16_train_in_it(capabilities, precision, nvidia_smi, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvidia_smi(listed(*capabilities, only="compute_cap"))
    found = Hardware.detect()
    assert (found.gpus, found.precision("auto")) == (len(capabilities), precision)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert Hardware.detect().gpus == 0


@pytest.mark.parametrize(
    ("visible", "memory"),
    [
        ("1", [2]),
        ("2, 0", [3, 1]),
        ("GPU-1aaa-1bbb,GPU-0aaa", [2, 1]),
        ("MIG-7f2c", [1]),  # a part of a GPU, which nvidia-smi does not list
    ],
)
def test_the_memory_of_gpus_is_that_of_the_visible_ones_in_their_order(visible, memory, nvidia_smi, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    nvidia_smi(listed(1, 2, 3))
    assert Hardware(8, 2**36, len(memory), True).gpu_memory() == tuple(size * 2**20 for size in memory)


@pytest.mark.parametrize(("visible", "bfloat16"), [("0", True), ("1", False), ("0,1", False), ("GPU-0aaa", True)])
def test_an_old_gpu_that_is_hidden_does_not_decide_the_precision(visible, bfloat16, nvidia_smi, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    nvidia_smi(listed("8.0", "7.5", only="compute_cap"))
    assert Hardware.detect().bfloat16 is bfloat16


def test_words_of_nvidia_smi_are_no_gpu(nvidia_smi, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    nvidia_smi("echo No devices were found")
    assert Hardware.detect().gpus == 0


def test_gpus_are_those_whose_device_files_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "DEVICES", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert Hardware.detect().gpus == 0
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert Hardware.detect().gpus == 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert Hardware.detect().gpus == 1


def test_without_nvidia_smi_the_memory_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Hardware(8, 2**36, 2, True).gpu_memory() == (0, 0)
    assert Hardware(8, 2**36, 0, True).gpu_memory() == ()


def test_a_trial_without_its_gpu_fails_and_does_not_train_on_the_processor():
    from automl_img.training.devices import see_gpus
    from automl_img.training.spec import TrialFailure

    with pytest.raises(TrialFailure, match="it was given GPU 98 of this machine, of whose GPUs TensorFlow can use"):
        see_gpus([98])
