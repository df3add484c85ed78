"""Data sets of the library Hugging Face Datasets: objects of it, and folders that ``save_to_disk`` wrote."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, Spill, hookimpl, nearest
from automl_img_sources._library_splits import Loaded, assembled, labelled_only, our_splits
from automl_img_sources._table_columns import LABEL_NAMES

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
        "image": "Column of the images.",
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
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(f"the folder is damaged: {reason}", where=str(path)) from error
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
    parts = dict(data) if type(data).__name__ == "DatasetDict" else {"train": data}
    splits, notes = our_splits(parts, name)
    features = parts[splits["train"]].features
    reader = _Reader(name, features, options)
    found = {split: labelled_only(split, reader.read(parts[theirs]), notes) for split, theirs in splits.items()}
    task = "hierarchical" if reader.hierarchy else "multilabel" if reader.several else str(options.get("task", "auto"))
    return assembled(name, reader.class_names, found, task, [*reader.notes, *notes])


class _Reader:
    """Reads the splits of one data set by their columns."""

    def __init__(self, name: str, features: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self.name, self.features = name, features
        self.notes: list[str] = []
        levels = _listed(options.get("levels"))
        self.image = self._column(options.get("image"), "image") or self._first_image()
        self.labels = [self._column(level, "levels") for level in levels] or [
            self._column(options.get("label"), "label") or self._first_label()
        ]
        self.group = self._column(options.get("group"), "group")
        self.hierarchy = bool(levels)
        self.several = not levels and _is_list(features[self.labels[0]])
        names = getattr(_inner(features[self.labels[0]]), "names", None)
        self.class_names: tuple[str, ...] = () if levels or not names else tuple(names)

    def read(self, data: Any) -> Loaded:
        """Return the images, labels and groups of a split; a label that is not known is None."""
        if set(data.column_names) != set(self.features):
            found = ", ".join(data.column_names)
            raise DataError("the splits have other columns", where=self.name, found=found, allowed=list(self.features))
        columns = [self._texts(data, label) for label in self.labels]
        labels: Sequence[Any] = columns[0]
        if self.hierarchy:
            labels = [
                None if None in path else "/".join(part.replace("/", "-") for part in path)
                for path in zip(*columns, strict=True)
            ]
        groups = [str(group) for group in data[self.group]] if self.group else None
        return self._images(data), labels, groups

    def _texts(self, data: Any, column: str) -> list[Any]:
        names = getattr(_inner(self.features[column]), "names", None)

        def text(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return tuple(text(one) for one in value)
            if value is None or (names and value < 0):  # -1 is how the library says that a label is not known
                return None
            return names[value] if names else str(value)

        return [text(value) for value in data[column]]

    def _images(self, data: Any) -> Any:
        if type(self.features[self.image]).__name__ != "Image":
            return self._spilled(_pixels(data, self.image))
        import datasets

        rows = data.select_columns([self.image]).cast_column(self.image, datasets.Image(decode=False))
        local = _files(row[self.image] for row in rows)
        return self._spilled(self._bytes(rows)) if local is None else local

    def _bytes(self, rows: Any) -> Iterator[bytes]:
        for number, row in enumerate(rows):
            entry = row[self.image] or {}
            content = entry.get("bytes")
            if content is None and entry.get("path") and Path(entry["path"]).is_file():
                content = Path(entry["path"]).read_bytes()
            yield content if content is not None else self._missing(number, entry)

    def _missing(self, number: int, entry: Mapping[str, Any]) -> bytes:
        raise DataError(
            f"image {number} is neither stored in the data set nor a file",
            where=self.name,
            found=entry.get("path"),
            hint="Filter such rows out first.",
        )

    def _spilled(self, images: Iterator[Any]) -> Any:
        with Spill(self.name if self.name.isidentifier() else "huggingface") as spill:
            for image in images:
                spill.add(image)
            return spill.finish()

    def _column(self, given: object, key: str) -> str:
        if not given:
            return ""
        if given not in self.features:
            known = list(self.features)
            hint = nearest(str(given), known)
            where = f"data.options.{key}"
            raise DataError("there is no such column", where=where, found=given, allowed=known, hint=hint)
        return str(given)

    def _first_image(self) -> str:
        found = [name for name, feature in self.features.items() if type(feature).__name__ == "Image"]
        if not found:
            hint = (
                "Name a column of pixels in data.options.image, or cast one: data.cast_column(NAME, datasets.Image())."
            )
            raise DataError("no column holds images", where=self.name, found=", ".join(self.features), hint=hint)
        self._tell("images", found)
        return found[0]

    def _first_label(self) -> str:
        found = [name for name, feature in self.features.items() if hasattr(_inner(feature), "names")]
        found = sorted(found, key=lambda name: name not in ("label", "labels"))
        found = found or [name for name in LABEL_NAMES if name in self.features and name != self.image]
        if not found:
            hint = "Name one in data.options.label."
            raise DataError("no column looks like labels", where=self.name, found=", ".join(self.features), hint=hint)
        self._tell("labels", found)
        return found[0]

    def _tell(self, what: str, found: list[str]) -> None:
        others = f", not {', '.join(found[1:])}" if found[1:] else ""
        self.notes.append(f"The {what} are taken from the column {found[0]!r}{others}.")


def _files(entries: Iterator[Any]) -> list[Path] | None:
    """Return the files of images that are not stored in the data set, None if one is stored or not there."""
    files = []
    for entry in entries:
        if not entry or entry.get("bytes") is not None or not Path(entry.get("path") or "/").is_file():
            return None
        files.append(Path(entry["path"]))
    return files


def _pixels(data: Any, column: str) -> Iterator[Any]:
    import numpy as np

    for row in data.select_columns([column]):
        pixels = np.asarray(row[column])
        fits = pixels.dtype.kind in "iu" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255
        yield pixels.astype(np.uint8) if fits else pixels


def _inner(feature: Any) -> Any:
    return getattr(feature, "feature", feature)


def _is_list(feature: Any) -> bool:
    return hasattr(feature, "feature")


def _listed(value: Any) -> list[str]:
    if not value:
        return []
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else [str(part) for part in value]


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register data sets of Hugging Face."""
    register(HuggingFace())
