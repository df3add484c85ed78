"""Whatever a name or a terminal's encoding holds, nothing that is printed ends a command."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from automl_img import api, cli
from automl_img.cli import evaluate, export, suspects
from automl_img.errors import AutoMLImageWarning
from automl_img.evaluation.suspects import Suspect
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
        write = predict._writer(predict.Format.FORMAT, OUT, 1, more=(), stack=stack)
        write([{"path": "caf\\udce9.png", "classes": [{"label": "猫", "confidence": 1.0}], "error": ""}])

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


@pytest.mark.parametrize(
    ("encoding", "label"), [("utf-8", "猫".encode()), ("latin-1", rb"\u732b"), ("ascii", rb"\u732b")]
)
def test_predictions_keep_the_bytes_in_names_of_files(encoding, label):
    code = PREDICT.replace("FORMAT", "csv").replace("OUT", "None")
    assert b"\ncaf\xe9.png," + label in printed(code, encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_predictions_in_json_are_json_whatever_a_file_is_called(encoding, tmp_path):
    code = PREDICT.replace("FORMAT", "json")
    out = tmp_path / "answers.json"
    printed(code.replace("OUT", f"__import__('pathlib').Path({str(out)!r})"), encoding)
    for content in (printed(code.replace("OUT", "None"), encoding).decode(encoding), out.read_text("utf-8")):
        (row,) = json.loads(content)
        assert (row["path"], row["classes"][0]["label"]) == ("caf\udce9.png", "猫")


def test_a_warning_of_ours_is_one_line_and_others_are_as_python_has_them(typed, monkeypatch):
    def warn():
        warnings.warn("no [network] of old", AutoMLImageWarning, stacklevel=1)
        warnings.warn("a library's own", UserWarning, stacklevel=1)
        sys.exit()

    monkeypatch.setattr(cli, "app", warn)
    shown = warnings.showwarning
    with pytest.warns(UserWarning, match="a library's own"):
        assert typed().stderr == "Warning: no [network] of old\n"
    assert warnings.showwarning is shown


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
    one = ("[bold]1.png", Suspect("test", 3, "cat", "dog", 0.9, 0.1))
    for found, counted in (([], "0 labels"), ([one], "1 label")):
        monkeypatch.setattr(suspecting, "write_suspects", lambda run, limit, out, found=found: (found, out))
        suspects.suspects(Path("run"), out=Path("[red]check.csv"))
        assert f"{counted} to check: [red]check.csv" in capsys.readouterr().out


def test_a_class_without_images_is_shown_without_figures(wide, monkeypatch, capsys):
    known = {"precision": 0.5, "recall": 1.0, "f1": 0.6667, "support": 2}
    nothing = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0}
    whole = {"task": "multiclass", "images": 2, "f1": 0.6667, "baseline": {}, "intervals": {}}
    figures = {**whole, "per_class": {"ant": known, "bee": nothing}}
    monkeypatch.setattr(api, "evaluate_run", lambda run, split: figures)
    evaluate.evaluate(Path("run"))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["ant", "0.5000", "1.0000", "0.6667", "2"] in rows and ["bee", "–", "–", "–", "0"] in rows
