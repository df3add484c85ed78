"""Turns the file names of a table into paths, and sees that the files are where the table says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from automl_img.plugin import DataError
from automl_img_sources._locations import is_file, refuse_missing
from automl_img_sources._table_cells import Table


def image_paths(table: Table, column: str, root: Path) -> list[Path]:
    """Return the file of each row; a name counts as it is written.

    Raises:
        DataError: A row has no name, a name is an address, or more than half of the first files are not there.
    """
    names = _local(table, table.columns[column])
    names = _with_slashes(names, root)
    start = str(root)
    paths = [Path(os.path.join(start, name)) for name in names]  # noqa: PTH118 - a third of the time that Path / name takes
    refuse_missing(paths, names, table.where, root, f"files of the column {column!r}")
    return paths


def _local(table: Table, names: Sequence[str]) -> list[str]:
    """Return the names with file:// addresses made into paths."""
    if "" in names:
        row = names.index("")
        problem = f"{names.count(''):,} of {len(names):,} rows name no image, this is the first"
        raise DataError(problem, where=table.where(row), hint="Fill the cell, or take the row out.")
    if not any("://" in name for name in names):
        return list(names)
    return [_from_address(name, row, table) if "://" in name else name for row, name in enumerate(names)]


def _from_address(name: str, row: int, table: Table) -> str:
    parts = urlsplit(name)
    if parts.scheme.lower() == "file":
        return unquote(parts.path)
    raise DataError(
        "an image is given by an address, and images are not downloaded",
        where=table.where(row),
        found=name,
        allowed="names of files on this machine",
        hint="Download the images, write their file names into the table, and name their folder in data.options.root.",
    )


def _with_slashes(names: list[str], root: Path) -> list[str]:
    r"""Return the names of a table from Windows, train\cat\1.jpg, with slashes, unless such files are here as written."""
    backslashed = [name for name in names if "\\" in name]
    if not backslashed or any(is_file(root / name) for name in backslashed[:20]):
        return names
    return [PureWindowsPath(name).as_posix() if "\\" in name else name for name in names]
