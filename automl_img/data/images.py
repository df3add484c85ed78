"""Turns image files and arrays of any usual kind into uint8 pixels, by one set of rules for training and prediction.

The rules: EXIF orientation is applied; of an animation the first frame counts; transparent pixels are laid on white; 16 bits are
scaled to 8 (65535 becomes 255); a palette becomes its colours; CMYK becomes RGB; grey is made from colour by the ITU-R 601 weights.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from automl_img.errors import DataError, reason_of

#: The most pixels that an image file may have; a file of 50 KB can hold 400 megapixels.
MAX_PIXELS = 100_000_000

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F"})
EXIF_ORIENTATION = 0x0112
METADATA = frozenset({"exif", "xmp"})
START = 132  # bytes of a file by which one is known that Pillow does not open: DICOM says so at the end of these
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HEIC = (b"heic", b"heix", b"hevc", b"hevx")  # brands, among those at the start of the file
#: EXIF orientation → what brings the image upright.
TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: The turns after which height is width.
SWAPPING = frozenset(TURNS[orientation] for orientation in (5, 6, 7, 8))


@dataclass(frozen=True)
class ImageHeader:
    """What an image file says of itself before it is decoded.

    Attributes:
        width, height: Size in pixels, EXIF orientation applied.
        channels: 1 for a grey image, 3 for every other, palettes among them.
    """

    width: int
    height: int
    channels: int


@dataclass(frozen=True)
class Picture:
    """An image file and its pixels, see :func:`examine`.

    Attributes:
        header: Its size as it lies in the file.
        format: What it is by its content, in Pillow's words, such as "JPEG".
        pixels: uint8, shape (height, width, 1 or 3), perhaps smaller than the file's.
    """

    header: ImageHeader
    format: str
    pixels: npt.NDArray[np.uint8]


def read_header(path: Path, *, max_pixels: int = MAX_PIXELS) -> ImageHeader:
    """Return the size and the kind of an image file without decoding it.

    Raises:
        DataError: The file is missing, empty, no image, or has more than ``max_pixels`` pixels.
    """
    with _opened(path, max_pixels) as image:
        width, height = _stored_size(image)
        # PNG reads the whole image to look for an orientation that its header does not mention.
        if (image.format != "PNG" or "exif" in image.info) and _turn(image) in SWAPPING:
            width, height = height, width
        grey = image.mode in GREY_MODES or image.mode.startswith("I;16")
        return ImageHeader(width, height, 1 if grey else 3)


def decode(
    source: Path | bytes,
    *,
    channels: int,
    size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    name: str = "",
    formats: tuple[str, ...] | None = None,
) -> npt.NDArray[np.uint8]:
    """Read an image file.

    Args:
        source: The file, or what stands in it.
        channels: 1 for grey, 3 for RGB.
        size: (height, width) in pixels to resize to, antialiased and without keeping the aspect ratio; None: as it is.
        max_pixels: A larger image is refused before it is decoded.
        name: What messages call it; the file's name unless given.
        formats: What it may be, in Pillow's words, such as "JPEG"; None: whatever Pillow reads.

    Returns:
        uint8, shape (height, width, channels).

    Raises:
        DataError: The file is missing, empty, truncated, no image, or has more than ``max_pixels`` pixels.
    """
    with _opened(source, max_pixels, name, formats) as image:
        if size is not None:
            longer = max(size)
            image.draft(None, (longer, longer))  # JPEG alone: decodes at the smallest scale that is not below this
        return _pixels(_eight_bits(_upright(image)), size, channels)


def pixels_of(
    image: Image.Image, *, channels: int, size: tuple[int, int] | None = None, name: str = "the image"
) -> npt.NDArray[np.uint8]:
    """Return the pixels of an image that Pillow has opened, as :func:`decode` returns those of a file.

    Args:
        image: The image; it stays as it is, and open.
        channels, size, name: As for :func:`decode`.

    Returns:
        uint8, shape (height, width, channels).

    Raises:
        DataError: Its file is damaged or closed, it has too many pixels, or pixels of a kind that cannot be used.
    """
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name, f"{image.width} × {image.height}", MAX_PIXELS)
    try:
        return _pixels(_eight_bits(_upright(image)), size, channels)
    except Exception as error:  # Pillow decodes only now, and its decoders raise errors of many kinds
        raise DataError(f"the image cannot be read: {reason_of(error)}", where=name) from error


def examine(path: Path, *, longest: int, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read an image file to look at it: its header, its true format and its pixels, in proportion.

    Args:
        path: The file.
        longest: Images whose longer side has more pixels than this are scaled down to it.
        max_pixels: A larger image is refused before it is decoded.

    Raises:
        DataError: As :func:`decode`.
    """
    with _opened(path, max_pixels) as image:
        width, height = _stored_size(image)
        kind = image.format or ""
        channels = 1 if image.mode in GREY_MODES or image.mode.startswith("I;16") else 3
        scale = min(1.0, longest / max(width, height))
        wanted = (max(1, round(width * scale)), max(1, round(height * scale)))
        if scale < 1:
            image.draft(None, wanted)
        stored = _stored_size(image)
        upright = _upright(image)
        if upright.size != stored and upright.size == stored[::-1]:
            width, height, wanted = height, width, wanted[::-1]
        pixels = _pixels(_eight_bits(upright), wanted[::-1], channels)
        return Picture(ImageHeader(width, height, channels), kind, pixels)


