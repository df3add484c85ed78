"""Sees what labels mean, which task they make, and encodes them alike in all splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.label_sets import has_label_sets, label_matrix, matrix_of_numbers, one_hot_indices
from automl_img.data.labels import encode_labels, plain_labels
from automl_img.errors import DataError
from automl_img.tasks import KINDS
from automl_img.tasks.hierarchical import looks_hierarchical

#: Split → its raw labels, its number of images, and what its labels are called in messages.
RawLabels = Mapping[str, tuple[Any, int, str]]


@dataclass(frozen=True)
class EncodedLabels:
    """The labels of all splits in the same classes.

    Attributes:
        task: "binary", "multiclass", "multilabel" or "hierarchical".
        names: One name for each class.
        labels: Split → int64 indices, shape (n,), or for the multilabel task uint8, shape (n, classes).
        notes: What a person should know of how the labels were read.
    """

    task: str
    names: tuple[str, ...]
    labels: Mapping[str, npt.NDArray[Any]]
    notes: tuple[str, ...] = ()


def encoded_labels(raw: RawLabels, class_names: tuple[str, ...], task: str = "auto") -> EncodedLabels:
    """Encode labels of any usual kind.

    One label for each image: see :func:`automl_img.data.labels.encode_labels`; several: see
    :func:`automl_img.data.label_sets.label_matrix`. A matrix with a single 1 in each row is one label for each image.

    Args:
        raw: The labels of each split; "train" is among them.
        class_names: The classes in their order; empty: those that occur.
        task: The task they are to be read as; "auto": what they look like.

    Raises:
        DataError: The labels cannot be used, or not for this task.
    """
    if task != "auto" and task not in KINDS:
        raise DataError("there is no such task", where="task", found=task, allowed=sorted(KINDS))
    where = raw["train"][2]
    raw, class_names = _named_by_columns(raw, class_names)
    if any(has_label_sets(labels) for labels, _, _ in raw.values()):
        return _several(raw, class_names, task, where)
    labels, names = _single(raw, class_names)
    labels, names, notes = _without_empty(labels, names)
    if task == "multilabel":
        eye = np.eye(len(names), dtype=np.uint8)
        return EncodedLabels(task, names, {split: eye[found] for split, found in labels.items()}, notes)
    kind, note = _kind(names, task, where)
    return EncodedLabels(kind, names, labels, (*notes, *note))


def _named_by_columns(raw: RawLabels, class_names: tuple[str, ...]) -> tuple[RawLabels, tuple[str, ...]]:
    """Take the columns of a table of 0 and 1 as the classes, by their names in all splits."""
    table = raw["train"][0]
    columns = getattr(table, "columns", ())
    if class_names or len(columns) < 2 or matrix_of_numbers(np.asarray(table)) is None:
        return raw, class_names
    names = tuple(map(str, columns))
    joined = dict(raw)
    for split, (labels, n, where) in raw.items():
        if not hasattr(labels, "columns"):
            continue
        theirs = list(map(str, labels.columns))
        if sorted(theirs) != sorted(names):
            problem = "the columns are not those of the training labels"
            raise DataError(problem, where=where, found=theirs, allowed=names)
        joined[split] = (np.asarray(labels)[:, [theirs.index(name) for name in names]], n, where)
    return joined, names


def _several(raw: RawLabels, class_names: tuple[str, ...], task: str, where: str) -> EncodedLabels:
    sizes = {split: n for split, (_, n, _) in raw.items()}
    matrix, names = _together(raw, class_names, where)
    parts = np.split(matrix, np.cumsum(list(sizes.values()))[:-1])
    indices = one_hot_indices(matrix) if task != "multilabel" else None
    if indices is not None:
        single = dict(zip(sizes, np.split(indices, np.cumsum(list(sizes.values()))[:-1]), strict=True))
        found, names, notes = _without_empty(single, names)
        kind, note = _kind(names, task, where)
        return EncodedLabels(kind, names, found, ("Each image has exactly one label, so one class.", *notes, *note))
    if task not in ("auto", "multilabel"):
        raise DataError(
            "the images have several labels, or none",
            where=where,
            found=f"up to {int(matrix.sum(axis=1).max())} labels of one image",
            allowed=f"exactly one for the task {task}",
            hint='Set data.task = "multilabel", or leave it out.',
        )
    found, names, notes = _without_empty(dict(zip(sizes, parts, strict=True)), names)
    if len(names) < 2:
        raise DataError(
            "there is one class only",
            where=where,
            found=names,
            allowed="two or more classes",
            hint="To tell one class from all else, give the others a label too, such as 'none'.",
        )
    if task == "auto":
        notes = (*notes, "An image may have several labels, or none: the task is multilabel. data.task changes that.")
    return EncodedLabels("multilabel", names, found, notes)


def _together(
    raw: RawLabels, class_names: tuple[str, ...], where: str
) -> tuple[npt.NDArray[np.uint8], tuple[str, ...]]:
    """Return the label matrix of all splits, one below the other, in the same classes."""
    names = class_names or _names(raw, where)
    parts = [label_matrix(labels, n, names, where=place)[0] for labels, n, place in raw.values()]
    return np.concatenate(parts), names


def _names(raw: RawLabels, where: str) -> tuple[str, ...]:
    """Return the classes of all splits: the columns, if all have matrices of numbers, else the names that occur, sorted."""
    each = {split: label_matrix(labels, n, (), where=place)[1] for split, (labels, n, place) in raw.items()}
    if any(matrix_of_numbers(labels) is None for labels, n, _ in raw.values() if n):
        return tuple(sorted({name for names in each.values() for name in names}))
    widths = {len(names) for split, names in each.items() if raw[split][1]}
    if len(widths) > 1:
        raise DataError("the splits have label matrices of different width", where=where, found=sorted(widths))
    return each["train"]


def _single(raw: RawLabels, class_names: tuple[str, ...]) -> tuple[dict[str, npt.NDArray[np.int64]], tuple[str, ...]]:
    known = {split: plain_labels(labels, n, where=place) for split, (labels, n, place) in raw.items()}
    for split, values in known.items():
        if len(values) and values.dtype.kind != known["train"].dtype.kind:
            problem = "the labels are of another kind than those of the training images"
            raise DataError(problem, where=raw[split][2], found=str(values.dtype), allowed=str(known["train"].dtype))
    together = np.concatenate([values for values in known.values() if len(values)])
    indices, names = encode_labels(together, len(together), class_names or None, where=raw["train"][2])
    parts = np.split(indices, np.cumsum([len(values) for values in known.values()])[:-1])
    return dict(zip(known, parts, strict=True)), names


def _without_empty(
    labels: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...]
) -> tuple[dict[str, npt.NDArray[Any]], tuple[str, ...], tuple[str, ...]]:
    """Leave out the classes that no image of any split is of."""
    matrix = any(found.ndim == 2 for found in labels.values())
    used = np.zeros(len(names), bool)
    for found in labels.values():
        if matrix:
            used |= found.any(axis=0)
        else:
            used[found] = True
    if used.all():
        return dict(labels), names, ()
    kept = np.flatnonzero(used)
    place = np.cumsum(used) - 1
    fewer = {split: found[:, kept] if matrix else place[found] for split, found in labels.items()}
    gone = [name for name, there in zip(names, used, strict=True) if not there]
    shown = ", ".join(map(repr, gone[:5])) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
    return fewer, tuple(names[k] for k in kept), (f"No image is of {shown}: left out of the classes.",)


def _kind(names: tuple[str, ...], task: str, where: str) -> tuple[str, tuple[str, ...]]:
    """Return the task of single labels, and a note where it is not plain to see."""
    if task == "binary" and len(names) != 2:
        raise DataError("the binary task has two classes", where=where, found=f"{len(names)} classes", allowed="2")
    if task == "hierarchical" and not any("/" in name for name in names):
        raise DataError(
            "the class names make no hierarchy",
            where=where,
            found=names[0],
            allowed="paths from the top, such as clothing/shoes/boot",
        )
    if task != "auto":
        return task, ()
    if len(names) == 2:
        return "binary", ()
    if looks_hierarchical(names):
        note = 'The class names are paths in a tree: the task is hierarchical. data.task = "multiclass" changes that.'
        return "hierarchical", (note,)
    return "multiclass", ()
