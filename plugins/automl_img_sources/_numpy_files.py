"""Reads the arrays of an .npz file or of the .npy files of a folder by name; large ones stay on disk, memory-mapped."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import DataError

NUMPY_ERRORS = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, MemoryError)
LOCAL_HEADER = 30  # bytes of a zip member's header before its name
NAME_LENGTH_AT, EXTRA_LENGTH_AT = 26, 28


def read_npz(path: Path, mapped_from: int) -> dict[str, Any]:
    """Return the arrays of an .npz file.

    Args:
        path: The file.
        mapped_from: Uncompressed arrays of so many bytes or more are memory-mapped; their checksums are not looked at.

    Raises:
        DataError: There is no such file, it is damaged, or holds pickled objects.
    """
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(
                "this is a single array, not an .npz file", where=str(path), hint="Write it by numpy.savez."
            )
        with file:
            return {name: _member(file, name, path, mapped_from) for name in file.files}
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path)) from error
    except NUMPY_ERRORS as error:
        raise DataError(
            "this is no .npz file, or it is damaged", where=str(path), hint="Write it by numpy.savez."
        ) from error


def read_npy(paths: Iterable[Path]) -> dict[str, Any]:
    """Return the arrays of .npy files, memory-mapped, by the files' names without their ending.

    Raises:
        DataError: A file is damaged or holds pickled objects.
    """
    arrays = {}
    for path in paths:
        try:
            empty = path.stat().st_size == 0
            arrays[path.stem] = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
        except NUMPY_ERRORS as error:
            raise _unusable(f"the array {path.stem!r}", path, error) from error
    return arrays


def _member(file: Any, name: str, path: Path, mapped_from: int) -> Any:
    try:
        member = file.zip.NameToInfo.get(f"{name}.npy")
        if member is not None and member.compress_type == zipfile.ZIP_STORED and member.file_size >= mapped_from:
            return _mapped(path, member)
        return file[name]
    except NUMPY_ERRORS as error:
        raise _unusable(f"the array {name!r}", path, error) from error


def _mapped(path: Path, member: zipfile.ZipInfo) -> Any:
    """Return an uncompressed member as an array whose values stay in the file."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(LOCAL_HEADER)
        # These two lengths may differ from those of the list at the file's end, so they are read here.
        lengths = [int.from_bytes(header[at : at + 2], "little") for at in (NAME_LENGTH_AT, EXTRA_LENGTH_AT)]
        start = member.header_offset + LOCAL_HEADER + sum(lengths)
        file.seek(start)
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise ValueError("pickled objects")
        if file.tell() - start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize != member.file_size:
            raise ValueError("the header and the length do not agree")
        return np.memmap(path, dtype, "r", file.tell(), shape, "F" if fortran else "C")


def _unusable(what: str, path: Path, error: Exception) -> DataError:
    if "pickle" in str(error) or "Python objects" in str(error):
        hint = "Save images of one shape as numbers, and labels as numbers or strings."
        return DataError(f"{what} holds Python objects, which are never loaded", where=str(path), hint=hint)
    if isinstance(error, MemoryError):
        hint = "Save it by numpy.savez, uncompressed, or as .npy files: large arrays are then read piece by piece."
        return DataError(f"{what} does not fit in the memory", where=str(path), hint=hint)
    return DataError(f"{what} is damaged", where=str(path), hint="Write the file anew.")
