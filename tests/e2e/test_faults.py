"""The scripts under tests/faults, in short: what happens to a search is done to it, and it loses nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.train]

FAULTS = Path(__file__).parents[1] / "faults"


@pytest.mark.parametrize(
    "script",
    [
        ["kill_driver.py", "--kills", "2", "--trials", "3", "--longest", "0.5"],
        ["kill_children.py", "--harms", "3"],
        ["full_disk.py", "--trials", "4"],
    ],
)
def test_a_search_survives(script):
    ran = subprocess.run([sys.executable, FAULTS / script[0], *script[1:]], capture_output=True, text=True, timeout=900)
    if ran.returncode == 77:
        pytest.skip(ran.stdout)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_search_is_seen_and_ended_from_another_terminal(started, tmp_path, typed):
    settings = ['plugins.modules=["automl_img_plainnet"]', 'search.architectures=["plainnet"]', "train.epochs=8"]
    arguments = ["search", "digits", "--trials", "500", "--out", tmp_path / "run"]
    arguments += [part for setting in settings for part in ("--set", setting)]
    program = str(Path(sys.executable).parent / "automl-img")
    plugins = str(Path(__file__).parents[1] / "third_party" / "automl-img-plainnet")
    search = started(
        [program, *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": plugins},
    )
    for line in search.stdout:
        if '"TrialEnded"' in line:
            break
    shown = typed("status", tmp_path / "run")
    assert "running by process" in shown.stdout and "plainnet" in shown.stdout
    second = typed("search", "--resume", tmp_path / "run")
    assert second.returncode == 2 and "this search is running" in second.stderr
    assert "asked process" in typed("stop", tmp_path / "run").stdout
    search.stdout.read()
    assert search.wait(timeout=120) == 130
    assert "interrupted" in typed("status", tmp_path / "run").stdout
    assert typed("stop", tmp_path / "run").returncode == 2
    for name in ("metrics.json", "report.html", "evaluation/to_check.csv"):
        assert (tmp_path / "run" / name).is_file(), name
