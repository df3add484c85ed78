"""Small pictures that stand inside a page, within a bound on their bytes."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.images import examine
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset

SIDE = 96  # pixels of a picture's longer side
PIXEL_ART = 40  # a longer side up to which pixels are shown as they are, enlarged
QUALITY = 78
HEAT = (255, 138, 0)  # the colour of places that speak for an answer


class Pictures:
    """The images of a data set as data URIs, until ``limit`` characters are used up.

    Args:
        dataset: The images.
        limit: The most characters of all data URIs together.

    Attributes:
        left_out: How many pictures there was no room for.
    """

    def __init__(self, dataset: ImageDataset, *, limit: int) -> None:
        self._dataset = dataset
        self._limit = limit
        self._used = 0
        self.left_out = 0

    def allow(self, limit: int) -> None:
        """Let the pictures have ``limit`` more characters."""
        self._limit += limit

    def of(self, split: str, position: int) -> tuple[str, bool] | None:
        """Return one image as a data URI, and whether its pixels should be shown enlarged; None if there is no picture of it.

        Args:
            split: "train", "validation" or "test".
            position: Its place in the split.
        """
        pixels = self._pixels(split, position)
        if pixels is None:
            return None
        uri = data_uri(pixels)
        if self._used + len(uri) > self._limit:
            self.left_out += 1
            return None
        self._used += len(uri)
        return uri, max(pixels.shape[:2]) <= PIXEL_ART

    def _pixels(self, split: str, position: int) -> npt.NDArray[np.uint8] | None:
        images: Any = getattr(self._dataset, split).images
        if isinstance(images, np.ndarray):
            return np.asarray(images[position])
        try:
            return examine(Path(images[position]), longest=SIDE).pixels
        except (DataError, OSError):
            return None


def lit(pixels: npt.NDArray[np.uint8], heat: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return an image in grey, the places of high ``heat`` in orange; uint8, shape (height, width, 3).

    Args:
        pixels: uint8, shape (height, width, 1 or 3).
        heat: uint8, shape (rows, columns), drawn over the whole image.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    share = np.asarray(Image.fromarray(heat).resize((width, height), Image.Resampling.BILINEAR), np.float32) / 255
    grey = pixels.mean(axis=2, keepdims=True, dtype=np.float32).repeat(3, axis=2)
    strength = 0.75 * share[:, :, np.newaxis]
    drawn: npt.NDArray[np.uint8] = ((1 - strength) * 0.8 * grey + strength * np.array(HEAT, np.float32)).astype(
        np.uint8
    )
    return drawn


def data_uri(pixels: npt.NDArray[np.uint8]) -> str:
    """Return an image, uint8 of shape (height, width, 1 or 3), as a data URI: PNG if it is small, else JPEG of at most 96 pixels a side."""
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    kind = "png" if max(image.size) <= PIXEL_ART else "jpeg"
    written = io.BytesIO()
    image.save(written, kind, **({"optimize": True} if kind == "png" else {"quality": QUALITY}))
    return f"data:image/{kind};base64,{base64.b64encode(written.getvalue()).decode()}"
