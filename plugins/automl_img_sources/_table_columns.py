"""Decides which columns of a table hold the images, the labels, the split and the group, by the options or by a guess that is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from automl_img.plugin import SPLIT_NAMES, DataError, nearest
from automl_img_sources._locations import is_file
from automl_img_sources._table_cells import Table
from automl_img_sources.folder import EXTENSIONS

#: The names that such columns usually have, the likeliest first, in lower case with _ between words.
IMAGE_NAMES = (
    *("image", "images", "img", "file", "filename", "file_name", "filepath", "file_path", "path", "image_path"),
    *("image_file", "image_filename", "image_name", "img_path", "img_name", "fname", "image_id", "id"),
)
LABEL_NAMES = (
    *("label", "labels", "class", "classes", "class_name", "classname", "label_name", "category", "categories"),
    *("target", "targets", "tag", "tags", "species", "annotation", "y", "class_id", "label_id", "category_id"),
)
SPLIT_COLUMNS = ("split", "set", "subset", "partition", "fold", "phase", "usage", "data_set", "dataset")
GROUP_COLUMNS = ("group", "groups", "group_id", "patient", "patient_id", "subject", "subject_id")
ZERO_ONE: Mapping[str, bool] = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
SEVERAL = ("label", "levels", "metadata")  # options that may name several columns
LOOKED_AT = 200  # cells that a guess is made by
FEWEST_GROUPS = 10  # below, a column named "group" hardly means images that belong together


@dataclass(frozen=True)
class Columns:
    """What the columns of a table mean.

    Attributes:
        image: The files.
        label: One column of labels, or several.
        kind: "label": one column; "indicators": a column of 0 and 1 for each class; "levels": the parts of a path from the top.
        split, group: Empty if there is none.
        metadata: What else is told of each image.
        notes: What was guessed.
    """

    image: str
    label: tuple[str, ...]
    kind: str
    split: str = ""
    group: str = ""
    metadata: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def choose_columns(table: Table, options: Mapping[str, Any], root: Path) -> Columns:
    """Return what the columns of ``table`` mean.

    Args:
        table: The table.
        options: The source's options; image, label, levels, split, group and metadata name columns.
        root: The folder where relative file names start.

    Raises:
        DataError: A column that an option names is not there, or there is none for the images or the labels.
    """
    named = {key: _named(table, options, key) for key in ("image", "label", "levels", "split", "group", "metadata")}
    if named["label"] and named["levels"]:
        problem = "label and levels exclude each other"
        raise DataError(problem, where="data.options.levels", hint="Name the labels of all levels in levels alone.")
    if len(named["levels"]) == 1:
        problem = "a hierarchy needs two columns or more"
        raise DataError(
            problem, where="data.options.levels", found=named["levels"][0], allowed="such as category,subcategory"
        )
    guessed: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    if not named["image"]:
        guessed["image"] = (_guessed_image(table, {name for names in named.values() for name in names}, root),)
    if not named["split"]:
        guessed["split"] = _guessed_split(table, notes)
    if not named["group"]:
        guessed["group"] = _guessed_group(table)
    if not (named["label"] or named["levels"]):
        taken = {name for names in (*named.values(), *guessed.values()) for name in names}
        guessed["label"] = _guessed_label(table, taken)
    found = {**named, **{key: names for key, names in guessed.items() if names}}
    label = found["levels"] or found["label"]
    kind = "levels" if found["levels"] else "indicators" if len(label) > 1 else "label"
    split, group = ("".join(found[key][:1]) for key in ("split", "group"))
    return Columns(found["image"][0], label, kind, split, group, found["metadata"], (*_told(guessed), *notes))


def _named(table: Table, options: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return the columns that an option names: one, or for label, levels and metadata several."""
    given = options.get(key, "")
    if isinstance(given, list | tuple):
        names = [str(name).strip() for name in given]
    else:
        text = str(given).strip()
        names = [text] if text in table.names or key not in SEVERAL else [part.strip() for part in text.split(",")]
    names = [name for name in names if name]
    for name in names:
        if name in table.contents:
            raise _whole_images(name, f"data.options.{key}")
        if name not in table.names:
            problem = f"{table.name} has no such column"
            hint = nearest(name, table.names)
            raise DataError(problem, where=f"data.options.{key}", found=name, allowed=table.names, hint=hint)
        if name in table.lists and (key != "label" or len(names) > 1):
            problem = "the cells of this column hold several values each"
            raise DataError(problem, where=f"data.options.{key}", found=name)
    if len(names) > 1 and key not in SEVERAL:
        raise DataError("this is one column", where=f"data.options.{key}", found=", ".join(names))
    return tuple(names)


