"""The command line as a person calls it."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "third_party" / "automl-img-plainnet"


@pytest.fixture
def command():
    """A function that runs automl-img with arguments and returns the finished process."""

    def run(*arguments):
        program = str(Path(sys.executable).parent / "automl-img")
        environment = {**os.environ, "COLUMNS": "160", "PYTHONPATH": str(PLUGINS)}
        return subprocess.run(
            [program, *map(str, arguments)], capture_output=True, text=True, timeout=400, env=environment
        )

    return run


@pytest.fixture
def search(command):
    """A function that searches a target into a run folder and returns the finished process."""
    return lambda target, out, *arguments: command("search", target, "--out", out, *arguments)


@pytest.fixture
def quick():
    """Arguments of a search of one small network for a few seconds."""
    settings = ['plugins.modules=["automl_img_plainnet"]', 'search.architectures=["plainnet"]', "train.epochs=8"]
    return ["--trials", "1", *(part for setting in settings for part in ("--set", setting))]


@pytest.fixture
def leaderboard():
    """A function that returns the rows of a run's leaderboard."""

    def read(run):
        with (run / "leaderboard.csv").open() as file:
            return list(csv.DictReader(file))

    return read
