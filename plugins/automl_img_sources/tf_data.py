"""``tf.data.Dataset`` objects of (image, label), and folders that ``Dataset.save`` wrote."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import SPLIT_NAMES, DataError, DataSource, ImageDataset, Spill, Split, hookimpl, load_tensorflow
from automl_img_sources._library_splits import our_splits

SPEC = "dataset_spec.pb"
LOOKED_AT = 64  # images by which the scale of floating-point pixels is seen
ELEMENTS = "(image, label), or a dictionary with image and label"


class TfData(DataSource):
    """A tf.data.Dataset of (image, label), a dictionary of them by split, or a folder that Dataset.save wrote.

    Elements may be batched or not; images may be pixels (bytes, or floats from 0 to 1 or 0 to 255) or encoded files, of one size or of
    many; labels numbers, texts, or vectors of 0 and 1. The data set is read once, into the cache. It must have an end, and should not
    shuffle, or else a search cannot be resumed with it.
    """

    name = "tf_data"
    options = {
        "image": "Key of the images where elements are dictionaries.",
        "label": "Key of the labels.",
        "class_names": "Names of the classes in the order of their numbers.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a folder that Dataset.save wrote, or holds such a folder named train."""
        return (path / SPEC).is_file() or (path / "train" / SPEC).is_file()

    def accepts_object(self, data: Any) -> bool:
        """Whether ``data`` is a tf.data.Dataset or a dictionary of them by split."""
        tensorflow = sys.modules.get("tensorflow")
        if tensorflow is None or not hasattr(tensorflow, "data"):
            return False
        parts = list(data.values()) if isinstance(data, dict) else [data]
        return bool(parts) and all(isinstance(part, tensorflow.data.Dataset) for part in parts)

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images of a folder.

        Raises:
            DataError: It is none that Dataset.save wrote, or its elements cannot be used.
        """
        if path is None:
            raise DataError("the folder is not given", where="data.path", hint="It is one that Dataset.save wrote.")
        if not self.accepts(path):
            raise DataError("this is no folder that Dataset.save wrote", where=str(path), allowed=f"{SPEC} in it")
        load_tensorflow(with_devices=True)
        import tensorflow as tf

        folders = {"train": path}
        if not (path / SPEC).is_file():
            folders = {entry.name: entry for entry in sorted(path.iterdir()) if (entry / SPEC).is_file()}
        try:
            parts = {name: tf.data.Dataset.load(str(folder)) for name, folder in folders.items()}
        except (tf.errors.OpError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"the folder is damaged: {reason}", where=str(path)) from error
        return _dataset(parts, path.name, options)

    def convert(self, data: Any, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images of a data set, or of one for each split.

        Raises:
            DataError: It has no end, or its elements cannot be used.
        """
        return _dataset(data if isinstance(data, dict) else {"train": data}, "tf_data", options)


def _dataset(parts: Mapping[str, Any], name: str, options: Mapping[str, Any]) -> ImageDataset:
    if len(parts) > 1:
        for split in parts:
            if str(split).lower() not in SPLIT_NAMES:
                raise DataError(
                    "a split has an unknown name", where=name, found=split, allowed="train, validation, test"
                )
    theirs, notes = our_splits(map(str, parts), name)
    given = options.get("class_names") or ()
    class_names = tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else tuple(map(str, given))
    reader = _Reader(name, options)
    splits = {split: reader.read(parts[their]) for split, their in theirs.items()}
    return ImageDataset(
        name, class_names, notes=(*notes, *reader.notes), task=str(options.get("task", "auto")), **splits
    )


class _Reader:
    """Reads data sets of one form into the cache."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        self.name, self.options = name, options
        self.notes: list[str] = []
        self._scale: float | None = None

    def read(self, data: Any) -> Split:
        """Return the images and labels of a data set.

        Raises:
            DataError: It has no end or no element, or they cannot be used.
        """
        if int(data.cardinality()) == -1:
            hint = "Take what you need of it: dataset.take(10_000); leave out repeat()."
            raise DataError("the data set has no end", where=self.name, hint=hint)
        labels: list[Any] = []
        with Spill("tf_data") as spill:
            for image, label in self._pairs(data):
                spill.add(image)
                labels.append(label)
            if not labels:
                raise DataError("the data set has no images", where=self.name)
            return Split(spill.finish(), self._labels(labels))

    def _pairs(self, data: Any) -> Iterator[tuple[Any, Any]]:
        for element in data.as_numpy_iterator():
            image, label = self._parts(element)
            if _is_batch(image, label):
                if np.ndim(label) == 0 or len(label) != len(image):
                    raise DataError("a batch has other numbers of images and labels", where=self.name)
                yield from zip(self._images(image), label, strict=True)
            else:
                yield (
                    next(
                        iter(self._images(np.asarray(image)[np.newaxis] if not isinstance(image, bytes) else [image]))
                    ),
                    label,
                )

    def _parts(self, element: Any) -> tuple[Any, Any]:
        if isinstance(element, dict):
            keys = str(self.options.get("image") or "image"), str(self.options.get("label") or "label")
            for key, option in zip(keys, ("image", "label"), strict=True):
                if key not in element:
                    where = f"{self.name}, data.options.{option}"
                    raise DataError("elements have no such key", where=where, found=key, allowed=list(element))
            return element[keys[0]], element[keys[1]]
        if isinstance(element, tuple) and len(element) in (2, 3):
            if len(element) == 3 and not self.notes:
                self.notes.append("The weights of the images, the third part of each element, are not used.")
            return element[0], element[1]
        found = f"{len(element)} parts" if isinstance(element, tuple) else type(element).__name__
        raise DataError("the elements have another form", where=self.name, found=found, allowed=ELEMENTS)

    def _images(self, images: Any) -> Iterator[Any]:
        """Yield encoded files as bytes, pixels as uint8."""
        if isinstance(images, list) or images.dtype == object:
            for content in images:
                yield bytes(content)
            return
        if images.dtype.kind == "f":
            images = self._scaled(images)
        elif images.dtype != np.uint8:
            if images.size and (images.min() < 0 or images.max() > 255):
                found = f"{images.dtype} from {images.min()} to {images.max()}"
                raise DataError("pixels are out of range", where=self.name, found=found, allowed="0 to 255")
            images = images.astype(np.uint8)
        yield from images

    def _scaled(self, images: Any) -> Any:
        low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
        if self._scale is None:
            self._scale = 255.0 if high <= 1.0 else 1.0
            span = "0 to 1: they are multiplied by 255" if self._scale == 255 else "0 to 255: they are rounded"
            self.notes.append(f"Pixels are taken as values from {span}.")
        if not np.isfinite([low, high]).all() or low < 0 or high * self._scale > 255.5:
            found = f"{low:g} to {high:g}"
            hint = "Give images before they are standardised."
            raise DataError(
                "pixels are out of range", where=self.name, found=found, allowed="0 to 1, or 0 to 255", hint=hint
            )
        return np.clip(np.rint(images * self._scale), 0, 255).astype(np.uint8)

    def _labels(self, labels: list[Any]) -> Any:
        if isinstance(labels[0], bytes):
            return [label.decode("utf-8", "replace") for label in labels]
        array = np.asarray(labels)
        return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array


def _is_batch(image: Any, label: Any) -> bool:
    """Whether an element holds several images; three axes are a grey batch unless the last one looks like channels."""
    if isinstance(image, bytes) or np.ndim(label) == 0:
        return False
    if image.dtype == object or image.ndim == 4:
        return True
    return image.ndim == 3 and len(label) == len(image) and image.shape[2] not in (1, 3)


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register tf.data data sets."""
    register(TfData())
