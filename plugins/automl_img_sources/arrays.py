"""Arrays in one .npz file, as numpy.savez writes it, or in .npy files of one folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import DataError, DataSource, ImageDataset, Split, hookimpl
from automl_img_sources._numpy_files import read_npy, read_npz

#: Split → the names that its images, labels and groups may have, whatever the case of their letters.
NAMES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "train": (
        ("x_train", "y_train", "groups_train"),
        ("train_images", "train_labels", "train_groups"),
        ("x", "y", "groups"),
        ("images", "labels", "groups"),
    ),
    "validation": (
        ("x_validation", "y_validation", "groups_validation"),
        ("x_valid", "y_valid", "groups_valid"),
        ("x_val", "y_val", "groups_val"),
        ("val_images", "val_labels", "val_groups"),
    ),
    "test": (("x_test", "y_test", "groups_test"), ("test_images", "test_labels", "test_groups")),
}
KNOWN = frozenset(name for triples in NAMES.values() for triple in triples for name in triple) | {"class_names"}
ALLOWED = (
    "x_train with y_train, train_images with train_labels, x with y, or images with labels; "
    "x_val, y_val, x_test, y_test and class_names beside them"
)
WRITTEN = "numpy.savez(PATH, x=images, y=labels) writes one."


class Arrays(DataSource):
    """Arrays of images and labels in an .npz file or in .npy files of a folder, named x_train and y_train, x and y, or images and labels.

    x_val, y_val (or x_valid, x_validation) and x_test, y_test become the given splits, class_names the names of the classes; groups
    (groups_train, ...) say which images belong together. Labels may be a matrix of 0 and 1 with a column for each class. Pickled
    objects are never loaded. The .npy files, and large arrays of an uncompressed .npz file, are read piece by piece. The core checks
    the values: pixels may be bytes or floats, labels numbers or strings.
    """

    name = "arrays"

    #: Arrays of an .npz file that have so many bytes or more stay on disk; of smaller ones the checksums are checked.
    mapped_from = 64 * 2**20

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is an .npz or .npy file, or a folder with .npy files of training images and their labels."""
        if path.suffix.lower() in (".npz", ".npy") and path.is_file():
            return True
        names = {entry.stem.lower() for entry in _npy_files(path)} if path.is_dir() else set()
        return any(images in names and labels in names for images, labels, _ in NAMES["train"])

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the arrays as they are.

        Args:
            path: An .npz file, a folder of .npy files, or one of these .npy files.
            options: None are known.

        Raises:
            DataError: There is no such file, it is damaged, holds pickled objects, or the names do not fit.
        """
        if path is None:
            raise DataError("the .npz file is not given", where="data.path", hint=WRITTEN)
        arrays = self._read(path)
        train = _split(arrays, "train", path)
        if train is None:
            found = ", ".join(sorted(arrays)) or _other_files(path)
            raise DataError("the arrays have other names", where=str(path), found=found, allowed=ALLOWED)
        names = tuple(str(name) for name in np.ravel(_array(arrays, "class_names", ())))
        validation, test = _split(arrays, "validation", path), _split(arrays, "test", path)
        return ImageDataset(path.stem, names, train, validation, test)

    def _read(self, path: Path) -> dict[str, Any]:
        if path.is_dir():
            return read_npy(_npy_files(path))
        if path.suffix.lower() != ".npy" or not path.is_file():
            return read_npz(path, self.mapped_from)
        if path.stem.lower() not in KNOWN:
            hint = "Rename it, and put its labels beside it: x.npy and y.npy."
            raise DataError("the file has another name", where=str(path), found=path.stem, allowed=ALLOWED, hint=hint)
        return read_npy(_npy_files(path.parent))


def _npy_files(folder: Path) -> list[Path]:
    """Return the .npy files of ``folder`` whose names mean something here.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() == ".npy" and file.stem.lower() in KNOWN]
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from error
    return sorted(file for file in files if file.is_file())


def _other_files(folder: Path) -> str:
    return ", ".join(sorted(file.name for file in folder.glob("*.npy"))[:6]) or "no .npy file"


def _split(arrays: Mapping[str, Any], split: str, path: Path) -> Split | None:
    for images, labels, groups in NAMES[split]:
        x, y, belongs = (_array(arrays, name) for name in (images, labels, groups))
        if x is not None and y is not None:
            return Split(x, y, None if belongs is None else _groups(belongs))
        if x is not None or y is not None:
            there, missing = (images, labels) if x is not None else (labels, images)
            found = ", ".join(sorted(arrays))
            raise DataError(f"there is {there} without {missing}", where=str(path), found=found, allowed=ALLOWED)
    return None


def _groups(belongs: Any) -> list[str]:
    """Return the name of each image's group, an empty one where it is NaN or NaT: these alone differ from themselves."""
    return ["" if group != group else str(group) for group in np.ravel(belongs)]


def _array(arrays: Mapping[str, Any], name: str, missing: Any = None) -> Any:
    return next((array for found, array in arrays.items() if found.lower() == name), missing)


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register .npz and .npy files."""
    register(Arrays())
