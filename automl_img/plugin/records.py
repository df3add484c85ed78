"""Labelled files, one record each, as tables and annotation tools list them, made into a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from automl_img.errors import DataError
from automl_img.plugin.source import ImageDataset, Split

#: The spellings of the three splits that tables and tools use, in lower case.
SPLIT_NAMES: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "": "train",
    "unassigned": "train",
}


@dataclass(frozen=True)
class Record:
    """One labelled file.

    Attributes:
        path: The image file.
        labels: Its labels: none, one or several.
        split: "train", "validation" or "test" in any of the spellings of :data:`SPLIT_NAMES`; empty: the core decides.
        group: What the image belongs to; images of one group stay on one side of the split. Empty: it stands for itself.
        where: The record's place for messages, such as "row 17".
        metadata: What else is known of the image, by name.
        file: The file in which that place is, for messages, where records come from several; empty: the data set's name stands for it.
    """

    path: Path
    labels: tuple[str, ...]
    split: str = ""
    group: str = ""
    where: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    file: str = ""


def dataset_from_records(
    name: str,
    records: Iterable[Record],
    *,
    task: str = "auto",
    class_names: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> ImageDataset:
    """Return the data set that ``records`` list.

    With the multilabel task, or where a record has several labels, a file that comes more than once has the labels of all its
    records, and a file without a label belongs to no class. In every other task a file has one label.

    Args:
        name: Name of the data set, with which messages begin.
        records: The files, in any order.
        task: The task if it is known; "auto" otherwise.
        class_names: The classes in their order; empty: those that occur, sorted.
        notes: What the source did that a person should know.

    Raises:
        DataError: There is no record, a file has no label or two, or it is in two splits, or a split has an unknown name.
    """
    records = list(records)
    if not records:
        raise DataError("there are no labelled images", where=name)
    several = task == "multilabel" or (task == "auto" and any(len(record.labels) > 1 for record in records))
    together, repeated = _by_file(name, records, several=several)
    if not several:
        _refuse_unlabelled(name, together)
        _refuse_several(name, together, task)
    said = list(notes)
    if repeated:
        said.append(f"{repeated:,} files were listed more than once with the same label; each counts once.")
    splits: dict[str, list[Record]] = {"train": [], "validation": [], "test": []}
    for record in together:
        splits[_split_name(name, record)].append(record)
    if not splits["train"]:
        raise DataError("no image is in the training split", where=name, hint="Put some records into the split train.")
    made = {split: _split(part, several=several) for split, part in splits.items() if part}
    return ImageDataset(name, tuple(class_names), notes=tuple(said), task="multilabel" if several else task, **made)


def _by_file(name: str, records: Sequence[Record], *, several: bool) -> tuple[list[Record], int]:
    """Return one record for each file, and the number of files that were merely repeated."""
    found: dict[Path, Record] = {}
    repeated = set()
    for record in records:
        before = found.setdefault(record.path, record)
        if before is record:
            continue
        there = _other_place(name, before, record)
        if _split_name(name, before) != _split_name(name, record):
            raise DataError(
                f"{record.path} is in two splits",
                where=_place(name, record),
                found=f"{record.split or 'train'} here, {before.split or 'train'} in {there}",
                hint="Let each file stand in one split.",
            )
        if several:
            labels = tuple(dict.fromkeys(before.labels + record.labels))
            found[record.path] = replace(before, labels=labels)
        elif before.labels != record.labels:
            raise DataError(
                f"{record.path} has two labels",
                where=_place(name, record),
                found=f"{_shown(record)} here, {_shown(before)} in {there}",
                hint='Keep one of them, or set data.task = "multilabel" if an image may have several labels.',
            )
        else:
            repeated.add(record.path)
    return list(found.values()), len(repeated)


def _refuse_unlabelled(name: str, records: Sequence[Record]) -> None:
    empty = [record for record in records if not record.labels or not record.labels[0]]
    if empty:
        count = f"{len(empty):,} of {len(records):,} images have no label"
        raise DataError(
            f"{count}, the first is {empty[0].path}",
            where=_place(name, empty[0]),
            hint='Label them or take them out; with data.task = "multilabel" an image may have none.',
        )


def _refuse_several(name: str, records: Sequence[Record], task: str) -> None:
    for record in records:
        if len(record.labels) > 1:
            raise DataError(
                f"{record.path} has several labels",
                where=_place(name, record),
                found=_shown(record),
                allowed=f"one for the task {task}",
                hint='Set data.task = "multilabel", or leave it out.',
            )


def _split_name(name: str, record: Record) -> str:
    try:
        return SPLIT_NAMES[record.split.strip().lower()]
    except KeyError:
        raise DataError(
            "a split has an unknown name",
            where=_place(name, record),
            found=record.split,
            allowed="train, validation (val, valid, dev), test",
        ) from None


def _split(records: Sequence[Record], *, several: bool) -> Split:
    labels = [record.labels if several else record.labels[0] for record in records]
    groups = [record.group for record in records] if any(record.group for record in records) else None
    names = dict.fromkeys(name for record in records for name in record.metadata)
    metadata = {name: [record.metadata.get(name, "") for record in records] for name in names}
    return Split([record.path for record in records], labels, groups, metadata or None)


def _place(name: str, record: Record) -> str:
    file = record.file or name
    return f"{file}, {record.where}" if record.where else file


def _other_place(name: str, other: Record, record: Record) -> str:
    """Return the place of another record, without the file if it is that of ``record``."""
    return other.where if other.file == record.file else _place(name, other)


def _shown(record: Record) -> str:
    return ", ".join(record.labels) or "none"
