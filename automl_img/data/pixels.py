"""Checks arrays of images that a user or a plugin gave and turns them into uint8."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.images import on_white
from automl_img.errors import DataError

CHUNK = 4096  # images converted at a time, so that a large array is not copied as floats
ROUNDING = 1e-3  # by which resizing and float arithmetic may exceed 1
LARGEST = 255 * (1 + ROUNDING)


def as_uint8(images: Any, where: str = "x", *, scale: float | None = None) -> npt.NDArray[np.uint8]:
    """Return images as the rest of the program takes them.

    Args:
        images: Shape (n, height, width) or (n, height, width, channels) with 1, 3 or 4 channels (4: laid on white). Whole numbers
            from 0 to 255, booleans, or floats from 0 to 1 or from 0 to 255.
        where: What the images are called in messages.
        scale: What floats are multiplied by: 255 or 1. None: :func:`float_scale` decides by their maximum.

    Returns:
        uint8, shape (n, height, width, 1 or 3); the argument's own memory where nothing had to change.

    Raises:
        DataError: The shape or the kind of numbers does not fit, or a value is NaN, infinite, below 0 or above 255.
    """
    array = _with_channels(_numbers(images, where), where)
    if array.dtype != np.uint8:
        array = _converted(array, where, float_scale(array) if scale is None else scale)
    return on_white(array) if array.shape[3] == 4 else array


def float_scale(images: npt.NDArray[Any]) -> float:
    """Return 255 for booleans and for floats of which none is above 1, else 1: what brings the values to 0..255."""
    if images.dtype.kind == "b":
        return 255.0
    return 255.0 if images.dtype.kind == "f" and images.size and float(images.max()) <= 1 + ROUNDING else 1.0


def _numbers(images: Any, where: str) -> npt.NDArray[Any]:
    try:
        array = np.asarray(images)
    except ValueError as error:
        raise _uneven(where, "images of different shapes") from error
    if array.dtype.kind == "O":
        raise _uneven(where, "an array of Python objects")
    if array.dtype.kind not in "buif":
        raise DataError(
            "the images are not numbers", where=where, found=str(array.dtype), allowed="uint8, or floats from 0 to 1"
        )
    return array


def _uneven(where: str, found: str) -> DataError:
    return DataError(
        "the images do not form one array",
        where=where,
        found=found,
        allowed="shape (n, height, width) or (n, height, width, channels)",
        hint="Resize the images to one size and np.stack them, or put image files into one folder for each class.",
    )


def _with_channels(array: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    if array.ndim == 3:
        array = array[..., np.newaxis]
    if array.ndim == 4 and array.shape[3] in (1, 3, 4) and 0 not in array.shape[1:]:
        return array
    hint = ""
    if array.ndim == 4 and array.shape[1] in (1, 3, 4):
        hint = "Channels come last here: x.transpose(0, 2, 3, 1)."
    elif array.ndim == 2:
        hint = "Flattened images get their shape back by x.reshape(n, height, width)."
    raise DataError(
        "the images have an unusable shape",
        where=where,
        found=f"shape {array.shape}",
        allowed="(n, height, width) or (n, height, width, channels) with 1, 3 or 4 channels",
        hint=hint,
    )


def _converted(array: npt.NDArray[Any], where: str, scale: float) -> npt.NDArray[np.uint8]:
    result = np.empty(array.shape, np.uint8)
    for start in range(0, len(array), CHUNK):
        chunk = array[start : start + CHUNK]
        if chunk.dtype.kind != "b" and not (chunk.min() >= 0 and chunk.max() * scale <= LARGEST):
            raise _out_of_range(array, where, scale)
        result[start : start + CHUNK] = np.rint(chunk * np.float32(scale)) if scale != 1 else np.rint(chunk)
    return result


def _out_of_range(array: npt.NDArray[Any], where: str, scale: float) -> DataError:
    """Count and place the values that cannot be used; called for broken arrays only."""
    for problem, hint, broken in (
        ("are NaN or infinite", "Replace them before training.", ~np.isfinite(array)),
        ("are negative", "Give pixels from 0 to 255 or from 0 to 1; standardising is done later.", array < 0),
        ("are too large", "16-bit images become 8-bit by x // 257.", array * scale > LARGEST),
    ):
        places = np.argwhere(broken)
        if len(places):
            first = tuple(int(axis) for axis in places[0])
            return DataError(
                f"{len(places):,} of {array.size:,} values {problem}, the first in image {first[0]}",
                where=where,
                found=array[first].item(),
                allowed="0 to 1 throughout, or 0 to 255",
                hint=hint,
            )
    raise AssertionError("the values are in range")
