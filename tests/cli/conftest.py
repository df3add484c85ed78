"""The command line without a new process for each command."""

import sys
from dataclasses import dataclass

import pytest

from automl_img import cli


@dataclass(frozen=True)
class Ran:
    """What a command came to, named as subprocess names it."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def typed(monkeypatch, capsys):
    """A function that does in this process what typing a command does in another; starting that takes a hundred times as long."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["automl-img", *map(str, arguments)])
        monkeypatch.setattr(cli, "load_alone", lambda: None)  # here other code wants what that hides
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ran(ended.value.code or 0, *capsys.readouterr())

    return run
