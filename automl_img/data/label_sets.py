"""Turns several labels of each image into a matrix of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import DataError, nearest

Matrix = npt.NDArray[np.uint8]
COLLECTIONS = (list, tuple, set, frozenset, np.ndarray)


def has_label_sets(labels: Any) -> bool:
    """Whether ``labels`` hold any number of labels for each image: a matrix of two or more columns, or a collection for each image."""
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        return bool(labels.shape[1] > 1)
    if isinstance(labels, np.ndarray) and labels.dtype.kind != "O":
        return False
    return isinstance(labels, COLLECTIONS) and any(isinstance(label, COLLECTIONS) for label in labels)


def label_matrix(labels: Any, n: int, class_names: Sequence[str], *, where: str) -> tuple[Matrix, tuple[str, ...]]:
    """Return which image belongs to which class, and the names of the classes.

    Args:
        labels: A matrix of 0 and 1 (or booleans), shape (n, classes), or for each of n images a collection of class names, which may
            be empty; numbers as names are taken by what they print.
        n: Number of images.
        class_names: The classes in their order; empty: the columns' numbers, or the names that occur, sorted.
        where: What the labels are called in messages.

    Returns:
        uint8, shape (n, classes), and the class names.

    Raises:
        DataError: The number of images or classes does not fit, an entry is neither 0 nor 1, or a name is not among ``class_names``.
    """
    if len(labels) != n:
        raise DataError("every image needs its labels", where=where, found=f"{n} images, labels of {len(labels)}")
    matrix = _numbers(labels)
    if matrix is None:
        return _from_names([_names(label) for label in labels], tuple(class_names), where)
    names = tuple(class_names) or tuple(str(column) for column in range(matrix.shape[1]))
    if len(names) != matrix.shape[1]:
        problem = "the labels have not one column for each class name"
        raise DataError(problem, where=where, found=f"{matrix.shape[1]} columns", allowed=f"{len(names)} columns")
    wrong = np.argwhere((matrix != 0) & (matrix != 1))
    if len(wrong):
        row, column = map(int, wrong[0])
        raise DataError(
            f"{len(wrong):,} labels are neither 0 nor 1, the first in image {row}, class {names[column]!r}",
            where=where,
            found=matrix[row, column].item(),
            allowed="0 and 1",
        )
    return matrix.astype(np.uint8), names


def one_hot_indices(matrix: Matrix) -> npt.NDArray[np.int64] | None:
    """Return the class of each image if each has exactly one, else None."""
    return matrix.argmax(axis=1).astype(np.int64) if len(matrix) and (matrix.sum(axis=1) == 1).all() else None


def _numbers(labels: Any) -> npt.NDArray[Any] | None:
    """Return a matrix of numbers as it is; None for collections of names."""
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        return labels if labels.dtype.kind in "biuf" else None
    widths = {len(label) if isinstance(label, list | tuple | np.ndarray) else -1 for label in labels}
    if len(widths) != 1 or min(widths) < 2:
        return None
    array = np.asarray(list(labels))
    return array if array.ndim == 2 and array.dtype.kind in "biuf" else None


def _names(label: Any) -> tuple[str, ...]:
    return tuple(str(name) for name in label) if isinstance(label, COLLECTIONS) else (str(label),)


def _from_names(sets: Sequence[Iterable[str]], given: tuple[str, ...], where: str) -> tuple[Matrix, tuple[str, ...]]:
    names = given or tuple(sorted({name for found in sets for name in found}))
    columns = {name: column for column, name in enumerate(names)}
    matrix = np.zeros((len(sets), len(names)), np.uint8)
    for row, found in enumerate(sets):
        for name in found:
            if name not in columns:
                raise DataError(
                    "a label is not among the class names", where=where, found=name, hint=nearest(name, names)
                )
            matrix[row, columns[name]] = 1
    return matrix, names
