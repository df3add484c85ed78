"""Scikit-learn's digits: 1,797 grey images of handwritten digits, 8×8. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import DataSource, ImageDataset, Split, hookimpl

SCALE = 255 / 16  # the pixels are counts from 0 to 16


class Digits(DataSource):
    """Handwritten digits that come with scikit-learn: 1,797 images, 8×8, grey, ten classes; small enough for a first try.

    No image is set apart for the test; the recipe asks for a share.

    Source: Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, 1998, UCI.
    """

    name = "digits"

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the 1,797 images as training images; ``path`` and ``options`` have no effect."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * SCALE).astype(np.uint8)[..., np.newaxis]
        names = tuple(str(name) for name in digits.target_names)
        return ImageDataset("digits", names, Split(images, digits.target.astype(np.int64)))


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register the digits."""
    register(Digits())
