"""Data sets of the library Hugging Face Datasets: objects of it, and folders that ``save_to_disk`` wrote."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, Spill, hookimpl, reason_of
from automl_img_sources._huggingface_columns import PIXELS, Columns, choose_columns, kind_of, names_of
from automl_img_sources._library_splits import Loaded, assembled, labelled_only, our_splits
from automl_img_sources._locations import is_file

INSTALL = "Run `pip install 'automl-img[huggingface]'`."
STREAMED = (
    "Take what you need of it first: datasets.Dataset.from_list(list(stream.take(10_000)), features=stream.features)."
)


class HuggingFace(DataSource):
    """A datasets.Dataset or DatasetDict, or a folder that save_to_disk wrote.

    The first column of images and the first of class labels are taken, and told; options name others. A list of labels makes the task
    multilabel. Images that are stored in the data set are written to the cache as they are, once. Nothing is downloaded.
    """

    name = "huggingface"
    options = {
        "image": "Column of the images: of the kind Image, paths or bytes of files, or arrays of pixels.",
        "label": "Column of the labels.",
        "levels": "Columns that make a hierarchy from the top, such as coarse_label,fine_label, in place of label.",
        "group": "Column of what an image belongs to; a group stays on one side of the split.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a folder that save_to_disk wrote."""
        single = (path / "state.json").is_file() and (path / "dataset_info.json").is_file()
        return single or (path / "dataset_dict.json").is_file()

    def accepts_object(self, data: Any) -> bool:
        """Whether ``data`` is a data set of the library."""
        library = sys.modules.get("datasets")
        kinds = ("Dataset", "DatasetDict", "IterableDataset", "IterableDatasetDict")
        return library is not None and isinstance(
            data, tuple(getattr(library, kind) for kind in kinds if hasattr(library, kind))
        )

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images of a folder.

        Raises:
            DataError: The library is missing, the folder is none of its own, or a column cannot be used.
        """
        if path is None:
            raise DataError("the folder is not given", where="data.path", hint="It is one that save_to_disk wrote.")
        if not self.accepts(path):
            problem = "this is no folder that save_to_disk wrote"
            raise DataError(problem, where=str(path), allowed="dataset_dict.json, or state.json and dataset_info.json")
        try:
            import datasets
        except ImportError as error:
            raise DataError("reading this needs the library datasets", where=str(path), hint=INSTALL) from error
        try:
            data = datasets.load_from_disk(str(path))
        except Exception as error:  # the library's errors are of many kinds: the folder is damaged
            raise DataError(f"the folder is damaged: {reason_of(error)}", where=str(path)) from error
        return _dataset(data, path.name, options)

    def convert(self, data: Any, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images of a Dataset or a DatasetDict.

        Raises:
            DataError: It is streamed, or a column cannot be used.
        """
        return _dataset(data, "huggingface", options)


def _dataset(data: Any, name: str, options: Mapping[str, Any]) -> ImageDataset:
    if type(data).__name__.startswith("Iterable"):
        raise DataError(
            "a streamed data set has no end that is known", where=name, found=type(data).__name__, hint=STREAMED
        )
    parts = dict(data) if isinstance(data, dict) else {"train": data}
    splits, notes = our_splits(parts, name)
    columns = choose_columns(name, parts[splits["train"]].features, options)
    reader = _Reader(name, columns)
    order = sorted(
        splits, key=lambda split: split != "train"
    )  # the images to train on decide what lists of 0 and 1 mean
    found = {split: labelled_only(split, reader.read(parts[splits[split]]), notes) for split in order}
    task = "hierarchical" if columns.hierarchy else "multilabel" if columns.several else "auto"
    return assembled(name, columns.class_names, found, task, [*columns.notes, *reader.notes, *notes])


