"""Makes a checked data set of arrays, and checks the data set that a source plugin returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.labels import encode_labels, plain_labels
from automl_img.data.pixels import as_uint8, float_scale
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Split

SPLITS = ("train", "validation", "test")


def dataset_from_arrays(
    x: Any,
    y: Any,
    *,
    class_names: Sequence[str] | None = None,
    test: tuple[Any, Any] | None = None,
    name: str = "arrays",
) -> ImageDataset:
    """Return images and labels in memory as a data set.

    Args:
        x: Images, see :func:`automl_img.data.pixels.as_uint8`; shape (n, height, width[, channels]).
        y: Labels, see :func:`automl_img.data.labels.encode_labels`; shape (n,).
        class_names: The classes in their order; None: the labels that occur, sorted.
        test: Images and labels kept for the end.
        name: For messages and the report.

    Raises:
        DataError: The images or the labels cannot be used.
    """
    dataset = ImageDataset(name, tuple(class_names or ()), Split(x, y), test=Split(*test) if test is not None else None)
    return _checked(dataset, {"train": ("x", "y"), "test": ("test x", "test y")})


def validated(dataset: ImageDataset) -> ImageDataset:
    """Check and normalise what a source returned; the core calls this on it before anything else.

    A source may hand over raw material: images as an array of any kind that :func:`automl_img.data.pixels.as_uint8` takes or as a
    sequence of paths, labels as whole numbers or strings, no class names. Checking a checked data set changes nothing.

    Returns:
        The data set with uint8 images (or tuples of paths), int64 labels and one name for each class.

    Raises:
        DataError: Images and labels do not match, or cannot be used.
    """
    places = {split: (f"{dataset.name}, {split} images", f"{dataset.name}, {split} labels") for split in SPLITS}
    return _checked(dataset, places)


def _checked(dataset: ImageDataset, places: dict[str, tuple[str, str]]) -> ImageDataset:
    splits = {name: split for name in SPLITS if (split := getattr(dataset, name)) is not None}
    scale, notes = _scale(dataset.train.images, places["train"][0])
    images = {name: _images(split.images, places[name][0], scale) for name, split in splits.items()}
    known = {
        name: plain_labels(split.labels, len(images[name]), where=places[name][1]) for name, split in splits.items()
    }
    if not len(images["train"]):
        raise DataError("there are no images", where=places["train"][0])
    labels, class_names = _encoded(known, dataset.class_names, places)
    checked: dict[str, Any] = {name: Split(images[name], labels[name]) for name in splits}
    fresh = tuple(note for note in notes if note not in dataset.notes)
    return replace(dataset, class_names=class_names, notes=dataset.notes + fresh, **checked)


def _encoded(
    known: dict[str, npt.NDArray[Any]], class_names: tuple[str, ...], places: dict[str, tuple[str, str]]
) -> tuple[dict[str, npt.NDArray[np.int64]], tuple[str, ...]]:
    """Encode the labels of all splits in the same classes."""
    for name, values in known.items():
        if len(values) and values.dtype.kind != known["train"].dtype.kind:
            problem = "the labels are of another kind than those of the training images"
            raise DataError(problem, where=places[name][1], found=str(values.dtype), allowed=str(known["train"].dtype))
    together = np.concatenate([values for values in known.values() if len(values)])
    indices, names = encode_labels(together, len(together), class_names or None, where=places["train"][1])
    parts = np.split(indices, np.cumsum([len(values) for values in known.values()])[:-1])
    return dict(zip(known, parts, strict=True)), names


def _scale(images: Any, where: str) -> tuple[float | None, tuple[str, ...]]:
    """Decide once, by the training images, what all floating-point images are multiplied by."""
    if not isinstance(images, np.ndarray) or images.dtype.kind != "f" or not images.size:
        return None, ()
    scale = float_scale(images)
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
    return tuple(Path(path) for path in images)