def _guessed_image(table: Table, taken: set[str], root: Path) -> str:
    """Return the column whose cells end as image files do; failing that, one whose cells are files; then, one by its name."""
    free = [name for name in table.columns if name not in taken]
    by_ending = [name for name in free if _mostly(table, name, _ends_as_image)]
    if len(by_ending) > 1:
        usual = _usual(by_ending, IMAGE_NAMES)
        if not usual:
            raise DataError(
                "several columns hold names of image files",
                where=table.name,
                found=", ".join(by_ending),
                hint="Name the right one in data.options.image.",
            )
        return usual
    if by_ending:
        return by_ending[0]
    by_file = [name for name in free if _mostly(table, name, lambda cell: is_file(root / cell), 20)]
    if table.contents and not by_file:
        raise _whole_images(table.contents[0], table.name)
    found = _usual(by_file, IMAGE_NAMES) or "".join(by_file[:1]) or _usual(free, IMAGE_NAMES)
    if not found:
        raise DataError(
            "no column holds names of image files",
            where=table.name,
            found=", ".join(table.names),
            hint="Name the column in data.options.image, and the folder of the files in data.options.root.",
        )
    return found


def _whole_images(column: str, where: str) -> DataError:
    hint = "Load the table by the library datasets, and give automl_img.fit the object: datasets.Dataset.from_parquet(PATH)."
    return DataError(f"the column {column!r} holds whole images, not names of files", where=where, hint=hint)


def _guessed_label(table: Table, taken: set[str]) -> tuple[str, ...]:
    free = [name for name in table.names if name not in taken]
    usual = _usual(free, LABEL_NAMES)
    if usual:
        return (usual,)
    indicators = tuple(name for name in free if name in table.columns and is_zero_one(table.columns[name]))
    if len(indicators) > 1:
        return indicators
    if len(free) == 1:
        return (free[0],)
    raise DataError(
        "no column holds the labels" if not free else "it is not clear which column holds the labels",
        where=table.name,
        found=", ".join(table.names),
        hint="Name it in data.options.label, or all of them if each class has a column of 0 and 1.",
    )


def _guessed_split(table: Table, notes: list[str]) -> tuple[str, ...]:
    for name in _with_names(table.columns, SPLIT_COLUMNS):
        values = {cell.lower() for cell in table.columns[name]}
        if any(value and value in SPLIT_NAMES for value in values):
            return (name,)  # a value that is none is an error then: it would be a mistake in writing
        if _canonical(name) == "split":
            notes.append(f"Column {name!r} was not used: its values, such as {min(values)!r}, name no split.")
    return ()


def _guessed_group(table: Table) -> tuple[str, ...]:
    names = _with_names(table.columns, GROUP_COLUMNS)
    return next(((name,) for name in names if len(set(table.columns[name])) >= FEWEST_GROUPS), ())


def is_zero_one(cells: Sequence[str]) -> bool:
    """Whether ``cells`` hold 0 and 1 alone, or true and false."""
    return all(cell.lower() in ZERO_ONE for cell in set(islice(cells, LOOKED_AT))) and all(
        cell.lower() in ZERO_ONE for cell in set(cells)
    )


def _mostly(table: Table, name: str, holds: Callable[[str], bool], looked_at: int = LOOKED_AT) -> bool:
    cells = list(islice(filter(None, table.columns[name]), looked_at))
    return sum(map(holds, cells)) * 2 > len(cells)


def _ends_as_image(cell: str) -> bool:
    return "." in cell and f".{cell.rpartition('.')[2].lower()}" in EXTENSIONS


def _usual(columns: Sequence[str], names: Sequence[str]) -> str:
    return next(iter(_with_names(columns, names)), "")


def _with_names(columns: Sequence[str] | Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the ``columns`` that have one of ``names``, in the order of ``names``."""
    known = {_canonical(column): column for column in columns}
    return [known[name] for name in names if name in known]


def _canonical(name: str) -> str:
    """Return ``name`` in lower case with _ between words: "Image Path", "imagePath" and "image-path" are image_path."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")


def _told(guessed: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the guess in one sentence."""
    taken = {key: names for key, names in guessed.items() if names}
    if not taken:
        return ()
    order = [key for key in ("image", "label", "split", "group") if key in taken]
    parts: list[str] = []
    for key in order:
        names = taken[key]
        shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        one, verb = ("column", "was") if len(names) == 1 else ("columns", "were")
        taken_as = f"{one} {shown} as the {key}" if parts else f"{one.capitalize()} {shown} {verb} taken as the {key}"
        parts.append(taken_as + "s" * (len(names) > 1))
    options = ", ".join(f"data.options.{key}" for key in order)
    return (f"{', '.join(parts)}; set {options} to change it.",)
