"""Reads IDX files, the format of MNIST: two zero bytes, the type, the number of dimensions, each dimension in 4 bytes, the values."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.plugin import DataError, Split

UINT8 = 0x08
TYPES = {
    0x08: "unsigned bytes",
    0x09: "signed bytes",
    0x0B: "16-bit numbers",
    0x0C: "32-bit numbers",
    0x0D: "32-bit floats",
    0x0E: "64-bit floats",
}
GZIP_START = b"\x1f\x8b"
HINT = "Delete it and get it anew."


def read_pair(images: Path, labels: Path) -> Split:
    """Return the images of one IDX file with the labels of another.

    Raises:
        DataError: A file is damaged, cut off or holds something else, or they differ in number.
    """
    pixels, classes = read_idx(images, dimensions=3), read_idx(labels, dimensions=1)
    if len(pixels) != len(classes):
        raise DataError(
            "images and labels differ in number",
            where=str(images.parent),
            found=f"{len(pixels)}, {len(classes)}",
            hint=f"See that {images.name} and {labels.name} belong together.",
        )
    return Split(pixels[..., np.newaxis], classes.astype(np.int64))


def read_idx(path: Path, *, dimensions: int) -> npt.NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes, gzipped or not; one that is not stays on disk, memory-mapped.

    Raises:
        DataError: The file is missing, may not be read, is damaged, cut off, or holds something else.
    """
    size = 4 + 4 * dimensions
    try:
        with path.open("rb") as file:
            start = file.read(size)
        # Some programs unpack a download and leave its name as it was: a file that starts as IDX does is not unpacked again.
        packed = start[:2] == GZIP_START or (path.suffix == ".gz" and start[:1] != b"\0")
        content = gzip.decompress(path.read_bytes()) if packed else None
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path)) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"the file is damaged or cut off: {error}", where=str(path), hint=HINT) from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    shape = _shape(content[:size] if content is not None else start, dimensions, path)
    length = len(content) if content is not None else path.stat().st_size
    expected = size + math.prod(shape)
    if length != expected:
        raise DataError("the file has the wrong length", where=str(path), found=length, allowed=expected, hint=HINT)
    if content is not None:
        return np.frombuffer(content, np.uint8, offset=size).reshape(shape)
    if 0 in shape:  # nothing cannot be mapped
        return np.zeros(shape, np.uint8)
    mapped: np.memmap[Any, np.dtype[np.uint8]] = np.memmap(path, np.uint8, "r", size, shape)
    return mapped


def _shape(header: bytes, dimensions: int, path: Path) -> tuple[int, ...]:
    wanted = bytes((0, 0, UINT8, dimensions))
    if header[:4] == wanted and len(header) == 4 + 4 * dimensions:
        return tuple(int(side) for side in np.frombuffer(header, ">u4", dimensions, 4))
    if len(header) >= 4 and header[:2] == b"\0\0" and header[2] in TYPES:
        found = f"{TYPES[header[2]]} of {_dimensions(header[3])}"
        if header[:4] == wanted:
            found = f"{len(header)} bytes"
    else:
        found = f"the first bytes {header[:4].hex(' ')}" if header else "0 bytes"
    problem = f"this is no IDX file of {_dimensions(dimensions)}"
    allowed = f"unsigned bytes, which start with {wanted.hex(' ')}"
    raise DataError(problem, where=str(path), found=found, allowed=allowed, hint=HINT)


def _dimensions(count: int) -> str:
    return f"{count} dimension{'' if count == 1 else 's'}"
