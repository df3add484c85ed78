"""Makes a checked data set of arrays, and checks the data set that a source plugin returned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.data.label_kinds import encoded_labels
from automl_img.data.labels import LONGEST_NAME, is_missing
from automl_img.data.pixels import as_uint8, float_scale
from automl_img.errors import DataError
from automl_img.paths import expanded_path
from automl_img.plugin import ImageDataset, Split

SPLITS = ("train", "validation", "test")


def dataset_from_arrays(
    x: Any,
    y: Any,
    *,
    class_names: Sequence[str] | None = None,
    test: tuple[Any, Any] | None = None,
    name: str = "arrays",
    task: str = "auto",
) -> ImageDataset:
    """Return images and labels in memory as a data set.

    Args:
        x: Images, see :func:`automl_img.data.pixels.as_uint8`; shape (n, height, width[, channels]).
        y: Labels, see :func:`automl_img.data.label_kinds.encoded_labels`; shape (n,), or (n, classes) of 0 and 1.
        class_names: The classes in their order; None: the labels that occur, sorted.
        test: Images and labels kept for the end.
        name: For messages and the report.
        task: What the labels mean; "auto" sees it by them.

    Raises:
        DataError: The images or the labels cannot be used.
    """
    tests = Split(*test) if test is not None else None
    dataset = ImageDataset(name, () if class_names is None else tuple(class_names), Split(x, y), test=tests, task=task)
    return _checked(dataset, {"train": ("x", "y"), "test": ("test x", "test y")})


def validated(dataset: ImageDataset, task: str = "auto") -> ImageDataset:
    """Check and normalise what a source returned; the core calls this on it before anything else.

    A source may hand over raw material: images as an array of any kind that :func:`automl_img.data.pixels.as_uint8` takes or as a
    sequence of paths, labels as numbers, strings or collections of them, no class names. Checking a checked data set changes nothing.

    Args:
        dataset: The data set.
        task: The task that a person asked for; "auto": the source's, or what the labels look like.

    Returns:
        The data set with uint8 images (or tuples of paths), int64 labels or a uint8 matrix of them, one name for each class, and
        its task.

    Raises:
        DataError: Images and labels do not match, or cannot be used.
    """
    places = {split: (f"{dataset.name}, {split} images", f"{dataset.name}, {split} labels") for split in SPLITS}
    return _checked(dataset if task == "auto" else replace(dataset, task=task), places)


def _checked(dataset: ImageDataset, places: dict[str, tuple[str, str]]) -> ImageDataset:
    splits = {name: split for name in SPLITS if (split := getattr(dataset, name)) is not None}
    scale, notes = _scale(dataset.train.images, places["train"][0])
    images = {name: _images(split.images, places[name][0], scale) for name, split in splits.items()}
    if not len(images["train"]):
        raise DataError("there are no images", where=places["train"][0])
    raw = {name: (split.labels, len(images[name]), places[name][1]) for name, split in splits.items()}
    given = dataset.class_names  # which may be an array: whether it is empty is not seen by its truth
    found = encoded_labels(raw, () if given is None else tuple(map(str, given)), dataset.task)
    _refuse_names_that_are_no_text(found.names, places["train"][1])
    _refuse_names_that_are_too_long(found.names, places["train"][1])
    checked: dict[str, Any] = {
        name: Split(
            images[name], found.labels[name], _groups(split, places[name][0]), _metadata(split, places[name][0])
        )
        for name, split in splits.items()
    }
    fresh = tuple(note for note in (*notes, *found.notes) if note not in dataset.notes)
    return replace(dataset, class_names=found.names, notes=dataset.notes + fresh, task=found.task, **checked)


def _refuse_names_that_are_no_text(names: Sequence[str], where: str) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            problem = "the name of a class holds bytes that are no text"
            raise DataError(problem, where=where, found=name, allowed="UTF-8", hint="Give it another name.") from error


def _refuse_names_that_are_too_long(names: Sequence[str], where: str) -> None:
    for name in names:
        if len(name) > LONGEST_NAME:
            raise DataError(
                "the name of a class is too long",
                where=where,
                found=f"{name[:40]}… of {len(name):,} characters",
                allowed=f"at most {LONGEST_NAME:,} characters",
                hint="Give it a shorter name; texts that describe images are no classes.",
            )


def _groups(split: Split, where: str) -> tuple[str, ...] | None:
    if split.groups is None:
        return None
    groups = _texts(split.groups)
    if len(groups) != len(split):
        problem = "every image needs its group"
        raise DataError(problem, where=where, found=f"{len(split)} images, groups of {len(groups)}")
    return groups


def _metadata(split: Split, where: str) -> dict[str, tuple[str, ...]] | None:
    if not split.metadata:
        return None
    found = {str(name): _texts(values) for name, values in split.metadata.items()}
    for name, values in found.items():
        if len(values) != len(split):
            problem = f"every image needs its {name}"
            raise DataError(problem, where=where, found=f"{len(split)} images, metadata of {len(values)}")
    return found


def _texts(values: Iterable[Any]) -> tuple[str, ...]:
    """Return values as text, of one that is missing an empty one."""
    return tuple("" if is_missing(value) else str(value) for value in values)


def _scale(images: Any, where: str) -> tuple[float | None, tuple[str, ...]]:
    """Decide once, by the training images, what all floating-point images are multiplied by."""
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f" or not images.size:
        return None, ()
    scale = float_scale(images, where)
    span = "0 to 1: they are multiplied by 255" if scale == 255 else "0 to 255: they are rounded to whole numbers"
    return scale, (f"Pixels of {where} are taken as values from {span}.",)


def _images(images: Any, where: str, scale: float | None) -> Any:
    if (
        hasattr(images, "dtype")
        or not isinstance(images, Sequence)
        or not all(isinstance(p, Path | str) for p in images)
    ):
        is_float = hasattr(images, "dtype") and np.asarray(images).dtype.kind == "f"
        return as_uint8(images, where, scale=scale if is_float else None)
    return tuple(expanded_path(path, where=where, error=DataError) for path in images)
