"""``automl-img predict``."""

from __future__ import annotations

import contextlib
import csv
import glob
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from automl_img.cli.output import BYTES, ESCAPES, refuse_place, writing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from automl_img.evaluation.predictor import Predictor

BATCH = 512  # files at most that are predicted at once; as many are decoded meanwhile
FEWEST = 32  # of large images
VALUES = 60_000_000  # bytes of their pixels
TOGETHER = 32  # files at most that a thread decodes before it looks for others
SOME_UNREADABLE = 3
SEPARATOR = "|"  # between the labels of an image that has several
STANDARD_INPUT = Path("-")
HIDDEN = (".", "__MACOSX")  # with which names begin

Row = dict[str, Any]


class Format(StrEnum):
    """How predictions are written."""

    csv = "csv"
    json = "json"
    parquet = "parquet"


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder, or a saved model.")],
    images: Annotated[
        list[Path], typer.Argument(help="Image files, folders, patterns such as 'a/*.jpg', or - for a list of files.")
    ],
    format: Annotated[Format, typer.Option(help="What to write; parquet needs --out.")] = Format.csv,
    top: Annotated[int, typer.Option(min=1, help="How many classes to give for each image.")] = 1,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output unless given.")] = None,
) -> None:
    """Predict the class of images; with several labels an image, the column labels holds those that reach their thresholds.

    The answer of a model whose recipe has a table decision, or of one with a threshold between two classes, stands in a column of its
    own: a class, the parent of one, "don't know" or "unknown".

    An image that cannot be read gives a row with its error; the others are predicted, and the exit code is 3.
    """
    from automl_img.evaluation.predictor import Predictor
    from automl_img.recipe import counted

    _refuse_place(format, out)
    predictor = Predictor(run)
    top = min(top, len(predictor.class_names))
    more = ("answer",) if predictor.decides else ()
    more = (*more, "labels") if predictor.task.kind == "multilabel" else more
    unreadable = 0
    listed = _listed(images, out)  # before the file is opened: what it holds is not lost to a mistake
    with writing(out), contextlib.ExitStack() as stack:
        write = _writer(format, out, top, more=more, stack=stack)
        for paths, pixels in _decoded(predictor, listed):
            rows = list(_rows(predictor, paths, pixels, top))
            unreadable += sum(bool(row["error"]) for row in rows)
            write(rows)
    if unreadable:
        print(f"{counted(unreadable, 'image')} could not be read.", file=sys.stderr)
        raise typer.Exit(SOME_UNREADABLE)


def _refuse_place(format: Format, out: Path | None) -> None:
    from automl_img.errors import UsageError

    if format is Format.parquet and out is None:
        raise UsageError("parquet is no text", where="--out", hint="Name a file with --out.")
    if out is not None:
        refuse_place(out, "--out")
        if _is_file(out) and _is_image(out):
            raise UsageError("this file is an image, and would be overwritten", where="--out", found=str(out))


def _is_image(path: Path) -> bool:
    from automl_img.data.images import decode
    from automl_img.errors import DataError

    try:
        decode(path, channels=1, size=(1, 1))
    except DataError:
        return False
    return True


def _listed(images: Sequence[Path], out: Path | None = None) -> Iterator[Path]:
    """Return the files that are meant, without ``out``, which is written; folders and standard input are read when it is their turn.

    Raises:
        DataError: A folder or a pattern stands for no file, or a path begins at the home folder of a user who is not there.
    """
    from automl_img.errors import DataError
    from automl_img.paths import expanded_path

    return chain.from_iterable([_meant(expanded_path(given, error=DataError), out) for given in images])


def _meant(given: Path, out: Path | None) -> Iterator[Path]:
    from automl_img.errors import DataError

    problem = ""
    if given == STANDARD_INPUT:
        found = _named_on_standard_input()
    elif os.path.isdir(given):  # noqa: PTH112 - Path.is_dir raises where nobody may look, which is a row with its error
        problem, found = "the folder holds no files", _below(given)
    elif glob.has_magic(str(given)) and not os.path.exists(given):  # noqa: PTH110
        names = glob.iglob(str(given), recursive=True)  # noqa: PTH207 (a pattern may be absolute)
        matching = sorted(path for path in map(Path, names) if _is_file(path))
        problem, found = "no file matches this pattern", iter(matching)
    else:
        found = iter([given])
    images = (path for path in found if not _is_same(path, out))
    if not problem:
        return images
    first = next(images, None)
    if first is None:
        raise DataError(problem, where=str(given))
    return chain([first], images)


