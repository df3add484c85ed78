"""Turns several labels of each image into a matrix of 0 and 1."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.labels import is_missing, refuse_missing
from automl_img.errors import DataError, nearest

Matrix = npt.NDArray[np.uint8]
COLLECTIONS = (list, tuple, set, frozenset, np.ndarray)
NUMBERS = (bool, int, float, np.bool_, np.number)


def has_label_sets(labels: Any) -> bool:
    """Whether ``labels`` hold any number of labels for each image: a matrix of two or more columns, or a collection for each image."""
    labels = _as_array(labels)
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        return bool(labels.shape[1] > 1)
    if isinstance(labels, np.ndarray) and labels.dtype.kind != "O":
        return False
    return isinstance(labels, COLLECTIONS) and any(isinstance(label, COLLECTIONS) for label in labels)


def label_matrix(labels: Any, n: int, class_names: Sequence[str], *, where: str) -> tuple[Matrix, tuple[str, ...]]:
    """Return which image belongs to which class, and the names of the classes.

    Args:
        labels: A matrix of 0 and 1 (or booleans), shape (n, classes), as an array, a table or a tensor; or for each of n images a
            collection of class names, which may be empty; numbers as names are taken by what they print.
        n: Number of images.
        class_names: The classes in their order; empty: the columns' numbers, or the names that occur, sorted.
        where: What the labels are called in messages.

    Returns:
        uint8, shape (n, classes), and the class names.

    Raises:
        DataError: The number of images or classes does not fit, an entry is neither 0 nor 1, an image's labels or one of them is
            missing, or a name is not among ``class_names``.
    """
    labels = _as_array(labels)
    if len(labels) != n:
        raise DataError("every image needs its labels", where=where, found=f"{n} images, labels of {len(labels)}")
    matrix = matrix_of_numbers(labels)
    if matrix is None:
        each = [list(label) if isinstance(label, COLLECTIONS) else [label] for label in labels]
        refuse_missing(np.array([any(map(is_missing, found)) for found in each], bool), where)
        return _from_names([tuple(map(str, found)) for found in each], tuple(class_names), where)
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


def matrix_of_numbers(labels: Any) -> npt.NDArray[Any] | None:
    """Return labels that form a matrix of numbers as one, shape (n, classes); None for collections of names."""
    given = _as_array(labels)
    if isinstance(given, np.ndarray) and given.ndim == 2:
        array: npt.NDArray[Any] = given
    else:
        widths = {len(label) if isinstance(label, list | tuple | np.ndarray) else -1 for label in given}
        if len(widths) != 1 or min(widths) < 2:
            return None
        array = np.asarray(list(given))
    if array.ndim == 2 and array.dtype.kind == "O" and all(isinstance(cell, NUMBERS) for cell in array.flat):
        # A table with columns of booleans beside columns of whole numbers becomes an array of objects.
        array = np.array(array.tolist())
    return array if array.ndim == 2 and array.dtype.kind in "biuf" else None


def _as_array(labels: Any) -> Any:
    """Return a table, a column of one or a tensor as an array; lists and other collections as they are."""
    if isinstance(labels, np.ndarray) or not hasattr(labels, "__array__"):
        return labels
    return np.asarray(labels)


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
