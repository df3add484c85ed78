"""Describes a data set before it is prepared: what is in it, and what size to train at."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.images import decode, read_header
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Split
from automl_img.tasks import make_task

HEADERS = 2_000  # files whose header is read
LOOKS = 100  # images whose pixels are looked at for colour
SMALL_SIDE = 64  # sides up to this are kept as they are
LARGEST_SIDE = 224
SMALLEST_SIDE = 8
SNAP = 32

Sizes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Analysis:
    """What was found in a data set.

    Attributes:
        name: Name of the data set.
        class_names: The classes.
        task: What the labels mean.
        counts: Split → number of images of each class, in the order of ``class_names``.
        imbalance: Training images of the largest class for each one of the smallest.
        smallest, median, largest: (height, width) in pixels, each side taken by itself; of files, over a sample.
        channels: 1 if all images of a sample are grey, else 3.
        height, width: The proposed size for training.
        notes: What the source said.
    """

    name: str
    class_names: tuple[str, ...]
    task: str
    counts: Mapping[str, tuple[int, ...]]
    imbalance: float
    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    channels: int
    height: int
    width: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        facts = dataclasses.asdict(self)
        facts["counts"] = {
            split: dict(zip(self.class_names, counts, strict=True)) for split, counts in self.counts.items()
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}


def analyse(dataset: ImageDataset, *, seed: int = 0) -> Analysis:
    """Look at a checked data set, see :func:`automl_img.data.arrays.validated`.

    Args:
        dataset: The data set.
        seed: Decides which files are sampled.

    Raises:
        DataError: It has no images, one class, fewer images than classes, a class without training images, or no readable file.
    """
    splits = {name: split for name in ("train", "validation", "test") if (split := getattr(dataset, name)) is not None}
    task = make_task(dataset.task, dataset.class_names)
    counts = {name: task.counts(np.asarray(split.labels)) for name, split in splits.items()}
    _refuse(dataset, counts["train"])
    random = np.random.default_rng(seed)
    sizes = _sizes(dataset.train, random, dataset.name)
    median = _side_by_side(np.rint(np.median(sizes, axis=0)))
    height, width = propose_size(*median)
    imbalance = float(counts["train"].max() / counts["train"].min())
    return Analysis(
        name=dataset.name,
        class_names=dataset.class_names,
        task=dataset.task,
        counts={name: tuple(int(count) for count in each) for name, each in counts.items()},
        imbalance=imbalance,
        smallest=_side_by_side(sizes.min(axis=0)),
        median=median,
        largest=_side_by_side(sizes.max(axis=0)),
        channels=_channels(dataset.train, random),
        height=height,
        width=width,
        notes=dataset.notes,
    )


def propose_size(height: int, width: int) -> tuple[int, int]:
    """Return the (height, width) to train at for images of a median size.

    Small sides, up to 64 pixels, stay; larger ones become a multiple of 32; the longer side becomes at most 224, in proportion.
    """
    scale = min(1.0, LARGEST_SIDE / max(height, width))
    return _proposed_side(height * scale), _proposed_side(width * scale)


def _proposed_side(side: float) -> int:
    return max(SMALLEST_SIDE, round(side)) if side <= SMALL_SIDE else SNAP * round(side / SNAP)


def _refuse(dataset: ImageDataset, counts: npt.NDArray[np.int64]) -> None:
    images, classes = len(dataset.train), len(dataset.class_names)
    if not images:
        raise DataError("there are no training images", where=dataset.name)
    if classes < 2:
        raise DataError(
            "there is one class only", where=dataset.name, found=dataset.class_names, allowed="two or more classes"
        )
    if images < classes:
        found = f"{images} images, {classes} classes"
        raise DataError("there are fewer training images than classes", where=dataset.name, found=found)
    if not counts.all():
        empty = dataset.class_names[int(np.argmin(counts))]
        hint = "Add images of it to the training split, or take the class out."
        raise DataError("a class has no training image", where=dataset.name, found=empty, hint=hint)


def _sizes(split: Split, random: np.random.Generator, name: str) -> Sizes:
    """Return (height, width) of the images, shape (n, 2); of files, those of a sample that can be read."""
    if isinstance(split.images, np.ndarray):
        return np.array([split.images.shape[1:3]], np.int64)
    sizes, problem = [], ""
    for path in _sample(split.images, HEADERS, random):
        try:
            header = read_header(path)
            sizes.append((header.height, header.width))
        except DataError as error:
            problem = problem or str(error)
    if not sizes:
        raise DataError("no image file can be read", where=name, found=problem)
    return np.array(sizes, np.int64)


def _channels(split: Split, random: np.random.Generator) -> int:
    if isinstance(split.images, np.ndarray):
        if split.images.shape[3] == 1:
            return 1
        chosen = np.sort(random.permutation(len(split))[:LOOKS])
        return 1 if _is_grey(split.images[chosen]) else 3
    for path in _sample(split.images, LOOKS, random):
        try:
            if not _is_grey(decode(path, channels=3, size=(SMALL_SIDE, SMALL_SIDE))):
                return 3
        except DataError:
            continue
    return 1


def _is_grey(pixels: npt.NDArray[np.uint8]) -> bool:
    return bool((pixels[..., :1] == pixels[..., 1:]).all())


def _sample(paths: Sequence[Path], limit: int, random: np.random.Generator) -> list[Path]:
    if len(paths) <= limit:
        return list(paths)
    return [paths[place] for place in np.sort(random.choice(len(paths), limit, replace=False))]


def _side_by_side(sides: npt.NDArray[Any]) -> tuple[int, int]:
    return int(sides[0]), int(sides[1])