def _named_on_standard_input() -> Iterator[Path]:
    from automl_img.errors import DataError
    from automl_img.paths import expanded_path

    lines: TextIO = sys.stdin
    if hasattr(lines, "reconfigure"):
        lines.reconfigure(errors="surrogateescape")  # names of files may hold bytes that are no text
    for line in lines:
        path = Path(line.rstrip("\r\n"))
        with contextlib.suppress(DataError):  # in a home folder that is not there is no such file: a row with its error
            path = expanded_path(path, error=DataError)
        if line.strip():
            yield path


def _below(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[Path]:
    """Yield the files below a folder that are not hidden, behind links too, and the folders that cannot be listed; all in order.

    A folder is listed when it is its turn, so that no more names are held than those of the folders on the way to a file.

    Args:
        folder: The folder; it was named by a person, and may be hidden itself.
        above: The folders through which the way went, each as device and inode: a link back to one of them is not followed.
    """
    try:
        status = folder.stat()
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(HIDDEN))
    except OSError:
        yield folder  # which is no image: a row with its error
        return
    here = (status.st_dev, status.st_ino)
    for name in () if here in above else names:
        path = folder / name
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises where nobody may look
            yield from _below(path, (*above, here))
        elif _is_file(path):
            yield path


def _is_file(path: Path) -> bool:
    """Whether it is a file; what nobody may look at counts as one, and is a row with its error."""
    try:
        return path.is_file()
    except OSError:
        return True


def _is_same(path: Path, out: Path | None) -> bool:
    """Whether it is the file that is written."""
    try:
        return out is not None and path.samefile(out)
    except OSError:
        return False