def conform(images: npt.NDArray[np.uint8], *, height: int, width: int, channels: int) -> npt.NDArray[np.uint8]:
    """Bring images to a size and a number of channels, as :func:`decode` would.

    Args:
        images: uint8, shape (n, h, w, c) with 1 or 3 channels.
        height, width: The size wanted, in pixels.
        channels: 1 or 3.

    Returns:
        uint8, shape (n, height, width, channels); ``images`` itself if nothing is to be done.
    """
    if images.shape[1:3] == (height, width):
        if images.shape[3] == channels:
            return images
        if images.shape[3] == 1:
            return np.repeat(images, channels, axis=3)
    result = np.empty((len(images), height, width, channels), np.uint8)
    for position, pixels in enumerate(images):
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels))
        result[position] = _pixels(picture, (height, width), channels)
    return result


def on_white(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Lay RGBA images, uint8 of shape (..., 4), on white; the result has shape (..., 3)."""
    alpha = images[..., 3:].astype(np.uint16)
    blended = images[..., :3] * alpha + 255 * (255 - alpha)
    return ((blended + 127) // 255).astype(np.uint8)


@contextlib.contextmanager
def _opened(
    source: Path | bytes, max_pixels: int, name: str = "", formats: tuple[str, ...] | None = None
) -> Iterator[Image.Image]:
    """Open a file for reading its pixels; every way in which that can fail becomes a DataError that names the file."""
    where = name or (str(source) if isinstance(source, Path) else "the image")
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise _too_large(where, f"{image.width} × {image.height}", max_pixels)
            yield image
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=where) from error
    except UnidentifiedImageError as error:
        raise _unidentified(source, where, formats) from error
    except Image.DecompressionBombError as error:
        raise _too_large(where, "more than Pillow opens", max_pixels) from error
    except MemoryError as error:
        raise DataError("there is not enough memory to decode the image", where=where) from error
    except (
        Exception
    ) as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ... for damaged files
        if isinstance(error, OSError) and error.filename:  # it could not be opened
            raise DataError(f"the file cannot be read: {error.strerror}", where=where) from error
        raise DataError(f"the image file is damaged or truncated: {reason_of(error)}", where=where) from error


def _unidentified(source: Path | bytes, where: str, formats: tuple[str, ...] | None) -> DataError:
    """Say what a file is that Pillow does not open, or not as one of ``formats``."""
    if isinstance(source, bytes):
        start = source[:START]
    else:
        with source.open("rb") as file:
            start = file.read(START)
    if not start:
        return DataError("the file is empty (0 bytes)", where=where)
    if start.startswith(TIFF) and (formats is None or "TIFF" in formats):
        kinds = "such as one of more than 4 bands, or of several with 16 bits"
        hint = "Save it as PNG, or with 8 bits and 1, 3 or 4 bands."
        return DataError(f"this TIFF is damaged, or of a kind that is not read, {kinds}", where=where, hint=hint)
    if start[4:8] == b"ftyp" and any(brand in start for brand in HEIC):
        return DataError("this kind of image is not read: HEIC", where=where, hint="Convert it to JPEG.")
    if start.endswith(b"DICM"):
        return DataError("this kind of image is not read: DICOM", where=where, hint="Convert it to PNG.")
    return DataError("this is no image file", where=where)


def _too_large(where: str, found: str, max_pixels: int) -> DataError:
    return DataError(
        "the image has too many pixels",
        where=where,
        found=found,
        allowed=f"at most {max_pixels / 1e6:g} megapixels",
        hint="Scale it down, or take it out of the data.",
    )


def _stored_size(image: Image.Image) -> tuple[int, int]:
    """Return (width, height) before any turn; Pillow calls a TIFF by the size that it has after it."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2[TiffImagePlugin.IMAGEWIDTH], image.tag_v2[TiffImagePlugin.IMAGELENGTH]
    return image.size


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return what brings the image upright; None if it is, or its metadata cannot be read: its pixels may be sound all the same."""
    with contextlib.suppress(Exception):  # malformed EXIF raises SyntaxError, struct.error, ValueError, ...
        return TURNS.get(image.getexif().get(EXIF_ORIENTATION, 1))
    return None


def _upright(image: Image.Image) -> Image.Image:
    """Return the image turned as its metadata say. Pillow's exif_transpose writes them anew and fails on many that it has read."""
    if image.format == "JPEG" and METADATA.isdisjoint(image.info):  # looking for an orientation takes its time
        return image
    image.load()  # turns a TIFF, and raises what is wrong with pixels before anything else is looked at
    turn = _turn(image)
    return image if turn is None else image.transpose(turn)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return the image in a mode of 8 bits a channel, transparency laid on white."""
    if image.mode == "F":
        raise ValueError("it holds floating-point pixels; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise ValueError("it holds 32-bit pixels beyond 0..65535; save it with 8 or 16 bits")
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _pixels(image: Image.Image, size: tuple[int, int] | None, channels: int) -> npt.NDArray[np.uint8]:
    mode = "L" if channels == 1 else "RGB"
    image = image if image.mode == mode else image.convert(mode)
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels = np.array(image, np.uint8)
    return pixels[..., np.newaxis] if channels == 1 else pixels
