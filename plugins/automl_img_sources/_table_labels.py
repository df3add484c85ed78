"""Turns the label columns of a table into the labels of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress

from automl_img.plugin import DataError
from automl_img_sources._table_cells import Table
from automl_img_sources._table_columns import ZERO_ONE, Columns

#: The characters that a guess takes for separators of labels.
SEPARATORS = ("|", ";", ",")


@dataclass(frozen=True)
class Labels:
    """The labels of each row.

    Attributes:
        rows: The labels of each row: none, one or several.
        task: "multilabel", "hierarchical", or "auto".
        class_names: The classes in their order; empty: those that occur.
        notes: What a person should know.
    """

    rows: Sequence[tuple[str, ...]]
    task: str = "auto"
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_labels(table: Table, columns: Columns, separator: str | None) -> Labels:
    """Return the labels of each row of ``table``.

    Args:
        table: The table.
        columns: What its columns mean.
        separator: What stands between the labels in one cell; empty: each cell is one label; None: it is seen where it is clear.

    Raises:
        DataError: A cell of a column for one class is neither 0 nor 1, or a level is missing.
    """
    if columns.kind != "label" and separator:
        problem = "separator goes with a single column of labels"
        raise DataError(problem, where="data.options.separator", found=f"{len(columns.label)} columns")
    if columns.kind == "indicators":
        return _from_indicators(table, columns.label)
    if columns.kind == "levels":
        return _from_levels(table, columns.label)
    (name,) = columns.label
    if name in table.lists:
        return Labels(table.lists[name], "multilabel")
    return _from_cells(table.columns[name], name, separator)


def _from_cells(cells: Sequence[str], name: str, separator: str | None) -> Labels:
    distinct = set(cells)
    if separator:
        found = {cell: _parts(cell, separator) for cell in distinct}
        return Labels([found[cell] for cell in cells], "multilabel")
    notes: tuple[str, ...] = ()
    for candidate in SEPARATORS if separator is None else ():
        several = [cell for cell in distinct if candidate in cell]
        if several and _is_clear(distinct, candidate):
            found = {cell: _parts(cell, candidate) for cell in distinct}
            note = (
                f"Cells of {name!r} were split into labels at {candidate!r}; "
                'set data.options.separator to another, or to "" if each cell is one label.'
            )
            return Labels([found[cell] for cell in cells], "multilabel", notes=(note,))
        if several and candidate != ",":
            notes += (
                f"Labels such as {min(several)!r} are taken as one each; "
                f'if they are several, set data.options.separator = "{candidate}".',
            )
    single = {cell: (cell,) if cell else () for cell in distinct}
    return Labels([single[cell] for cell in cells], notes=notes)


def _is_clear(distinct: set[str], separator: str) -> bool:
    """Whether each part of each cell that splits occurs in another cell too: names that merely hold the character do not do that."""
    split = {cell: _parts(cell, separator) for cell in distinct}
    seen = Counter(part for parts in split.values() for part in set(parts))
    several = [(cell, parts) for cell, parts in split.items() if separator in cell]
    return all(
        len(parts) == cell.count(separator) + 1 and all(seen[part] > 1 for part in parts) for cell, parts in several
    )


def _parts(cell: str, separator: str) -> tuple[str, ...]:
    """Return the labels in ``cell``, each once; around them blanks do not count."""
    parts = cell.split() if not separator.strip() else map(str.strip, cell.split(separator))
    return tuple(dict.fromkeys(part for part in parts if part))


def _from_indicators(table: Table, names: tuple[str, ...]) -> Labels:
    import numpy as np

    matrix = np.empty((len(table.rows), len(names)), bool)
    for place, name in enumerate(names):
        cells = table.columns[name]
        known = {cell: ZERO_ONE.get(cell.lower()) for cell in set(cells)}
        if None in known.values():
            raise _no_indicator(table, name, next(row for row, cell in enumerate(cells) if known[cell] is None))
        matrix[:, place] = [known[cell] for cell in cells]
    if (matrix.sum(axis=1) == 1).all():
        single = [(name,) for name in names]
        note = f"Each row has exactly one 1 in its {len(names)} label columns: one label for each image."
        return Labels([single[place] for place in matrix.argmax(axis=1).tolist()], class_names=names, notes=(note,))
    rows = [tuple(compress(names, row)) for row in matrix.tolist()]
    return Labels(rows, "multilabel", names)


def _no_indicator(table: Table, name: str, row: int) -> DataError:
    return DataError(
        f"column {name!r} is read as one class, and this cell is neither 0 nor 1",
        where=table.where(row),
        found=table.columns[name][row],
        allowed="0 and 1, or true and false",
        hint="Several columns in data.options.label mean one for each class; for a hierarchy set data.options.levels.",
    )


def _from_levels(table: Table, names: tuple[str, ...]) -> Labels:
    paths = list(zip(*(table.columns[name] for name in names), strict=True))
    made: dict[tuple[str, ...], tuple[str, ...]] = {}
    slashes = ""
    for path in dict.fromkeys(paths):
        known = [part for part in path if part]
        if any(path[len(known) :]):
            row = paths.index(path)
            gap = names[path.index("")]
            hint = "A row may end at any level, but none above it may be empty."
            raise DataError(f"{gap!r} is empty, and a level below is not", where=table.where(row), hint=hint)
        slashes = slashes or next((part for part in known if "/" in part), "")
        made[path] = ("/".join(part.replace("/", "-") for part in known),) if known else ()
    note = (
        (f"The / in names such as {slashes!r} became -: it stands between the levels of a class.",) if slashes else ()
    )
    return Labels([made[path] for path in paths], "hierarchical", notes=note)