def _decoded(
    predictor: Predictor, paths: Iterator[Path]
) -> Iterator[tuple[list[Path], list[npt.NDArray[np.uint8] | str]]]:
    """Yield batches of files, with the pixels of each or what is wrong with it; the next batch is decoded meanwhile."""
    from concurrent.futures import ThreadPoolExecutor

    from automl_img.cores import cores
    from automl_img.data import images
    from automl_img.errors import DataError

    image = predictor.card.plan.image
    size = min(BATCH, max(FEWEST, VALUES // (image.height * image.width * image.channels)))

    def decode(path: Path) -> npt.NDArray[np.uint8] | str:
        try:
            return images.decode(path, channels=image.channels, size=(image.height, image.width))
        except DataError as error:
            return str(error)

    def decode_some(paths: list[Path]) -> list[npt.NDArray[np.uint8] | str]:
        return [decode(path) for path in paths]

    waiting: deque[Any] = deque()
    with ThreadPoolExecutor(cores()) as threads:
        while True:
            batch = list(islice(paths, size))
            if batch:
                step = max(1, min(TOGETHER, len(batch) // cores()))
                parts = [batch[start : start + step] for start in range(0, len(batch), step)]
                waiting.append((batch, [threads.submit(decode_some, part) for part in parts]))
            if len(waiting) > (1 if batch else 0):
                ready, decoded = waiting.popleft()
                yield ready, [one for part in decoded for one in part.result()]
            elif not batch:
                return


def _rows(predictor: Predictor, paths: list[Path], decoded: list[Any], top: int) -> Iterator[Row]:
    import numpy as np

    prepared = [pixels for pixels in decoded if not isinstance(pixels, str)]
    answered = _answered(predictor, np.stack(prepared), top) if prepared else iter(())
    several, decides = predictor.task.kind == "multilabel", predictor.decides
    for path, pixels in zip(paths, decoded, strict=True):
        if isinstance(pixels, str):
            yield {"path": str(path), "classes": [], "error": pixels}
            continue
        answer, classes = next(answered)
        found: Row = {"path": str(path), "classes": classes, "error": ""}
        if several:
            found["labels"] = list(answer) if isinstance(answer, tuple) else []
        if decides:
            found["answer"] = SEPARATOR.join(answer) if isinstance(answer, tuple) else str(answer)
        yield found


def _answered(predictor: Predictor, images: npt.NDArray[np.uint8], top: int) -> Iterator[tuple[Any, list[Row]]]:
    """Yield the answer to each image, and its most probable classes."""
    import numpy as np

    answers, probabilities = predictor.answer(images)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    sure = np.take_along_axis(probabilities, best, axis=1).astype(np.float64).round(6)
    names = predictor.class_names
    for answer, places, shares in zip(answers, best.tolist(), sure.tolist(), strict=True):
        classes = [{"label": names[place], "confidence": share} for place, share in zip(places, shares, strict=True)]
        yield answer, classes


def _writer(
    format: Format, out: Path | None, top: int, *, more: tuple[str, ...], stack: contextlib.ExitStack
) -> Callable[[list[Row]], None]:
    """Return what writes some rows; nothing is held back, however many there are."""
    if format is Format.parquet:
        assert out is not None
        return _parquet_writer(out, top, more=more, stack=stack)
    # Names of files may hold bytes that are no text: in a table they stay what they are, in JSON they are escaped.
    file: TextIO = sys.stdout
    errors = ESCAPES if format is Format.json else BYTES
    if out is None and hasattr(file, "reconfigure"):
        file.reconfigure(errors=errors)
    elif out is not None:
        file = stack.enter_context(out.open("w", encoding="utf-8", errors=errors, newline=""))
    if format is Format.json:
        return _json_writer(file, stack)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_columns(top, more=more))
    return lambda rows: writer.writerows(_cells(row, top, more=more) for row in rows)


def _columns(top: int, *, more: tuple[str, ...]) -> list[str]:
    lower = [name for rank in range(2, top + 1) for name in (f"label_{rank}", f"confidence_{rank}")]
    return ["path", *more, "label", "confidence", *lower, "error"]


def _cells(row: Row, top: int, *, more: tuple[str, ...], missing: Any = "") -> list[Any]:
    cells = [cell for found in row["classes"] for cell in (found["label"], found["confidence"])]
    cells += [missing] * (2 * top - len(cells))
    said = [SEPARATOR.join(found) if isinstance(found := row.get(name, ""), list) else found for name in more]
    return [row["path"], *said, *cells, row["error"]]


def _json_writer(file: TextIO, stack: contextlib.ExitStack) -> Callable[[list[Row]], None]:
    before = ["["]
    stack.callback(lambda: file.write(("[]" if before == ["["] else "\n]") + "\n"))

    def write(rows: list[Row]) -> None:
        for row in rows:
            file.write(before[0] + "\n" + json.dumps(row, ensure_ascii=False))
            before[0] = ","

    return write


def _parquet_writer(
    out: Path, top: int, *, more: tuple[str, ...], stack: contextlib.ExitStack
) -> Callable[[list[Row]], None]:
    from automl_img.errors import UsageError

    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        hint = "Install it with `pip install 'automl-img[table]'`."
        raise UsageError("parquet needs pyarrow, which is not installed", where="--format", hint=hint) from error
    names = _columns(top, more=more)
    kinds = [pyarrow.float64() if name.startswith("confidence") else pyarrow.string() for name in names]
    schema = pyarrow.schema(list(zip(names, kinds, strict=True)))
    file = stack.enter_context(out.open("wb"))
    writer = stack.enter_context(pyarrow.parquet.ParquetWriter(file, schema))

    def write(rows: list[Row]) -> None:
        cells = [_cells(row, top, more=more, missing=None) for row in rows]
        text = [
            [one.encode("utf-8", "replace").decode() if isinstance(one, str) else one for one in row] for row in cells
        ]
        columns = [
            pyarrow.array(list(column), kind) for column, kind in zip(zip(*text, strict=True), kinds, strict=True)
        ]
        writer.write_table(pyarrow.table(columns, schema=schema))

    return write
