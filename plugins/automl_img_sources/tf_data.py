"""``tf.data.Dataset`` objects of (image, label), and folders that ``Dataset.save`` wrote."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import (
    SPLIT_NAMES,
    DataError,
    DataSource,
    ImageDataset,
    Spill,
    Split,
    hookimpl,
    load_tensorflow,
    scale_of_floats,
)
from automl_img_sources._library_splits import our_splits
from automl_img_sources._options import listed
from automl_img_sources._tf_elements import pairs_of, parts_of, reason_of

SPEC = "dataset_spec.pb"
LOOKED_AT = 64  # images by which the scale of floating-point pixels is seen
ROUNDING = 1e-3  # by which resizing and float arithmetic may exceed 1
INFINITE = -1
FLOATS = "Give images as uint8, or as floats before they are standardised."


class TfData(DataSource):
    """A tf.data.Dataset of (image, label), a dictionary of them by split, or a folder that Dataset.save wrote.

    Elements may be batched or not; images may be pixels (bytes, or floats from 0 to 1 or 0 to 255) or encoded files, of one size or of
    many; labels numbers, texts, vectors of 0 and 1, or lists of several lengths. Floats are taken as values from 0 to 1 if the first 64
    images have none above 1. The data set is read once, into the cache. It must have an end, and should not
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
        except Exception as error:  # TensorFlow's, protobuf's and Python's alike: the folder is damaged
            raise DataError(f"the folder is damaged: {reason_of(error)}", where=str(path)) from error
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
    class_names = listed(options, "class_names")
    reader = _Reader(name, options, class_names)
    named = {str(split): part for split, part in parts.items()}
    order = sorted(theirs, key=lambda split: split != "train")  # the images to train on decide the scale of pixels
    splits = {split: reader.read(named[theirs[split]]) for split in order}
    return ImageDataset(
        name, class_names, notes=(*notes, *reader.notes), task=str(options.get("task", "auto")), **splits
    )


class _Reader:
    """Reads data sets of one form into the cache."""

    def __init__(self, name: str, options: Mapping[str, Any], class_names: tuple[str, ...]) -> None:
        self.name, self.options, self.class_names = name, options, class_names
        self.notes: list[str] = []
        self._scale: float | None = None

    def read(self, data: Any) -> Split:
        """Return the images and labels of a data set.

        Raises:
            DataError: It has no end or no element, or they cannot be used.
        """
        if int(data.cardinality()) == INFINITE:
            hint = "Take what you need of it: dataset.take(10_000); leave out repeat()."
            raise DataError("the data set has no end", where=self.name, hint=hint)
        parts_of(data.element_spec, self.options, self.name)
        weights = "The weights of the images, the third part of each element, are not used."
        if isinstance(data.element_spec, tuple) and len(data.element_spec) == 3 and weights not in self.notes:
            self.notes.append(weights)
        pairs = pairs_of(data, self.options, self.name)
        first = list(itertools.islice(pairs, LOOKED_AT))
        if not first:
            raise DataError("the data set has no images", where=self.name)
        self._see_scale(image for image, _ in first)
        labels: list[Any] = []
        with Spill("tf_data") as spill:
            for image, label in itertools.chain(first, pairs):
                spill.add(image if isinstance(image, bytes) else self._pixels(np.asarray(image), len(spill)))
                labels.append(label)
            return Split(spill.finish(), self._labels(labels))

    def _see_scale(self, images: Iterable[Any]) -> None:
        floats = [np.asarray(image) for image in images if getattr(image, "dtype", np.dtype(object)).kind == "f"]
        if self._scale is not None or not floats:
            return
        self._scale = scale_of_floats(floats, self.name)
        span = "0 to 1: they are multiplied by 255" if self._scale == 255 else "0 to 255: they are rounded"
        self.notes.append(f"Pixels are taken as values from {span}.")

    def _pixels(self, image: Any, number: int) -> Any:
        """Return pixels as uint8."""
        if image.dtype == np.uint8 or image.dtype.kind not in "biuf" or not image.size:
            return image
        scale = 255.0 if image.dtype.kind == "b" else self._scale if image.dtype.kind == "f" and self._scale else 1.0
        low, high = float(image.min()), float(image.max())
        if not np.isfinite([low, high]).all() or low < 0 or high * scale > 255 * (1 + ROUNDING):
            raise DataError(
                f"pixels of image {number} are out of range",
                where=self.name,
                found=f"{low:g} to {high:g}",
                allowed=f"0 to {255 / scale:g}{f', as the first {LOOKED_AT} images are' if scale > 1 else ''}",
                hint="16-bit images become 8-bit by x // 257." if image.dtype.kind in "iu" else FLOATS,
            )
        return np.minimum(np.rint(image * np.float32(scale)), 255).astype(np.uint8)

    def _labels(self, labels: list[Any]) -> Any:
        texts = [_text(label) for label in labels]
        if isinstance(texts[0], str):
            return texts
        if isinstance(texts[0], tuple) or len({np.shape(label) for label in labels}) > 1:
            return [tuple(map(self._named, label)) for label in texts]
        array = np.asarray(labels)
        return array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array

    def _named(self, label: Any) -> str:
        """Return the name of one of several labels, which may be the number of a class."""
        if isinstance(label, str) or not self.class_names:
            return str(label)
        if not 0 <= int(label) < len(self.class_names):
            allowed = f"0 to {len(self.class_names) - 1}"
            raise DataError("a label has no class name", where=self.name, found=int(label), allowed=allowed)
        return self.class_names[int(label)]


def _text(label: Any) -> Any:
    """Return texts as str, of an array of them a tuple; all else as it is."""
    if isinstance(label, bytes):
        return label.decode("utf-8", "replace")
    return tuple(map(_text, label)) if getattr(label, "dtype", np.dtype(int)).kind == "O" else label


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register tf.data data sets."""
    register(TfData())
