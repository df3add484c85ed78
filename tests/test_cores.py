"""How many cores a process may use, by what a container says."""

import os

import pytest

from automl_img.cores import cores
from automl_img.training.hardware import Hardware

QUOTA, PERIOD = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 64),
        ({"cpu.max": "max 100000\n"}, 64),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 64),
        ({QUOTA: "-1\n", PERIOD: "100000\n"}, 64),
        ({QUOTA: "400000\n", PERIOD: "100000\n"}, 4),
        ({"cpu.max": "nonsense\n"}, 64),
    ],
)
def test_a_containers_limit_counts_where_it_is_less_than_the_machine(files, expected, tmp_path, monkeypatch):
    monkeypatch.setattr("automl_img.cores.CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cores() == Hardware.detect(gpus=0).cores == expected
