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
        labels: The class of each image: int64, shape (n,), indices into the class names. For the multilabel task uint8 of 0 and 1,
            shape (n, classes). A source may hand over raw labels, which the core encodes: whole numbers or strings, shape (n,), or,
            for the multilabel task, a sequence of label names for each image.
        groups: What each image belongs to (a patient, a product), one string for each image; images of one group stay on one side of
            the split. Where one is empty, None or NaN, that image stands for itself; None: every image does.
        metadata: What else is known of each image, such as its camera: a sequence of strings for each name. Nothing is learned from
            it; the figures are told by its values. None: nothing is known.
    """

    images: npt.NDArray[np.uint8] | Sequence[Path]
    labels: npt.NDArray[Any] | Sequence[Any]
    groups: Sequence[str] | None = None
    metadata: Mapping[str, Sequence[str]] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class ImageDataset:
    """Labelled images with their class names. The splits that are given stay as they are; the others are made by the core.

    Attributes:
        name: For messages and the report.
        class_names: One name for each class, in the order of the labels' indices. For the hierarchical task a name is the path from
            the top, such as "clothing/shoes/boot".
        train: The images to learn from.
        validation: The images that pick the best model, or None: a stratified share of ``train`` is taken.
        test: The images that are touched once, at the end, or None: a stratified share of ``train`` is taken if the recipe asks for it.
        notes: What the source did that a person should know, a sentence each.
        task: "binary", "multiclass", "multilabel" or "hierarchical"; "auto": the core sees it by the labels, and says so.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split | None = None
    test: Split | None = None
    notes: tuple[str, ...] = field(default=())
    task: str = "auto"


class DataSource(Plugin):
    """A place that labelled images come from."""

    #: The keys that the recipe's ``[data.options]`` may hold for this source, with one line on each.
    options: Mapping[str, str] = {}

    #: Whether this source takes nearly anything of a kind, such as any folder: it is asked only after all others have declined.
    general: bool = False

    def accepts(self, path: Path) -> bool:
        """Whether ``path``, given in place of a recipe, is something that this source can read."""
        return False

    def accepts_object(self, data: Any) -> bool:
        """Whether ``data``, an object given to ``automl_img.fit``, is something that :meth:`convert` takes.

        Looks at the type alone, and imports nothing: an object of a library exists only where that library is imported.
        """
        return False

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the labelled images.

        Args:
            path: The recipe's ``[data] path``, made absolute, or None.
            options: The recipe's ``[data.options]``; only keys of :attr:`options` arrive here, and ``"task"``, the recipe's
                ``data.task``.

        Raises:
            DataError: The images are not there or cannot be used; the message says what to do.
        """
        raise self._undefined("load")

    def convert(self, data: Any, options: Mapping[str, Any]) -> ImageDataset:
        """Return the labelled images of an object that :meth:`accepts_object` takes.

        Args:
            data: The object.
            options: As in :meth:`load`.

        Raises:
            DataError: The images cannot be used; the message says what to do.
        """
        raise self._undefined("convert")