class _Reader:
    """Reads the splits of one data set by their columns."""

    def __init__(self, name: str, columns: Columns) -> None:
        self.name, self.columns = name, columns
        self.notes: list[str] = []
        self._zero_one: bool | None = None

    def read(self, data: Any) -> Loaded:
        """Return the images, labels and groups of a split; a label that is not known is None."""
        data = data.with_format(None)  # what someone set for their own training, tensors or transformed images
        columns = self.columns
        for column in (columns.image, *filter(None, [columns.group])):
            if column not in data.features:
                problem = f"a split has no column {column!r}"
                raise DataError(problem, where=self.name, found=", ".join(data.column_names))
        each = [self._labels(data, label) for label in columns.labels]
        labels: Sequence[Any] = each[0]
        if columns.hierarchy:
            labels = [
                None if None in path else "/".join(str(part).replace("/", "-") for part in path)
                for path in zip(*each, strict=True)
            ]
        groups = [_group(value) for value in data[columns.group]] if columns.group else None
        return self._images(data), labels, groups

    def _labels(self, data: Any, column: str) -> list[Any]:
        if column not in data.features:
            return [None] * len(data)
        values = list(data[column])
        names = names_of(data.features[column])
        if not self.columns.several:
            return [_label(value, names) for value in values]
        if self._zero_one is None:
            self._zero_one = not names and _is_zero_one(values)
            if self._zero_one:
                self.notes.append(f"The lists of 0 and 1 in the column {column!r} have one place for each class.")
        return values if self._zero_one else [_label_set(value, names) for value in values]

    def _images(self, data: Any) -> Any:
        rows = data.select_columns([self.columns.image])
        if kind_of(data.features[self.columns.image]) in PIXELS:
            return self._spilled(_pixels(row[self.columns.image]) for row in rows)
        import datasets

        encoded = rows.cast_column(self.columns.image, datasets.Image(decode=False))
        local = _files(row[self.columns.image] for row in encoded)
        if local is not None:
            return local
        return self._spilled(self._content(number, row[self.columns.image]) for number, row in enumerate(encoded))

    def _content(self, number: int, entry: Mapping[str, Any] | None) -> bytes:
        entry = entry or {}
        try:
            content: bytes | None = entry.get("bytes")
            return Path(entry.get("path") or "").read_bytes() if content is None else content
        except OSError as error:
            raise DataError(
                f"image {number} is neither stored in the data set nor a file",
                where=self.name,
                found=entry.get("path"),
                hint="Filter such rows out first.",
            ) from error

    def _spilled(self, images: Iterable[Any]) -> Any:
        with Spill("huggingface") as spill:
            for image in images:
                spill.add(image)
            return spill.finish()


def _group(value: Any) -> str:
    """Return the name of an image's group, an empty one where it is missing: NaN differs from itself."""
    return "" if value is None or value != value else str(value)


def _label(value: Any, names: tuple[str, ...]) -> Any:
    if value is None or (names and value < 0):  # -1 is how the library says that a label is not known
        return None
    return names[value] if names else str(value) if isinstance(value, bool) else value


def _label_set(values: Any, names: tuple[str, ...]) -> tuple[str, ...] | None:
    found = None if values is None else [_label(value, names) for value in values]
    return None if found is None or None in found else tuple(map(str, found))


def _is_zero_one(values: list[Any]) -> bool:
    """Whether lists have one 0 or 1 for each class, rather than the numbers of classes."""
    known = [value for value in values if value is not None]
    widths = {len(value) for value in known}
    return len(widths) == 1 and min(widths) > 1 and all(one in (0, 1) for value in known for one in value)


def _files(entries: Iterable[Any]) -> list[Path] | None:
    """Return the files of images that are not stored in the data set, None if one is stored or not there."""
    files = []
    for entry in entries:
        if not entry or entry.get("bytes") is not None or not is_file(Path(entry.get("path") or "/")):
            return None
        files.append(Path(entry["path"]))
    return files


def _pixels(cell: Any) -> Any:
    import numpy as np

    pixels = np.asarray(cell)
    fits = pixels.dtype.kind in "iu" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255
    return pixels.astype(np.uint8) if fits else pixels


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register data sets of Hugging Face."""
    register(HuggingFace())
