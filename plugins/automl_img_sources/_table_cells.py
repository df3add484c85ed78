"""A table as columns of text with the place of each row, whatever it was made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError
from automl_img_sources.folder import EXTENSIONS


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        name: For messages.
        columns: Column → its cells, a missing one empty, without blanks around them.
        lists: Column whose cells hold any number of texts each → these.
        rows: The number of each row where a person sees it.
        unit: What is numbered: "line", "row".
        notes: What a person should know.
        contents: Columns that are left out because their cells hold whole files.
    """

    name: str
    columns: Mapping[str, Sequence[str]]
    lists: Mapping[str, Sequence[tuple[str, ...]]]
    rows: Sequence[int]
    unit: str
    notes: tuple[str, ...] = field(default=())
    contents: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Where the row at position ``row`` is: "line 17"."""
        return f"{self.unit} {self.rows[row]}"

    def where(self, row: int) -> str:
        """The place of a row for messages: "labels.csv, line 17"."""
        return f"{self.name}, {self.place(row)}"

    @property
    def names(self) -> tuple[str, ...]:
        """All columns but those that are left out."""
        return (*self.columns, *self.lists)


def table_of_frame(frame: Any, name: str, unit: str, first: int) -> Table:
    """Return a pandas DataFrame as a table whose first row has the number ``first``.

    Raises:
        DataError: It has no row, no column, or a column twice.
    """
    header = [str(column).strip() for column in frame.columns]
    _refuse_repeated(header, name)
    if not header or not len(frame):
        raise DataError("the table is empty", where=name)
    columns: dict[str, list[str]] = {}
    lists: dict[str, list[tuple[str, ...]]] = {}
    contents: list[str] = []
    for place, column in enumerate(header):
        if any(map(_is_content, frame.iloc[:, place])):
            contents.append(column)
            continue
        cells = _cells(frame.iloc[:, place])
        if any(isinstance(cell, tuple) for cell in cells):
            lists[column] = [cell if isinstance(cell, tuple) else (cell,) if cell else () for cell in cells]
        else:
            columns[column] = cells
    return Table(name, columns, lists, range(first, first + len(frame)), unit, contents=tuple(contents))


def is_header(cells: Iterable[str]) -> bool:
    """Whether ``cells`` can be the names of columns: none is a file name of an image or an address."""
    cells = list(cells)
    return any(cells) and not any("://" in cell or Path(cell).suffix.lower() in EXTENSIONS for cell in cells)


class MalformedRow(Exception):
    """A row that the csv module cannot read."""

    def __init__(self, line: int, reason: str) -> None:
        self.line, self.reason = line, reason
        super().__init__(reason)


def table_of_rows(
    numbered: Iterator[tuple[int, list[str]]], path: Path, unit: str, notes: tuple[str, ...] = ()
) -> Table:
    """Return rows with their numbers as a table; the first row names the columns.

    Raises:
        DataError: There is no row, or one is malformed, or the first does not name the columns.
    """
    header: list[str] = []
    numbers, rows = [], []
    try:
        for number, row in numbered:
            if not header:
                header = [cell.strip() for cell in row]
                _refuse_unusable(header, f"{path}, {unit} {number}")
                continue
            numbers.append(number)
            rows.append(row if len(row) == len(header) else _fitted(row, len(header), f"{path}, {unit} {number}"))
    except MalformedRow as error:
        hint = "Look at the quotation marks from this line on."
        where = f"{path}, {unit} {error.line}"
        raise DataError(f"the table is malformed: {error.reason}", where=where, hint=hint) from error
    if not rows:
        raise DataError("the table is empty", where=str(path), found=f"columns {', '.join(header)}" if header else None)
    cells = (list(map(str.strip, column)) for column in zip(*rows, strict=True))
    # A column without a name is the index that pandas wrote.
    columns = {name: column for name, column in zip(header, cells, strict=True) if name}
    return Table(path.name, columns, {}, numbers, unit, notes)


def _fitted(row: list[str], width: int, where: str) -> list[str]:
    if len(row) > width and not any(row[width:]):  # a delimiter at the end of each row
        return row[:width]
    raise DataError(
        "the table is malformed: a row has more or fewer cells than the header",
        where=where,
        found=f"{len(row)} cells",
        allowed=f"{width}",
        hint="A cell that holds the delimiter stands in quotation marks.",
    )


def _refuse_unusable(header: list[str], where: str) -> None:
    if not is_header(header):
        hint = "Put a line with the names of the columns at the top, such as image,label."
        raise DataError("the first line does not name the columns", where=where, found=", ".join(header), hint=hint)
    _refuse_repeated([name for name in header if name], where)


def _refuse_repeated(header: list[str], where: str) -> None:
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise DataError("two columns have the same name", where=where, found=repeated[0], hint="Rename one of them.")


def _is_content(value: Any) -> bool:
    """Whether a cell is the content of a file, or an image as Hugging Face writes it into Parquet files."""
    return (isinstance(value, bytes) and b"\0" in value) or (isinstance(value, dict) and "bytes" in value)


def _cells(series: Any) -> list[Any]:
    """Return the cells of a column as text, or as tuples of text where they are collections."""
    values = series.tolist()
    if all(type(value) is str for value in values):
        return list(map(str.strip, values))
    missing = series.isna().tolist()
    return ["" if gone else _cell(value) for value, gone in zip(values, missing, strict=True)]


def _cell(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, float) and value.is_integer():  # a column of whole numbers with gaps becomes one of floats
        return str(int(value))
    if isinstance(value, list | tuple | set | frozenset) or getattr(value, "ndim", 0) == 1:
        return tuple(str(label).strip() for label in value)
    return str(value).strip()
