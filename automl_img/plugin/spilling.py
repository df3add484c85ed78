"""Images that come one after the other and are no files, written once into the cache, where trials can read them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from automl_img.cache import CACHE_VARIABLE, SPILLED, cache_folder, make_way, new_folder
from automl_img.errors import DataError

PIXELS_FILE = "pixels.bin"
FOLDER_OF = 1000  # files in one folder
CHUNK = 1 << 24  # bytes written at once
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".bmp", "GIF": ".gif", "WEBP": ".webp", "TIFF": ".tiff"}

Images = npt.NDArray[np.uint8] | Sequence[Path]


class Spill:
    """Takes images one by one and gives them back as what a :class:`~automl_img.plugin.Split` holds; memory stays small.

    Images are either encoded files as bytes, or pixels. Pixels of one shape become one memory-mapped array, of several shapes PNG files.
    The folder is named by the content, so that the same images lie there once, whoever writes them. Use it in a ``with`` block:

        with Spill("huggingface") as spill:
            for image in images:
                spill.add(image)
            train = Split(spill.finish(), labels)

    Args:
        name: The source's, for the list of ``automl-img cache``.

    Raises:
        DataError: The cache folder cannot be written.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._digest = hashlib.sha256()
        self._shapes: list[tuple[int, ...]] = []
        self._files: list[str] = []

    def __enter__(self) -> Self:
        self._root = cache_folder() / SPILLED
        with self._writing():
            self._folder = new_folder(self._root)
            self._pixels = (self._folder / PIXELS_FILE).open("wb", buffering=CHUNK)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # closing writes what is left, which a full disk refuses again
            self._pixels.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __len__(self) -> int:
        return len(self._shapes) + len(self._files)

    def add(self, image: bytes | npt.NDArray[np.uint8]) -> None:
        """Take an image.

        Args:
            image: An encoded file, or uint8 of shape (height, width), or (height, width, channels) with 1, 3 or 4 channels. All
                images are of the same one of these two kinds.

        Raises:
            DataError: The pixels have another shape or dtype, the kinds are mixed, or the disk is full.
        """
        with self._writing():
            if isinstance(image, bytes):
                self._add_file(image)
            else:
                self._add_pixels(image)

    def finish(self) -> Images:
        """Return all images, in the order in which they came.

        Raises:
            DataError: The disk is full, or what another user has left of the same images is damaged.
        """
        folder = self._root / f"{self._name}-{self._digest.hexdigest()[:24]}"
        with self._writing():
            self._pixels.flush()
            if not self._shapes:
                (self._folder / PIXELS_FILE).unlink()
            elif len(set(self._shapes)) > 1 or self._shapes[0][2] == 4:
                self._write_pngs()
            self._keep_as(folder)
        if self._files:
            return [folder / file for file in self._files]
        if not self._shapes:
            return np.zeros((0, 1, 1, 1), np.uint8)
        mapped: npt.NDArray[np.uint8] = np.memmap(folder / PIXELS_FILE, np.uint8, "r", shape=self._whole_shape())
        return mapped

    def _keep_as(self, folder: Path) -> None:
        """Give the finished folder its name, unless the same images lie there already, whole."""
        if folder.is_dir() and _sizes(folder) != _sizes(self._folder):
            make_way(folder)  # something was deleted or cut off since
        if folder.is_dir():
            with contextlib.suppress(OSError):
                os.utime(folder)  # says that it is still of use
            return
        os.sync()
        try:
            self._folder.rename(folder)
        except OSError:  # another process was faster
            if not folder.is_dir():
                raise

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = f"Free some space, or name another folder in the environment variable {CACHE_VARIABLE}."
            problem = f"the images cannot be written to the cache: {error.strerror or error}"
            raise DataError(problem, where=str(self._root), hint=hint) from error

    def _whole_shape(self) -> tuple[int, ...]:
        shape = self._shapes[0]
        return (len(self._shapes), *shape)

    def _add_file(self, content: bytes) -> None:
        if self._shapes:
            raise DataError("some images are encoded files and some are pixels", where=self._name)
        self._digest.update(len(content).to_bytes(8, "little") + content)
        self._write(content, _suffix(content))

    def _add_pixels(self, image: Any) -> None:
        if self._files:
            raise DataError("some images are encoded files and some are pixels", where=self._name)
        pixels = np.asarray(image)
        if pixels.ndim == 2:
            pixels = pixels[:, :, np.newaxis]
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
            found = f"{pixels.dtype} of shape {pixels.shape}"
            allowed = "uint8 of shape (height, width, 1, 3 or 4)"
            raise DataError(f"image {len(self)} has other pixels", where=self._name, found=found, allowed=allowed)
        content = pixels.tobytes()
        self._digest.update(repr(pixels.shape).encode() + content)
        self._pixels.write(content)
        self._shapes.append(pixels.shape)

    def _write(self, content: bytes, suffix: str) -> None:
        number = len(self._files)
        name = f"{number // FOLDER_OF:04d}/{number:07d}{suffix}"
        target = self._folder / name
        if number % FOLDER_OF == 0:
            target.parent.mkdir()
        target.write_bytes(content)
        self._files.append(name)

    def _write_pngs(self) -> None:
        """Make files of pixels that have several shapes."""
        from PIL import Image

        shapes, self._shapes = self._shapes, []
        with (self._folder / PIXELS_FILE).open("rb") as file:
            for shape in shapes:
                pixels = np.frombuffer(file.read(int(np.prod(shape))), np.uint8).reshape(shape)
                buffer = io.BytesIO()
                Image.fromarray(pixels[:, :, 0] if shape[2] == 1 else pixels).save(buffer, "PNG", compress_level=1)
                self._write(buffer.getvalue(), ".png")
        (self._folder / PIXELS_FILE).unlink()


def _sizes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def _suffix(content: bytes) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            return SUFFIXES.get(image.format or "", ".img")
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return ".img"  # the core sets it aside with its reason
