"""What is measured of each image: a row of small numbers and a grey thumbnail, about 1.1 kB together."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt
from PIL import Image

THUMB = 32  # pixels of a thumbnail's side
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601, as in decoding
DARK_SHARE, BRIGHT_SHARE = 0.99, 0.05
LEVELS = np.arange(256, dtype=np.float32)

Pixels = npt.NDArray[np.uint8]
Records = npt.NDArray[np.void]

#: One row for each image.
#:   seen: whether it was read; all else is 0 where not.
#:   height, width: as stored; channels: 1 or 3, as stored; coloured: whether the channels differ anywhere.
#:   bytes: of the file, 0 for arrays; format: place in the list of formats.
#:   digest: names the pixels: equal for equal pixels, whatever the file's format.
#:   mean, square: of each channel and of its square, on the scale 0 to 255.
#:   low, high: grey levels that 5% of the pixels are below, and 99%.
#:   deviation: of the grey levels; edges: standard deviation of their Laplacian.
RECORD = np.dtype(
    [
        ("seen", np.bool_),
        ("height", np.int32),
        ("width", np.int32),
        ("channels", np.uint8),
        ("coloured", np.bool_),
        ("bytes", np.int64),
        ("format", np.uint8),
        ("digest", "S16"),
        ("mean", np.float32, 3),
        ("square", np.float32, 3),
        ("low", np.uint8),
        ("high", np.uint8),
        ("deviation", np.float32),
        ("edges", np.float32),
    ]
)


def measure(pixels: Pixels, thumb: tuple[int, int]) -> tuple[Records, Pixels]:
    """Measure images of one size.

    Args:
        pixels: uint8, shape (n, height, width, 1 or 3).
        thumb: (height, width) of the thumbnails.

    Returns:
        Rows of :data:`RECORD`, shape (n,), and grey thumbnails, shape (n, *thumb).
    """
    n, height, width, channels = pixels.shape
    records: Records = np.zeros(n, RECORD)
    records["seen"], records["height"], records["width"], records["channels"] = True, height, width, channels
    coloured = np.zeros(n, bool) if channels == 1 else (pixels[..., :1] != pixels[..., 1:]).any((1, 2, 3))
    records["coloured"] = coloured
    records["digest"] = [
        _digest(image if colour else image[..., 0]) for image, colour in zip(pixels, coloured, strict=True)
    ]
    grey = _grey(pixels)
    _measure_channels(records, pixels)
    _measure_levels(records, grey)
    records["edges"] = _edges(grey)
    return records, thumbnails(grey, thumb)


def thumbnails(grey: Pixels, size: tuple[int, int]) -> Pixels:
    """Scale grey images, shape (n, height, width), to ``size``, antialiased."""
    if grey.shape[1:] == size:
        return grey
    scaled = np.empty((len(grey), *size), np.uint8)
    for place, image in enumerate(grey):
        smaller = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=3.0)
        scaled[place] = np.asarray(smaller)
    return scaled


def _grey(pixels: Pixels) -> Pixels:
    if pixels.shape[3] == 1:
        return pixels[..., 0]
    grey: Pixels = np.rint(pixels @ GREY).astype(np.uint8)
    return grey


def _digest(pixels: Pixels) -> bytes:
    """Name the pixels, shape (height, width[, 3]); grey pixels have the same name whether stored as grey or as colour."""
    salt = f"{pixels.shape}"[:16].encode()
    return hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16, salt=salt).digest()


def _measure_channels(records: Records, pixels: Pixels) -> None:
    values = pixels.astype(np.float32)
    records["mean"] = values.mean((1, 2))  # grey fills all three
    records["square"] = np.square(values, out=values).mean((1, 2))


def _measure_levels(records: Records, grey: Pixels) -> None:
    n = len(grey)
    flat = grey.reshape(n, -1)
    places = flat + 256 * np.arange(n, dtype=np.int64)[:, np.newaxis]
    share = np.bincount(places.ravel(), minlength=256 * n).reshape(n, 256).astype(np.float32) / flat.shape[1]
    mean = share @ LEVELS
    records["deviation"] = np.sqrt(np.maximum(share @ LEVELS**2 - mean**2, 0))
    below = share.cumsum(axis=1)
    records["low"] = (below >= BRIGHT_SHARE).argmax(axis=1)
    records["high"] = (below >= DARK_SHARE).argmax(axis=1)


def _edges(grey: Pixels) -> npt.NDArray[np.float32]:
    """Return the standard deviation of the Laplacian, in grey levels: small where nothing is sharp.

    Source: Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
    """
    if min(grey.shape[1:]) < 3:
        return np.zeros(len(grey), np.float32)
    level = grey.astype(np.int16)
    around = level[:, :-2, 1:-1] + level[:, 2:, 1:-1] + level[:, 1:-1, :-2] + level[:, 1:-1, 2:]
    edges: npt.NDArray[np.float32] = (4 * level[:, 1:-1, 1:-1] - around).std((1, 2), dtype=np.float32)
    return edges
