"""Turns labels of any usual kind into class indices and class names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import DataError, nearest

LONGEST_NAME = 1000  # characters of a class's name; a saved model with a longer one would be refused


def encode_labels(
    labels: Any, n: int, class_names: Sequence[str] | None = None, *, where: str = "y"
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Return the class of each image as an index, and the names of the classes.

    Args:
        labels: One label for each image: whole numbers, booleans or strings, shape (n,) or (n, 1).
        n: Number of images.
        class_names: The classes in their order. Whole numbers among the labels are then indices into them, strings must be of them.
            None: the classes are the labels that occur, sorted.
        where: What the labels are called in messages.

    Returns:
        Indices, int64, shape (n,), and the class names.

    Raises:
        DataError: There are none, not one for each image, NaN or missing ones, fractions, or one class only.
    """
    known = plain_labels(labels, n, where=where)
    if not n:
        raise DataError("there are no labels", where=where, hint="Give at least two images of at least two classes.")
    if class_names is not None:
        indices, names = _among(known, _distinct(class_names), where)
    else:
        distinct, inverse = np.unique(known, return_inverse=True)
        indices, names = inverse.astype(np.int64), tuple(str(value) for value in distinct)
    if len(names) < 2 or len(np.unique(indices)) < 2:
        raise DataError(
            "there is one class only", where=where, found=names[int(indices[0])], allowed="two or more classes"
        )
    return indices, names


def _flat(labels: Any, where: str) -> npt.NDArray[Any]:
    try:
        values = np.asarray(labels)
    except ValueError as error:
        raise DataError("the labels are not one value each", where=where, allowed="shape (n,)") from error
    if values.dtype.kind == "U" and not hasattr(labels, "dtype"):
        # Among texts in a list, NumPy makes a text of whatever else is there: of NaN "nan".
        values = np.asarray(labels, object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        # Of several labels of an image, argmax would leave the first without a word.
        one_hot = values.ndim == 2 and values.dtype.kind in "biuf" and bool((values.sum(axis=1) == 1).all())
        raise DataError(
            "the labels have too many dimensions" if values.ndim else "the labels are a single value",
            where=where,
            found=f"shape {values.shape}",
            allowed="shape (n,)",
            hint="One-hot labels become indices by y.argmax(axis=1)." if one_hot else "",
        )
    return values


def plain_labels(labels: Any, n: int, *, where: str = "y") -> npt.NDArray[Any]:
    """Return labels as int64 or as strings, shape (n,), and check that there are ``n``; raises as :func:`encode_labels`."""
    values = _flat(labels, where)
    if len(values) != n:
        raise DataError("every image needs one label", where=where, found=f"{n} images, {len(values)} labels")
    if values.dtype.kind == "O":
        values = _from_objects(values, where)
    kind = values.dtype.kind
    if kind in "iu":
        return values.astype(np.int64)
    if kind == "f":
        return _whole(values, where)
    if kind in "bUT":
        return values.astype(str)
    raise DataError(
        "the labels are of an unusable kind", where=where, found=str(values.dtype), allowed="whole numbers or strings"
    )


def _from_objects(values: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    refuse_missing(np.array([is_missing(value) for value in values], bool), where)
    kinds = {
        str if isinstance(value, str) else int if isinstance(value, int | np.integer) else type(value)
        for value in values
    }
    if kinds == {str}:
        return values.astype(str)
    if kinds <= {int, float, np.float64, np.float32}:
        return values.astype(np.float64) if kinds != {int} else values.astype(np.int64)
    found = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise DataError(
        "the labels are of mixed or unusable kinds", where=where, found=found, allowed="whole numbers or strings"
    )


def _whole(values: npt.NDArray[Any], where: str) -> npt.NDArray[np.int64]:
    refuse_missing(~np.isfinite(values), where)
    broken = np.flatnonzero(values != np.rint(values))
    if len(broken):
        first = int(broken[0])
        raise DataError(
            f"{len(broken)} of {len(values)} labels are no whole numbers, the first is label {first}",
            where=where,
            found=float(values[first]),
            allowed="whole numbers or strings",
        )
    return values.astype(np.int64)


def is_missing(label: Any) -> bool:
    """Whether it stands for no label: None, NaN, or pandas's NA or NaT."""
    if isinstance(label, float | np.floating):
        return bool(label != label)
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def refuse_missing(missing: npt.NDArray[np.bool_], where: str) -> None:
    """Raise a DataError that says how many labels are missing, and which is the first, if any is."""
    places = np.flatnonzero(missing)
    if len(places):
        raise DataError(
            f"{len(places)} of {len(missing)} labels are missing (None, NaN or infinite), the first is label {places[0]}",
            where=where,
            hint="Take these images out, or label them.",
        )


def _distinct(class_names: Sequence[str]) -> tuple[str, ...]:
    names = tuple(str(name) for name in class_names)
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError("a class name is given twice", where="class_names", found=twice[0])
    return names


def _among(
    labels: npt.NDArray[Any], names: tuple[str, ...], where: str
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    if labels.dtype.kind == "i":
        outside = np.flatnonzero((labels < 0) | (labels >= len(names)))
        if len(outside):
            first = int(outside[0])
            raise DataError(
                f"{len(outside)} labels have no class name, the first is label {first}",
                where=where,
                found=int(labels[first]),
                allowed=f"0 to {len(names) - 1}, indices into the {len(names)} class names",
            )
        return labels, names
    distinct, inverse = np.unique(labels, return_inverse=True)
    place = {name: index for index, name in enumerate(names)}
    for label in map(str, distinct):
        if label not in place:
            raise DataError(
                "a label is not among the class names", where=where, found=label, hint=nearest(label, names)
            )
    return np.array([place[str(label)] for label in distinct], np.int64)[inverse], names
