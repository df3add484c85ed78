"""Arrays in one .npz file, as numpy.savez writes it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import DataError, DataSource, ImageDataset, Split, hookimpl

TRAINING_NAMES = (("x_train", "y_train"), ("x", "y"), ("images", "labels"))
VALIDATION_NAMES = (("x_validation", "y_validation"), ("x_valid", "y_valid"), ("x_val", "y_val"))
TEST_NAMES = (("x_test", "y_test"),)
ALLOWED = (
    "x_train with y_train, x with y, or images with labels; x_val, y_val, x_test, y_test and class_names beside them"
)


class Arrays(DataSource):
    """Arrays of images and labels in an .npz file, under the names x_train and y_train, x and y, or images and labels.

    x_val, y_val (or x_valid, x_validation) and x_test, y_test become the given splits, class_names the names of the classes. Pickled
    objects are never loaded. The core checks the values: pixels may be bytes or floats, labels numbers or strings.
    """

    name = "arrays"

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is an .npz file."""
        return path.suffix.lower() == ".npz" and path.is_file()

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the arrays of the file as they are.

        Raises:
            DataError: There is no such file, it is damaged, holds pickled objects, or the names do not fit.
        """
        if path is None:
            raise DataError(
                "the .npz file is not given",
                where="data.path",
                hint="numpy.savez(PATH, x=images, y=labels) writes one.",
            )
        arrays = _read(path)
        train = _pair(arrays, TRAINING_NAMES, path)
        if train is None:
            raise DataError(
                "the arrays have other names", where=str(path), found=", ".join(sorted(arrays)), allowed=ALLOWED
            )
        names = tuple(str(name) for name in np.ravel(arrays.get("class_names", ())))
        validation, test = _pair(arrays, VALIDATION_NAMES, path), _pair(arrays, TEST_NAMES, path)
        return ImageDataset(path.stem, names, train, validation, test)


def _read(path: Path) -> dict[str, Any]:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(
                "this is a single array, not an .npz file", where=str(path), hint="Write it by numpy.savez."
            )
        with file:
            return {name: _member(file, name, path) for name in file.files}
    except FileNotFoundError as error:
        raise DataError("there is no such file", where=str(path)) from error
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(
            "this is no .npz file, or it is damaged", where=str(path), hint="Write it by numpy.savez."
        ) from error


def _member(file: Any, name: str, path: Path) -> Any:
    try:
        return file[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        pickled = "pickle" in str(error)
        problem = f"the array {name!r} " + ("holds Python objects, which are never loaded" if pickled else "is damaged")
        hint = (
            "Save images of one shape as numbers, and labels as numbers or strings."
            if pickled
            else "Write the file anew."
        )
        raise DataError(problem, where=str(path), hint=hint) from error


def _pair(arrays: Mapping[str, Any], names: tuple[tuple[str, str], ...], path: Path) -> Split | None:
    for images, labels in names:
        if images in arrays and labels in arrays:
            return Split(arrays[images], arrays[labels])
        if images in arrays or labels in arrays:
            there, missing = (images, labels) if images in arrays else (labels, images)
            raise DataError(
                f"there is {there} without {missing}", where=str(path), found=", ".join(sorted(arrays)), allowed=ALLOWED
            )
    return None


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register .npz files."""
    register(Arrays())
