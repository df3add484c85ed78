"""Finds out which columns of a Hugging Face data set are the images, the labels and the groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl_img.plugin import DataError, nearest
from automl_img_sources._options import listed
from automl_img_sources._table_columns import LABEL_NAMES

#: Kinds of columns whose cells are pixels as numbers.
PIXELS = ("Array2D", "Array3D", "List", "LargeList", "Sequence", "list")


@dataclass(frozen=True)
class Columns:
    """What the columns of a data set mean.

    Attributes:
        image: The column of the images.
        labels: The column of the labels; of a hierarchy one for each level, from the top.
        group: The column of the groups, or empty.
        hierarchy: Whether ``labels`` are levels.
        several: Whether each cell of ``labels`` holds a list.
        class_names: The classes in their order; empty: they are not known beforehand.
        notes: What was guessed, a sentence each.
    """

    image: str
    labels: tuple[str, ...]
    group: str
    hierarchy: bool
    several: bool
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def choose_columns(name: str, features: Mapping[str, Any], options: Mapping[str, Any]) -> Columns:
    """Return what the columns mean, as the options say or by their kinds and names.

    Args:
        name: The data set's, for messages.
        features: Column → its kind, an object of the library.
        options: The source's options.

    Raises:
        DataError: A column is not there or of the wrong kind, or none looks like images or labels.
    """
    notes: list[str] = []
    image = _given(options.get("image"), "image", features) or _first_image(name, features, notes)
    levels = [_given(level, "levels", features) for level in listed(options, "levels") if level]
    label = "" if levels else _given(options.get("label"), "label", features)
    labels = levels or [label or _first_label(name, features, image, notes)]
    for column in labels:
        _refuse_no_label(features[column], column, "levels" if levels else "label")
    several = not levels and is_list(features[labels[0]])
    names = () if levels else names_of(features[labels[0]])
    group = _given(options.get("group"), "group", features)
    return Columns(image, tuple(labels), group, bool(levels), several, names, tuple(notes))


def names_of(feature: Any) -> tuple[str, ...]:
    """Return the names of the classes that a column of class labels, or of lists of them, knows; none for other columns."""
    return tuple(getattr(_inner(feature), "names", None) or ())


def is_list(feature: Any) -> bool:
    """Whether the cells of a column are lists."""
    return isinstance(feature, list) or hasattr(feature, "feature")


def kind_of(feature: Any) -> str:
    """Return the kind of a column in the library's words, such as "Image"; "string" and the like for plain values."""
    return str(feature.dtype) if type(feature).__name__ == "Value" else type(feature).__name__


def _inner(feature: Any) -> Any:
    return feature[0] if isinstance(feature, list) else getattr(feature, "feature", feature)


def _given(given: object, key: str, features: Mapping[str, Any]) -> str:
    if not given:
        return ""
    where = f"data.options.{key}"
    name, *more = map(str, given) if isinstance(given, list | tuple) else [str(given)]
    if more:
        raise DataError("this is one column", where=where, found=", ".join([name, *more]))
    if name not in features:
        known = list(features)
        raise DataError("there is no such column", where=where, found=name, allowed=known, hint=nearest(name, known))
    kind = kind_of(features[name])
    if key == "image" and kind not in (*PIXELS, "Image", "string", "large_string", "binary", "large_binary"):
        allowed = "Image, the paths or the bytes of files, or arrays of pixels"
        raise DataError(f"the column {name!r} holds no images", where=where, found=kind, allowed=allowed)
    return name


def _refuse_no_label(feature: Any, column: str, key: str) -> None:
    kind = kind_of(_inner(feature))
    if kind != "ClassLabel" and (type(_inner(feature)).__name__ != "Value" or "binary" in kind):
        allowed = "ClassLabel, texts or whole numbers, or lists of them"
        raise DataError(
            f"the column {column!r} holds no labels", where=f"data.options.{key}", found=kind, allowed=allowed
        )
    if key == "levels" and is_list(feature):
        problem = f"the column {column!r} holds lists, which are no level of a hierarchy"
        raise DataError(problem, where="data.options.levels", allowed="one label in each cell")


def _first_image(name: str, features: Mapping[str, Any], notes: list[str]) -> str:
    found = [column for column, feature in features.items() if kind_of(feature) == "Image"]
    if not found:
        hint = "Name a column of files or pixels in data.options.image, or cast one: data.cast_column(NAME, datasets.Image())."
        raise DataError("no column holds images", where=name, found=", ".join(features), hint=hint)
    notes.append(_told("images", found))
    return found[0]


def _first_label(name: str, features: Mapping[str, Any], image: str, notes: list[str]) -> str:
    found = [column for column, feature in features.items() if names_of(feature)]
    found = sorted(found, key=lambda column: column not in ("label", "labels"))
    found = found or [column for column in LABEL_NAMES if column in features and column != image]
    if not found:
        hint = "Name one in data.options.label."
        raise DataError("no column looks like labels", where=name, found=", ".join(features), hint=hint)
    notes.append(_told("labels", found))
    return found[0]


def _told(what: str, found: list[str]) -> str:
    others = f", not {', '.join(found[1:])}" if found[1:] else ""
    return f"The {what} are taken from the column {found[0]!r}{others}."
