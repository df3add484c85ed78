"""Images and labels in IDX files, as MNIST, KMNIST, EMNIST and many after them come."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, Split, hookimpl
from automl_img_sources._idx import read_pair
from automl_img_sources._locations import expanded
from automl_img_sources._options import listed

#: Such as train-images-idx3-ubyte, t10k-images.idx3-ubyte.gz and emnist-letters-test-images-idx3-ubyte.
IMAGES_NAME = re.compile(r"(?:.*[-_.])?(train|t10k|test)[-_.]images[-_.]idx3[-_.]ubyte(?:\.gz)?", re.IGNORECASE)
IDX_NAME = re.compile(r".*[-_.]idx3[-_.]ubyte(?:\.gz)?", re.IGNORECASE)
LAYOUT = (
    "train-images-idx3-ubyte and train-labels-idx1-ubyte, t10k-images-… and t10k-labels-… beside them, gzipped or not"
)


class Idx(DataSource):
    """IDX files as MNIST's: a folder with train-images-idx3-ubyte(.gz), its labels, and t10k-… or test-… for the test.

    A path may also be one file of images, with its labels beside it or in the option labels.
    """

    name = "idx"
    options = {
        "labels": "The file of labels, if the path is a file of images; relative names start at its folder.",
        "class_names": "Names of the classes 0, 1, ... in their order, as a list or with commas between them.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a folder with training images in an IDX file, or a file named as such."""
        if path.is_file():
            return IDX_NAME.fullmatch(path.name) is not None
        return path.is_dir() and bool(_images_in(path)["train"])

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images of the files, and the test images if there are any.

        Raises:
            DataError: A file is missing, damaged, cut off or no IDX file, or there are several that could be meant.
        """
        if path is None:
            problem = "the folder of the IDX files is not given"
            raise DataError(problem, where="data.path", hint=f"It holds {LAYOUT}.")
        if not path.exists():
            raise DataError("there is no such file or folder", where=str(path))
        names = listed(options, "class_names")
        if path.is_file():
            train = read_pair(path, _labels_of(path, options.get("labels")))
            return ImageDataset(path.name.split(".")[0], names, train)
        if options.get("labels"):
            problem = "labels goes with a path that is one file of images"
            raise DataError(problem, where="data.options.labels", hint=f"{path} is a folder: leave the option out.")
        files = _images_in(path)
        train_images, test_images = _one(files["train"], path), _one(files["test"], path)
        if train_images is None:
            shown = ", ".join(sorted(entry.name for entry in path.iterdir())[:6]) or "nothing"
            raise DataError("there are no training images in IDX files", where=str(path), found=shown, allowed=LAYOUT)
        test: Split | None = None if test_images is None else read_pair(test_images, _labels_of(test_images, None))
        return ImageDataset(
            path.name or "idx", names, read_pair(train_images, _labels_of(train_images, None)), test=test
        )


def _images_in(folder: Path) -> dict[str, list[str]]:
    """Return the files of training and of test images in ``folder``; of a file and its gzipped twin the first."""
    found: dict[str, list[str]] = {"train": [], "test": []}
    try:
        names = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from error
    for name in sorted(names):
        match = IMAGES_NAME.fullmatch(name)
        if match and not (name.endswith(".gz") and name[:-3] in names) and (folder / name).is_file():
            found["train" if match[1].lower() == "train" else "test"].append(name)
    return found


def _one(names: list[str], folder: Path) -> Path | None:
    if len(names) > 1:
        raise DataError(
            "several files of images could be meant",
            where=str(folder),
            found=", ".join(names),
            hint="Keep those of one data set in the folder, or name one file as data.path.",
        )
    return folder / names[0] if names else None


def _labels_of(images: Path, given: Any) -> Path:
    if given:
        labels = images.parent / expanded(given, "labels")
        if not labels.is_file():
            raise DataError("there is no such file", where="data.options.labels", found=str(labels))
        return labels
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    base = name.removesuffix(".gz")
    for labels in (images.parent / base, images.parent / f"{base}.gz"):
        if labels.is_file() and labels != images:
            return labels
    raise DataError(
        f"there is no file of labels for {images.name}",
        where=str(images.parent),
        allowed=f"{base} or {base}.gz",
        hint="Give the folder with both, or one file of images as data.path and its labels as data.options.labels.",
    )


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register IDX files."""
    register(Idx())
