"""Reads a table from a .csv, .tsv, .parquet, .xlsx, .xlsm or .xls file."""

from __future__ import annotations

import codecs
import csv
import importlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, reason_of
from automl_img_sources._table_cells import MalformedRow, Table, table_of_frame, table_of_rows

#: Ending → the characters that may stand between the cells; the one that makes the most columns of the header is taken.
DELIMITERS: Mapping[str, str] = {".csv": ",;\t|", ".tsv": "\t"}
EXCEL = frozenset({".xlsx", ".xlsm", ".xls"})
PARQUET = frozenset({".parquet"})
ENDINGS = (*DELIMITERS, *sorted(PARQUET), *sorted(EXCEL))
INSTALL = "Run `pip install 'automl-img[table]'`, or save the table as .csv."
HEADER_BYTES = 65536


def read_table(path: Path) -> Table:
    """Read a table file; the first line or row names the columns.

    Raises:
        DataError: There is no such file, a library is missing, or it is damaged, empty, ragged, not UTF-8, or has a column twice.
    """
    ending = path.suffix.lower()
    if not path.is_file():
        raise DataError("there is no such file", where=str(path))
    if ending in PARQUET:
        return _parquet(path)
    if ending in EXCEL:
        return _excel(path)
    if ending in DELIMITERS:
        return _text(path)
    raise DataError("this kind of table is unknown", where=str(path), found=ending or path.name, allowed=ENDINGS)


def first_cells(path: Path) -> list[str]:
    """Return the cells of the first line of a .csv or .tsv file, none if it cannot be read; for a cheap look."""
    try:
        with path.open("rb") as file:
            start = file.read(HEADER_BYTES)
        text = start.decode(_encoding(start), errors="replace").strip("\r\n")
        line = text.splitlines()[0] if text else ""
        return [cell.strip() for cell in next(csv.reader([line], delimiter=_delimiter(line, path)), [])]
    except (OSError, csv.Error):
        return []


def _text(path: Path) -> Table:
    text = decoded_text(path)
    head = text.lstrip("\r\n")[:HEADER_BYTES].splitlines()
    delimiter = _delimiter(head[0] if head else "", path)
    # newline="": a line break inside quotes stays as it is
    rows = _numbered(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True))
    return table_of_rows(rows, path, "line")


def decoded_text(path: Path) -> str:
    """Return the text of a table in UTF-8 or UTF-16.

    Raises:
        DataError: The file cannot be read, is encoded otherwise, or is no text.
    """
    try:
        content = path.read_bytes()
        text = content.decode(_encoding(content))
    except OSError as error:
        raise DataError(f"the table cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        before = error.object.count(b"\n", 0, error.start)
        raise DataError(
            "the table is not encoded in UTF-8",
            where=f"{path}, line {before + 1}",
            found=f"byte 0x{error.object[error.start]:02x}",
            hint="Save it as UTF-8 (in Excel: «CSV UTF-8»), or run `iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW`.",
        ) from error
    if "\0" in text:
        where = f"{path}, line {text.count(chr(10), 0, text.index(chr(0))) + 1}"
        raise DataError("this is no text table: it holds a zero byte", where=where, hint="Save it as UTF-8.")
    return text


def _encoding(content: bytes) -> str:
    return "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _delimiter(header: str, path: Path) -> str:
    def columns(delimiter: str) -> int:
        return len(next(csv.reader([header], delimiter=delimiter), []))

    return max(DELIMITERS.get(path.suffix.lower(), ","), key=columns)


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of the line on which it begins."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise MalformedRow(line, str(error)) from error
        if any(row):
            yield line, row


def _parquet(path: Path) -> Table:
    _require("pyarrow", path)
    import pandas

    try:
        frame = pandas.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError) as error:
        raise _damaged(path, "Parquet", error) from error
    return table_of_frame(frame, path.name, "row", 1)


def _excel(path: Path) -> Table:
    _require("xlrd" if path.suffix.lower() == ".xls" else "openpyxl", path)
    import pandas

    try:
        with pandas.ExcelFile(path) as book:
            sheets = book.sheet_names
            frame = book.parse(sheets[0], header=None, dtype=str, keep_default_na=False, na_filter=False)
    except Exception as error:  # zip, XML and value errors of three libraries alike: it is no such file
        raise _damaged(path, "Excel", error) from error
    notes = (f"Of the {len(sheets)} sheets of {path.name}, the first was read: {sheets[0]}.",) if sheets[1:] else ()
    # Excel numbers its rows from 1; blank ones at the top are there too. An error in a cell, such as #N/A, is no text.
    cells = frame.mask(frame.isna(), "").to_numpy().tolist()
    rows = ((number, [str(cell) for cell in row]) for number, row in enumerate(cells, 1))
    return table_of_rows(((number, row) for number, row in rows if any(row)), path, "row", notes)


def _require(library: str, path: Path) -> None:
    try:
        importlib.import_module(library)
    except ImportError as error:
        hint = INSTALL if library != "xlrd" else "Save it as .xlsx or .csv, or run `pip install xlrd`."
        problem = f"reading {path.suffix.lower()} needs {library}, which is not installed"
        raise DataError(problem, where=str(path), hint=hint) from error


def _damaged(path: Path, kind: str, error: Exception) -> DataError:
    return DataError(f"this is no {kind} file, or it is damaged: {reason_of(error)}", where=str(path))
