"""Data sets that TensorFlow Datasets has prepared on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, Spill, hookimpl, load_tensorflow, nearest
from automl_img_sources._library_splits import Loaded, assembled, labelled_only, our_splits

INSTALL = "Run `pip install 'automl-img[tfds]'`."


class TensorFlowDatasets(DataSource):
    """A data set that TensorFlow Datasets has prepared: its folder, its name with the folder of all, or a builder object.

    Images are read as the encoded files that they are, into the cache, once. Nothing is downloaded or prepared here.
    """

    name = "tfds"
    options = {
        "name": "Name of the data set, such as cats_vs_dogs; data.path is then the folder of all data sets.",
        "image": "Feature of the images.",
        "label": "Feature of the labels.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is the folder of a version of a data set, such as mnist/3.0.1."""
        return (path / "dataset_info.json").is_file() and (path / "features.json").is_file()

    def accepts_object(self, data: Any) -> bool:
        """Whether ``data`` is a builder."""
        library = sys.modules.get("tensorflow_datasets")
        return library is not None and isinstance(data, library.core.DatasetBuilder)

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images of a prepared data set.

        Raises:
            DataError: The library is missing, the data set is unknown or not prepared, or a feature cannot be used.
        """
        name = str(options.get("name") or "")
        if path is None and not name:
            hint = "Give its folder, such as ~/tensorflow_datasets/mnist/3.0.1, or data.options.name."
            raise DataError("the data set is not given", where="data.path", hint=hint)
        load_tensorflow(with_devices=True)
        try:
            import tensorflow_datasets as tfds
        except ImportError as error:
            raise DataError("reading this needs tensorflow-datasets", where=name or str(path), hint=INSTALL) from error
        return _dataset(tfds, _builder(tfds, path, name), options)

    def convert(self, data: Any, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images of a builder whose data set is prepared.

        Raises:
            DataError: It is not prepared, or a feature cannot be used.
        """
        import tensorflow_datasets as tfds

        return _dataset(tfds, data, options)


def _builder(tfds: Any, path: Path | None, name: str) -> Any:
    try:
        if not name:
            return tfds.builder_from_directory(str(path))
        return tfds.builder(name, data_dir=None if path is None else str(path), try_gcs=False)
    except Exception as error:  # the library's errors are of many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        where = name or str(path)
        raise DataError(f"TensorFlow Datasets cannot open this: {reason}", where=where) from error


def _dataset(tfds: Any, builder: Any, options: Mapping[str, Any]) -> ImageDataset:
    name = str(builder.info.name)
    if not builder.info.splits:
        line = f"python -c \"import tensorflow_datasets as t; t.builder('{name}').download_and_prepare()\""
        raise DataError("the data set is not prepared", where=str(builder.data_dir), hint=f"Run `{line}`.")
    features = builder.info.features
    notes: list[str] = []
    image = _feature(tfds, features, options, "image", notes)
    label = _feature(tfds, features, options, "label", notes)
    splits, told = our_splits(builder.info.splits, name)
    inner = getattr(features[label], "feature", features[label])
    names = tuple(map(str, getattr(inner, "names", ()) or ()))
    several = inner is not features[label]
    found = {
        split: labelled_only(split, _read(tfds, builder, theirs, image, label, names), told)
        for split, theirs in splits.items()
    }
    task = "multilabel" if several else str(options.get("task", "auto"))
    return assembled(name, names, found, task, [*notes, *told])


def _feature(tfds: Any, features: Any, options: Mapping[str, Any], key: str, notes: list[str]) -> str:
    known = list(features)
    given = options.get(key)
    if given:
        if given not in known:
            hint = nearest(str(given), known)
            raise DataError(
                "there is no such feature", where=f"data.options.{key}", found=given, allowed=known, hint=hint
            )
        return str(given)
    kind = tfds.features.Image if key == "image" else tfds.features.ClassLabel
    found = [name for name in known if isinstance(getattr(features[name], "feature", features[name]), kind)]
    if not found:
        hint = f"Name one in data.options.{key}."
        raise DataError(
            f"no feature is of the kind {kind.__name__}", where="features", found=", ".join(known), hint=hint
        )
    others = f", not {', '.join(found[1:])}" if found[1:] else ""
    notes.append(f"The {key}s are taken from the feature {found[0]!r}{others}.")
    return found[0]


def _read(tfds: Any, builder: Any, split: str, image: str, label: str, names: tuple[str, ...]) -> Loaded:
    """Return images and labels of a split in the order of its files; a label that is not known is None."""
    labels: list[Any] = []
    with Spill("tfds") as spill:
        for entry in _entries(tfds, builder, split, image):
            content = entry[image]
            spill.add(bytes(content) if isinstance(content, bytes) else content)
            labels.append(_label(entry[label], names))
        return spill.finish(), labels, None


def _entries(tfds: Any, builder: Any, split: str, image: str) -> Iterator[Mapping[str, Any]]:
    skip = isinstance(builder.info.features[image], tfds.features.Image)
    data = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders={image: tfds.decode.SkipDecoding()} if skip else None,
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    yield from tfds.as_numpy(data)


def _label(value: Any, names: tuple[str, ...]) -> Any:
    if getattr(value, "ndim", 0) == 1:
        return tuple(_label(one, names) for one in value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    number = int(value)
    if number < 0:  # how the library says that a label is not known
        return None
    return names[number] if names else str(number)


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register prepared data sets of TensorFlow Datasets."""
    register(TensorFlowDatasets())
