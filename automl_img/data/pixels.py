"""Checks arrays of images that a user or a plugin gave and turns them into uint8."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from automl_img.data.images import on_white, pixels_of
from automl_img.errors import DataError
from automl_img.plugin import scale_of_floats
from automl_img.plugin.floats import ROUNDING

BYTES_AT_A_TIME = 64_000_000  # of floats that are worked on, so that a large array is not copied as floats
LARGEST = 255 * (1 + ROUNDING)


def as_uint8(images: Any, where: str = "x", *, scale: float | None = None) -> npt.NDArray[np.uint8]:
    """Return images as the rest of the program takes them.

    Args:
        images: Shape (n, height, width) or (n, height, width, channels) with 1, 3 or 4 channels (4: laid on white). Whole numbers
            from 0 to 255, booleans, or floats from 0 to 1 or from 0 to 255. Or a list of images of one size that Pillow has opened.
        where: What the images are called in messages.
        scale: What floats are multiplied by: 255 or 1. None: :func:`float_scale` decides by their maximum.

    Returns:
        uint8, shape (n, height, width, 1 or 3); the argument's own memory where nothing had to change.

    Raises:
        DataError: The shape or the kind of numbers does not fit, or a value is NaN, infinite, below 0 or above 255.
    """
    array = _with_channels(array_of(images, where), where)
    if array.dtype == np.uint8 and array.shape[3] != 4:
        return array
    return _converted(array, where, float_scale(array, where) if scale is None else scale)


def float_scale(images: npt.NDArray[Any], where: str = "x") -> float:
    """Return 255 for booleans and for floats of which none is above 1, else 1: what brings the values to 0..255.

    Raises:
        DataError: The largest float lies above 1 and not above 2: as values from 0 to 255 nearly all would be black.
    """
    if images.dtype.kind == "b":
        return 255.0
    if images.dtype.kind != "f" or not images.size:
        return 1.0
    return scale_of_floats((images,), where)


def array_of(images: Any, where: str = "x") -> npt.NDArray[Any]:
    """Return images, which may be a list of arrays, as one array of numbers; its shape is not looked at.

    Images in the list that Pillow has opened become RGB, as those of files do.

    Raises:
        DataError: They are of different shapes, hold something else than numbers, or cannot be read.
    """
    images = _decoded(images, where)
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


def _decoded(images: Any, where: str) -> Any:
    """Return images with the pixels of each that Pillow has opened: NumPy would take what it stores, such as the numbers of a palette."""
    if not isinstance(images, Sequence) and getattr(images, "ndim", 0) != 1:
        return images
    if not any(isinstance(one, Image.Image) for one in images):
        return images
    return [
        pixels_of(one, channels=3, name=f"{where}, image {place}") if isinstance(one, Image.Image) else one
        for place, one in enumerate(images)
    ]


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
    largest = LARGEST / scale
    result = np.empty((*array.shape[:3], min(3, array.shape[3])), np.uint8)
    step = max(1, BYTES_AT_A_TIME // (max(4, array.itemsize) * math.prod(array.shape[1:])))
    for start in range(0, len(array), step):
        piece = array[start : start + step]
        if piece.dtype.kind != "b" and not (piece.min() >= 0 and piece.max() <= largest):
            raise _out_of_range(array, where, largest)
        pixels = _rounded(piece, scale)
        result[start : start + step] = on_white(pixels) if pixels.shape[3] == 4 else pixels
    return result


def _rounded(piece: npt.NDArray[Any], scale: float) -> npt.NDArray[np.uint8]:
    if piece.dtype == np.uint8:
        return piece
    pixels: npt.NDArray[np.uint8] = np.rint(piece * np.float32(scale) if scale != 1 else piece).astype(np.uint8)
    return pixels


def _out_of_range(array: npt.NDArray[Any], where: str, largest: float) -> DataError:
    """Count and place the values that cannot be used; called for broken arrays only."""
    for problem, hint, broken in (
        ("are NaN or infinite", "Replace them before training.", ~np.isfinite(array)),
        ("are negative", "Give pixels from 0 to 255 or from 0 to 1; standardising is done later.", array < 0),
        ("are too large", "16-bit images become 8-bit by x // 257.", array > largest),
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
