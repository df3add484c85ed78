"""``automl-img analyse`` as a person calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def analyse(*arguments):
    command = [str(Path(sys.executable).parent / "automl-img"), "analyse", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ})


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat <b>&'\"", "dog [red]x[bold]"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(35):
            Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).save(
                tmp_path / "photos" / name / f"{number}.png"
            )
    return tmp_path / "photos"


def test_it_shows_classes_figures_and_a_verdict(photos):
    ran = analyse(photos)
    assert ran.returncode == 0, ran.stderr
    assert "binary, 2 classes, 70 train" in ran.stdout and "30×40" in ran.stdout
    assert "cat <b>&'\"" in ran.stdout and "dog [red]x[bold]" in ran.stdout, "names are shown as they are"
    assert "Ready to train." in ran.stdout


def test_json_on_standard_output_is_all_there_is(photos):
    facts = json.loads(analyse(photos, "--json", "-").stdout)
    assert facts["images"] == {"train": 70} and facts["totals"]["unreadable"] == 0


def test_unusable_data_is_said_and_exits_with_2(photos, tmp_path):
    for path in list((photos / "dog [red]x[bold]").iterdir()):
        path.write_bytes(b"")
    ran = analyse(photos, "--json", tmp_path / "facts.json")
    assert ran.returncode == 2 and "Not usable" in ran.stdout and "Traceback" not in ran.stderr
    assert json.loads((tmp_path / "facts.json").read_text())["unusable"]


def test_the_limits_can_be_set(photos):
    assert "Fewer than 50 training images" in analyse(photos, "--few", "50").stdout


def test_what_is_not_there_is_one_line(tmp_path):
    ran = analyse(tmp_path / "none")
    assert ran.returncode == 2 and len(ran.stderr.strip().splitlines()) == 1
