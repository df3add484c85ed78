"""The command line as a person calls it."""

import contextlib
import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import automl_img
from automl_img import events
from automl_img.cli.search import parse_settings

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
def search_here(typed):
    """The same in this process, whose fork server holds TensorFlow from the first search on."""
    return lambda target, out, *arguments: typed("search", target, "--out", out, *arguments)


class Enough(Exception):
    """What a test is about has happened."""


@pytest.fixture
def read(tmp_path, quick_settings):
    """A function that begins a search of a target, with settings as a person types them, until its data are ready.

    It returns the description of the data in the run folder, and the event that says how many images there are.
    """

    def begin(target, *settings):
        heard = []

        def listen(event):
            if isinstance(event, events.DataReady):
                heard.append(event)
                raise Enough

        run = tmp_path / f"run {len(list(tmp_path.glob('run *')))}"
        with contextlib.suppress(Enough):
            automl_img.fit(
                str(target), trials=1, settings={**quick_settings, **parse_settings(settings)}, out=run, listener=listen
            )
        return json.loads((run / "data.json").read_text()), heard[0]

    return begin


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
