"""Whatever a name or a terminal's encoding holds, nothing that is printed ends a command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl_img.cli import export, suspects
from automl_img.export.comparison import Exported
from automl_img.search import exporting, suspecting

MAIN = """
from automl_img import cli
cli.app = lambda: print("caf\\udce9 30×40… 🐈")
cli.main()
"""
PREDICT = """
import contextlib
from automl_img import cli
from automl_img.cli import predict

def app():
    with contextlib.ExitStack() as stack:
        write = predict._writer(predict.Format.csv, None, 1, more=(), stack=stack)
        write([{"path": "caf\\udce9.png", "classes": [], "error": "no image"}])

cli.app = app
cli.main()
"""


def printed(code, encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment).stdout


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("utf-8", "caf\\udce9 30×40… 🐈"),
        ("latin-1", "caf\\udce9 30×40\\u2026 \\ud83d\\udc08"),
        ("ascii", "caf\\udce9 30\\u00d740\\u2026 \\ud83d\\udc08"),
    ],
)
def test_what_cannot_be_printed_is_escaped_as_in_json(encoding, expected):
    text = printed(MAIN, encoding).decode(encoding).rstrip("\n")
    assert text == expected
    assert json.loads(f'"{text}"') == "caf\udce9 30×40… 🐈"


def test_predictions_keep_the_bytes_in_names_of_files():
    assert b"\ncaf\xe9.png," in printed(PREDICT, "utf-8")


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")


def test_an_export_into_a_folder_with_brackets_is_shown_as_it_is(wide, monkeypatch, capsys):
    found = Exported("keras", Path("[bold]here/model.keras"), 1000, 200, 1.0, 0.0, 0.9, 0.9, 0.001, 0.001)
    monkeypatch.setattr(exporting, "export_run", lambda *arguments, **named: found)
    export.export(Path("run"), "keras")
    said = capsys.readouterr().out
    assert "\n[bold]here/model.keras, with its labels" in said and "same top class" in said


def test_a_table_of_suspects_in_a_folder_with_brackets_is_shown_as_it_is(wide, monkeypatch, capsys):
    monkeypatch.setattr(suspecting, "write_suspects", lambda run, limit, out: ([], out))
    suspects.suspects(Path("run"), out=Path("[red]check.csv"))
    assert "0 labels to check: [red]check.csv" in capsys.readouterr().out
