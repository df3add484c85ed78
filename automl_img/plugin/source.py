"""What a data source gives: labelled images, as arrays or as files, in up to three splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.plugin.base import Plugin


@dataclass(frozen=True)
class Split:
    """Labelled images of one split.

    Attributes:
        images: Either an array of uint8, shape (n, height, width, channels) with 1 or 3 channels, or n paths of image files.
        labels: int64, shape (n,): indices into the class names.
    """

    images: npt.NDArray[np.uint8] | Sequence[Path]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageDataset:
    """Labelled images with their class names. The splits that are given stay as they are; the others are made by the core.

    Attributes:
        name: For messages and the report.
        class_names: One name for each class, in the order of the labels' indices.
        train: The images to learn from.
        validation: The images that pick the best model, or None: a stratified share of ``train`` is taken.
        test: The images that are touched once, at the end, or None: a stratified share of ``train`` is taken if the recipe asks for it.
        notes: What the source did that a person should know, a sentence each.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split | None = None
    test: Split | None = None
    notes: tuple[str, ...] = field(default=())


class DataSource(Plugin):
    """A place that labelled images come from."""

    #: The keys that the recipe's ``[data.options]`` may hold for this source, with one line on each.
    options: Mapping[str, str] = {}

    def accepts(self, path: Path) -> bool:
        """Whether ``path``, given in place of a recipe, is something that this source can read."""
        return False

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the labelled images.

        Args:
            path: The recipe's ``[data] path``, made absolute, or None.
            options: The recipe's ``[data.options]``; only keys of :attr:`options` arrive here.

        Raises:
            DataError: The images are not there or cannot be used; the message says what to do.
        """
        raise NotImplementedError
