"""What floating-point pixels mean: values from 0 to 1, or from 0 to 255."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from automl_img.errors import DataError

ROUNDING = 1e-3  # by which resizing and float arithmetic may exceed 1


def scale_of_floats(images: Sequence[npt.NDArray[Any]], where: str = "x") -> float:
    """Return what floating-point pixels are multiplied by to lie between 0 and 255: 255 where none is above 1, else 1.

    Args:
        images: Arrays of floats of any shape, that are judged together.
        where: What the images are called in messages.

    Raises:
        DataError: The largest lies above 1 and not above 2: as values from 0 to 255 nearly all would be black.
    """
    largest = max((float(image.max(initial=0)) for image in images), default=0.0)
    if largest <= 1 + ROUNDING:
        return 255.0
    if largest <= 2 and all(image.min(initial=0) >= 0 for image in images):  # what is below 0 is told as such
        raise DataError(
            "the values are a little too large for 0 to 1, and as 0 to 255 they would be black",
            where=where,
            found=f"values up to {largest:g}",
            allowed="0 to 1 throughout, or 0 to 255",
            hint="Cut them off by np.clip(x, 0, 1); of images that are as dark as this, give x.astype(np.uint8).",
        )
    return 1.0
