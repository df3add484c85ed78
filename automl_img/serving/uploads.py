"""The images of a request: from a form or from JSON, each decoded as the training images were, or told what is wrong with it."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import numpy.typing as npt
from fastapi import HTTPException, Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as AnyHTTPException

from automl_img.data.images import decode
from automl_img.errors import DataError
from automl_img.plugin import ImageTraits
from automl_img.serving.messages import ImagesIn

Pixels = npt.NDArray[np.uint8]

#: What uploads may be, in Pillow's words. Pillow reads others by running programs on them (EPS by Ghostscript), or by code that few use.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "WEBP", "TIFF", "AVIF", "JPEG2000", "PPM")


@dataclass(frozen=True)
class Upload:
    """One image of a request.

    Attributes:
        name: Of its file, or its place.
        content: What the file holds.
        problem: Why there is no content; empty if there is.
    """

    name: str
    content: bytes = b""
    problem: str = ""


@dataclass(frozen=True)
class Decoded:
    """An image as the network gets it, or what is wrong with it."""

    name: str
    pixels: Pixels | None
    problem: str = ""


async def uploads_of(request: Request, most: int) -> list[Upload]:
    """Return the images of a request.

    Args:
        request: With a form of files, or JSON.
        most: Images that it may hold.

    Raises:
        HTTPException: It holds none, too many, or something else: with a status of 4xx and a sentence.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        found = await _of_form(request, most)
    elif kind == "application/json":
        found = _of_json(await request.body(), most)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        found = [Upload("image", await request.body())]
    else:
        said = "send multipart/form-data with files, application/json with base64, or one image as the body"
        raise HTTPException(415, f"{said}; found {kind or 'no content type'}")
    if not found:
        raise HTTPException(422, "the request holds no image: name the fields of the form files")
    return found


async def _of_form(request: Request, most: int) -> list[Upload]:
    try:
        async with request.form(max_files=most, max_fields=10) as form:
            files = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
            return [Upload(_plain(file.filename), await file.read()) for file in files]
    except AnyHTTPException as error:
        if str(error.detail).startswith("Too many files"):
            raise HTTPException(413, f"the request holds more than {most} images") from error
        raise
    except ValueError as error:  # a character set that Python knows but that is none
        raise HTTPException(400, "the names in the form cannot be read in its character set") from error


def _of_json(body: bytes, most: int) -> list[Upload]:
    try:
        given = ImagesIn.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise HTTPException(422, f'{where}: {first["msg"]}; send {{"images": ["<base64>", …]}}') from error
    if len(given.images) > most:
        raise HTTPException(413, f"the request holds {len(given.images)} images, more than {most}")
    found = []
    for place, text in enumerate(given.images):
        try:
            content = base64.b64decode("".join(text.rpartition(",")[2].split()), validate=True)
            found.append(Upload(str(place), content))
        except (binascii.Error, ValueError):
            found.append(Upload(str(place), problem="this is no base64"))
    return found


def _plain(name: str | None) -> str:
    """The last part of a file's name: whatever path a sender writes in front of it says nothing here.

    Some character sets give halves of characters, which no answer could hold: they become question marks.
    """
    text = (name or "image").encode("utf-8", "replace").decode("utf-8")
    return PurePath(text.replace("\\", "/")).name[:200] or "image"


async def decoded(uploads: Sequence[Upload], image: ImageTraits, threads: Executor, max_pixels: int) -> list[Decoded]:
    """Decode images side by side, as the training images were decoded."""
    loop = asyncio.get_running_loop()

    def one(upload: Upload) -> Decoded:
        if upload.problem:
            return Decoded(upload.name, None, upload.problem)
        size = (image.height, image.width)
        try:
            pixels = decode(
                upload.content,
                channels=image.channels,
                size=size,
                max_pixels=max_pixels,
                name=upload.name,
                formats=FORMATS,
            )
            return Decoded(upload.name, pixels)
        except DataError as error:
            limits = f" ({error.found}; {error.allowed})" if error.allowed else ""
            return Decoded(upload.name, None, f"{error.problem}{limits}")

    return list(await asyncio.gather(*(loop.run_in_executor(threads, one, upload) for upload in uploads)))
