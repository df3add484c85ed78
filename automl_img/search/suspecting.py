"""The labels of a run's images that are probably wrong, as a table to work through."""

from __future__ import annotations

import csv
from pathlib import Path

from automl_img.data.store import PreparedStore
from automl_img.errors import DataError, RunFolderError, UsageError
from automl_img.evaluation.model_file import read_model
from automl_img.evaluation.predictions import Predictions
from automl_img.evaluation.suspects import Suspect, suspects
from automl_img.replacing import replacing
from automl_img.search import run_folder
from automl_img.search.run_folder import RunFolder
from automl_img.tasks import make_task

SUSPECTS = 50  # images that are worth a person's time
CHECK_FILE = "to_check.csv"
COLUMNS = ("image", "split", "row", "label", "predicted", "confidence", "quality")
#: With which a text begins that a spreadsheet runs; an apostrophe before it makes it a text again.
FORMULA = ("=", "+", "-", "@")


def write_suspects(path: str | Path, limit: int, target: Path | None = None) -> tuple[list[tuple[str, Suspect]], Path]:
    """Write the table on the run in ``path``; return each image's name with what is suspected, and where the table lies.

    Args:
        path: The run folder of a search that has ended.
        limit: The most images.
        target: The file; ``evaluation/to_check.csv`` in the run folder unless given.

    Raises:
        RunFolderError: It is no run folder, its search has not ended, or a link in it leads elsewhere.
        UsageError: The file cannot be written.
    """
    folder = RunFolder.open(path)
    if target is None:
        folder.refuse_links()
    files = {split: folder.evaluation / f"{split}.npz" for split in ("validation", "test")}
    present = {split: Predictions.load(file) for split, file in files.items() if file.is_file()}
    if not present:
        raise RunFolderError("this run has no predictions yet: its search has not ended", where=str(path))
    data = folder.read(run_folder.DATA_FILE)
    task = make_task(data["task"], tuple(data["class_names"]))
    found = suspects(present, task, read_model(folder.model).thresholds)[:limit]
    names = _names(data["store"], data["fingerprint"])
    listed = [(names[one.row] if one.row < len(names) else f"image {one.row}", one) for one in found]
    target = target or folder.evaluation / CHECK_FILE
    try:
        with (
            replacing(target) as temporary,
            temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for name, one in listed:
                quality, confidence = f"{one.quality:.4f}", f"{one.confidence:.4f}"
                label, predicted = _cell(one.label), _cell(one.predicted)
                writer.writerow((_cell(name), one.split, one.row, label, predicted, confidence, quality))
    except OSError as error:
        raise UsageError(f"the table cannot be written: {error.strerror or error}", where=str(target)) from error
    return listed, target


def suspects_of(folder: RunFolder) -> list[Suspect]:
    """What :func:`write_suspects` has found; nothing where it was not asked, or its table was changed to something else."""
    found = []
    try:
        with (folder.evaluation / CHECK_FILE).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                numbers = float(row["confidence"]), float(row["quality"])
                label, predicted = _text(row["label"]), _text(row["predicted"])
                found.append(Suspect(row["split"], int(row["row"]), label, predicted, *numbers))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []
    return found


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _text(cell: str) -> str:
    """What :func:`_cell` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def _names(store: str, fingerprint: str) -> list[str]:
    """The files of the images, as long as the prepared images are in the cache."""
    try:
        opened = PreparedStore.open(Path(store))
    except DataError:
        return []
    return opened.names() if opened.fingerprint == fingerprint else []
