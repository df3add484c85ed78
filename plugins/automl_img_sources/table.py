"""Image files that a table lists with their labels: .csv, .tsv, .parquet, .xlsx, .xlsm, .xls, or a pandas DataFrame."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, Record, dataset_from_records, hookimpl
from automl_img_sources._locations import image_root
from automl_img_sources._table_cells import Table, is_header, table_of_frame
from automl_img_sources._table_columns import choose_columns
from automl_img_sources._table_files import DELIMITERS, ENDINGS, first_cells, read_table
from automl_img_sources._table_labels import read_labels
from automl_img_sources._table_paths import image_paths


class TableSource(DataSource):
    """A table of file names and labels: .csv, .tsv, .parquet, .xlsx, .xlsm, .xls, or a pandas DataFrame.

    The first line names the columns. Which one holds the files, the labels, the split and the group is guessed by names and content,
    and told; the options say it where the guess is wrong. A cell may hold several labels, several columns of 0 and 1 may stand for
    one class each, and several columns may be the levels of a hierarchy. All cells are read as text.
    """

    name = "table"
    options = {
        "image": "Column of the image files.",
        "label": "Column of the labels; several columns (a list, or with commas between) hold 0 and 1 for one class each.",
        "levels": "Columns that make a hierarchy from the top, such as category,subcategory, in place of label.",
        "split": "Column with train, validation or test.",
        "group": "Column of what an image belongs to (a patient, a product); a group stays on one side of the split.",
        "metadata": "Columns with more on each image, such as camera,site: the figures are told by their values.",
        "separator": 'What stands between several labels in one cell, such as "|", ";" or ","; "" if each cell is one label.',
        "root": "Folder where relative file names start; the table's folder unless set, and relative to that.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a table file, and of text one whose first line names two columns or more."""
        ending = path.suffix.lower()
        if ending not in ENDINGS or not path.is_file():
            return False
        cells = first_cells(path) if ending in DELIMITERS else []
        return ending not in DELIMITERS or (len(cells) > 1 and is_header(cells))

    def accepts_object(self, data: Any) -> bool:
        """Whether ``data`` is a pandas DataFrame."""
        pandas = sys.modules.get("pandas")  # there can be no DataFrame where it was not imported
        return pandas is not None and isinstance(data, pandas.DataFrame)

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images that a table file lists.

        A file that is not there stays in the list: the core sets it aside. If most are not there the folder is wrong, an error.

        Raises:
            DataError: The table, a column, a label or the folder of the images cannot be used; the message says where and what to do.
        """
        if path is None:
            problem = "the table is not given"
            raise DataError(problem, where="data.path", hint=f"It is a file that ends in {', '.join(ENDINGS)}.")
        if path.is_dir():
            tables = ", ".join(sorted(file.name for file in path.glob("*") if file.suffix.lower() in ENDINGS)[:6])
            hint = f"There are tables in it: {tables}." if tables else ""
            raise DataError("this is a folder, not a table", where=str(path), hint=hint)
        return _dataset(read_table(path), path.parent, options)

    def convert(self, data: Any, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images that a DataFrame lists; its index has no meaning, and relative names start at the current folder.

        Raises:
            DataError: As in :meth:`load`; rows are counted from 0, as ``iloc`` does.
        """
        return _dataset(table_of_frame(data, "DataFrame", "position", 0), Path.cwd(), options)


def _dataset(table: Table, folder: Path, options: Mapping[str, Any]) -> ImageDataset:
    root = image_root(options.get("root"), folder)
    columns = choose_columns(table, options, root)
    separator = options.get("separator")
    labels = read_labels(table, columns, separator if separator is None else str(separator))
    paths = image_paths(table, columns.image, root)
    blank = [""] * len(paths)
    splits = table.columns[columns.split] if columns.split else blank
    groups = table.columns[columns.group] if columns.group else blank
    more = {name: table.columns[name] for name in columns.metadata}
    records = (
        Record(path, found, split, group, table.place(row), {name: cells[row] for name, cells in more.items()})
        for row, (path, found, split, group) in enumerate(zip(paths, labels.rows, splits, groups, strict=True))
    )
    notes = (*table.notes, *columns.notes, *labels.notes)
    asked = str(options.get("task", "auto"))
    task = labels.task if asked == "auto" else asked
    return dataset_from_records(table.name, records, task=task, class_names=labels.class_names, notes=notes)


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register tables."""
    register(TableSource())
