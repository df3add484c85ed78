"""Turns the file names of a table into paths, and sees that the files are where the table says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from automl_img.plugin import DataError
from automl_img_sources._table_cells import Table
from automl_img_sources.folder import EXTENSIONS

LOOKED_AT = 200  # files whose presence is checked here; the core looks at all of them when it reads them


def image_root(given: object, table_folder: Path) -> Path:
    """Return the folder where relative file names start: the table's own, or the option root, itself relative to that.

    Raises:
        DataError: There is no such folder.
    """
    if not given:
        return table_folder
    root = table_folder / Path(str(given)).expanduser()
    if not root.is_dir():
        raise DataError("there is no such folder", where="data.options.root", found=str(root))
    return root


def image_paths(table: Table, column: str, root: Path) -> list[Path]:
    """Return the file of each row; a name counts as it is written.

    Raises:
        DataError: A row has no name, a name is an address, or more than half of the first files are not there.
    """
    names = _local(table, table.columns[column])
    names = _with_slashes(names, root)
    start = str(root)
    paths = [Path(os.path.join(start, name)) for name in names]  # noqa: PTH118 - a third of the time that Path / name takes
    _refuse_missing(table, column, paths, names, root)
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
    if not backslashed or any((root / name).is_file() for name in backslashed[:20]):
        return names
    return [PureWindowsPath(name).as_posix() if "\\" in name else name for name in names]


def _refuse_missing(table: Table, column: str, paths: Sequence[Path], names: Sequence[str], root: Path) -> None:
    sample = paths[:LOOKED_AT]
    missing = [row for row, path in enumerate(sample) if not path.is_file()]
    if len(missing) * 2 <= len(sample):
        return
    first = missing[0]
    raise DataError(
        f"{len(missing)} of the first {len(sample)} files of the column {column!r} are not there, the first is {paths[first]}",
        where=table.where(first),
        hint=_elsewhere(names[first], root),
    )


def _elsewhere(name: str, root: Path) -> str:
    """Return the hint where a missing file may be: in a folder below, or under its name with an ending."""
    relative = Path(name.lstrip("/"))
    try:
        below = sorted(entry for entry in root.iterdir() if entry.is_dir())[:LOOKED_AT]
    except OSError:
        below = []
    for folder in (root, *below):
        if (folder / relative).is_file():
            return f"Relative names start at {root}, but {relative} is in {folder}: set data.options.root to that."
        ending = next((end for end in sorted(EXTENSIONS) if (folder / f"{relative}{end}").is_file()), "")
        if ending:
            found = folder / f"{relative}{ending}"
            return f"There is {found}: write the names with their ending, and set data.options.root to {folder}."
    return f"Relative names start at {root}; set data.options.root to another folder."
