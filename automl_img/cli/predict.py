"""``automl-img predict``."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from automl_img.evaluation.predictor import Predictor

BATCH = 256  # files that are decoded at once
SOME_UNREADABLE = 3
SEPARATOR = "|"  # between the labels of an image that has several


class Format(StrEnum):
    """How predictions are written."""

    csv = "csv"
    json = "json"


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder, or a saved model.")],
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.csv,
    top: Annotated[int, typer.Option(min=1, help="How many classes to give for each image.")] = 1,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output unless given.")] = None,
) -> None:
    """Predict the class of images; with several labels an image, the column labels holds those that reach their thresholds.

    An image that cannot be read gives a row with its error; the others are predicted, and the exit code is 3.
    """
    from automl_img.evaluation.predictor import Predictor

    predictor = Predictor(run)
    top = min(top, len(predictor.class_names))
    unreadable = 0
    with contextlib.ExitStack() as stack:
        file: TextIO = stack.enter_context(out.open("w", encoding="utf-8", newline="")) if out else sys.stdout
        several = predictor.task.kind == "multilabel"
        write = _csv_writer(file, top, several=several) if format is Format.csv else _json_writer(file, stack)
        batch: list[Path] = []
        for path in [*_listed(images), None]:
            if path is not None:
                batch.append(path)
            if batch and (path is None or len(batch) == BATCH):
                for row in _rows(predictor, batch, top):
                    unreadable += bool(row["error"])
                    write(row)
                batch = []
    if unreadable:
        print(f"{unreadable} images could not be read.", file=sys.stderr)
        raise typer.Exit(SOME_UNREADABLE)


def _listed(images: list[Path]) -> Iterator[Path]:
    from automl_img.errors import DataError

    for given in images:
        if given.is_dir():
            found = sorted(path for path in given.rglob("*") if path.is_file() and not path.name.startswith("."))
            if not found:
                raise DataError("the folder holds no files", where=str(given))
            yield from found
        else:
            yield given


def _rows(predictor: Predictor, paths: list[Path], top: int) -> Iterator[dict[str, Any]]:
    import numpy as np

    from automl_img.errors import DataError

    prepared, errors = [], {}
    for path in paths:
        try:
            prepared.append(predictor.prepare([path])[0])
        except DataError as error:
            errors[path] = str(error)
    probabilities: Iterator[Any] = iter(predictor.predict_proba_prepared(np.stack(prepared)) if prepared else [])
    for path in paths:
        if path in errors:
            yield {"path": str(path), "classes": [], "error": errors[path]}
            continue
        row = next(probabilities)
        best = row.argsort()[::-1][:top]
        classes = [{"label": predictor.class_names[i], "confidence": round(float(row[i]), 6)} for i in best]
        found: dict[str, Any] = {"path": str(path), "classes": classes, "error": ""}
        if predictor.task.kind == "multilabel":
            found["labels"] = list(predictor.task.names(predictor.decide(row[np.newaxis]))[0])
        yield found


def _csv_writer(file: TextIO, top: int, *, several: bool) -> Any:
    writer = csv.writer(file, lineterminator="\n")
    more = [name for rank in range(2, top + 1) for name in (f"label_{rank}", f"confidence_{rank}")]
    writer.writerow(["path", *(["labels"] if several else []), "label", "confidence", *more, "error"])

    def write(row: dict[str, Any]) -> None:
        cells = [cell for found in row["classes"] for cell in (found["label"], found["confidence"])]
        cells += [""] * (2 * top - len(cells))
        labels = [SEPARATOR.join(row.get("labels", ()))] if several else []
        writer.writerow([row["path"], *labels, *cells, row["error"]])

    return write


def _json_writer(file: TextIO, stack: contextlib.ExitStack) -> Any:
    rows: list[dict[str, Any]] = []
    stack.callback(lambda: file.write(json.dumps(rows, indent=2, ensure_ascii=False) + "\n"))
    return rows.append
