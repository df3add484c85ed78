"""The notebooks run from the first cell to the last, and are kept as nobody has run them yet."""

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
#: What a reader's budget is here, so that a search takes seconds.
SMALLER = {
    'budget="2m"': 'trials=1, settings={"search.architectures": ["resnet9"], "train.epochs": 1}',
    "trials=4": "trials=1",
}


def read(notebook):
    return nbformat.read(notebook, as_version=4)


def test_each_notebook_stands_on_the_page_of_notebooks():
    page = (ROOT / "docs" / "notebooks" / "index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\(([^)]+\.ipynb)\)", page)) == [notebook.name for notebook in NOTEBOOKS]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_is_kept_without_what_a_run_has_left(notebook):
    content = read(notebook)
    nbformat.validate(content)
    assert set(content.metadata) == {"kernelspec", "language_info"}
    for cell in content.cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
            assert set(cell.metadata) <= {"tags"}


@pytest.mark.train
@pytest.mark.e2e
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_runs_and_shows_its_search_and_its_report(notebook, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    content = read(notebook)
    cells = [cell for cell in content.cells if cell.cell_type == "code"]
    assert sum(cell.source.count(usual) for cell in cells for usual in SMALLER) == 1
    for cell in cells:
        for usual, small in SMALLER.items():
            cell.source = cell.source.replace(usual, small)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(
        content, timeout=300, resources=resources, skip_cells_with_tag="skip-execution"
    ).execute()  # a cell that raises ends it with that cell and its traceback
    shown = [
        (output.output_type, output.data["text/html"])
        for cell in cells
        for output in cell.outputs
        if "text/html" in output.get("data", {})
    ]
    (live,) = [html for kind, html in shown if kind == "display_data"]
    assert "Done" in live and "architecture" in live
    (report,) = [html for kind, html in shown if kind == "execute_result" and "<iframe" in html]
    assert "Leaderboard" in report
