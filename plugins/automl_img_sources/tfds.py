"""Data sets that TensorFlow Datasets has prepared on this machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import DataError, DataSource, ImageDataset, Spill, hookimpl, load_tensorflow, nearest
from automl_img_sources._library_splits import Loaded, assembled, labelled_only, our_splits
from automl_img_sources._tf_elements import reason_of

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
    _refuse_code(path, name)
    try:
        if not name:
            return tfds.builder_from_directory(str(path))
        return tfds.builder(name, data_dir=None if path is None else str(path), try_gcs=False)
    except tfds.core.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        hint = (
            nearest(_base(name), known)
            or "Of one that is not the library's own, give the folder of its version as data.path."
        )
        raise DataError("there is no such data set", where="data.options.name", found=name, hint=hint) from error
    except Exception as error:  # the library's errors are of many kinds
        versions = sorted(folder.parent for folder in path.glob("*/dataset_info.json")) if path else []
        hint = f"Give the folder of a version: {versions[-1]}." if versions and not name else ""
        raise DataError(
            f"TensorFlow Datasets cannot open this: {reason_of(error)}", where=name or str(path), hint=hint
        ) from error


def _refuse_code(path: Path | None, name: str) -> None:
    """Refuse what would make the library import modules: names of others' scripts, and features of classes that are not its own."""
    if re.search(r":(?![\d*])", name):  # mnist:3.0.1 is a version
        raise DataError(
            "data sets of a namespace come with scripts that would run", where="data.options.name", found=name
        )
    for file in _features_files(path, name):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        for found in re.findall(r'"(?:pythonClassName|type)"\s*:\s*"([^"]*)"', text):
            if "." in found and not found.startswith("tensorflow_datasets."):
                raise DataError("a feature is of a class that would be imported", where=str(file), found=found)


def _features_files(path: Path | None, name: str) -> list[Path]:
    """Return the files that say which classes the features of a data set are of, whatever its version."""
    from tensorflow_datasets.core import naming
    from tensorflow_datasets.core.utils import file_utils

    if path is not None and not name:
        return [path / "features.json"]
    kept = naming.camelcase_to_snakecase(_base(name))
    folders = [Path(folder) / kept for folder in file_utils.list_data_dirs(path)]
    return sorted(file for folder in folders for file in folder.glob("**/features.json"))


def _base(name: str) -> str:
    """Return the name of a data set without its configuration and version."""
    return re.split("[/:]", name)[0]


def _dataset(tfds: Any, builder: Any, options: Mapping[str, Any]) -> ImageDataset:
    name = str(builder.info.name)
    if not builder.info.splits:
        raise DataError("the data set is not prepared", where=str(builder.data_dir), hint=f"Run `{_line(builder)}`.")
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict):
        found = type(features).__name__
        raise DataError("the examples have no named features", where=name, found=found, allowed="FeaturesDict")
    notes: list[str] = []
    image = _feature(tfds, builder.info, options, "image", notes)
    label = _feature(tfds, builder.info, options, "label", notes)
    splits, told = our_splits(builder.info.splits, name)
    names = tuple(map(str, getattr(_inner(features[label]), "names", ()) or ()))
    found = {
        split: labelled_only(split, _read(tfds, builder, theirs, image, label, names), told)
        for split, theirs in splits.items()
    }
    task = "multilabel" if _inner(features[label]) is not features[label] else "auto"
    return assembled(name, names, found, task, [*notes, *told])


def _line(builder: Any) -> str:
    """Return the line that prepares a data set where it was looked for."""
    config = builder.builder_config
    name = f"{builder.name}/{config.name}" if config else builder.name
    folder = Path(builder.data_dir).parents[2 if config else 1]
    code = f"import tensorflow_datasets as tfds; tfds.builder('{name}', data_dir='{folder}').download_and_prepare()"
    return f'python -c "{code}"'


def _inner(feature: Any) -> Any:
    return getattr(feature, "feature", feature)


def _feature(tfds: Any, info: Any, options: Mapping[str, Any], key: str, notes: list[str]) -> str:
    """Return the name of the feature that holds the images or the labels."""
    known = list(info.features)
    given, where = options.get(key), f"data.options.{key}"
    if given and given not in known:
        hint = nearest(str(given), known)
        raise DataError("there is no such feature", where=where, found=given, allowed=known, hint=hint)
    if given:
        if not _fits(tfds, info.features[given], key):
            found = type(info.features[given]).__name__
            allowed = (
                "Image, or pixels" if key == "image" else "ClassLabel, Text or whole numbers, or a sequence of them"
            )
            raise DataError(f"the feature {given!r} holds no {key}s", where=where, found=found, allowed=allowed)
        return str(given)
    kind = tfds.features.Image if key == "image" else tfds.features.ClassLabel
    found = [name for name in known if isinstance(_inner(info.features[name]), kind)]
    if key == "image":
        found = [name for name in found if isinstance(info.features[name], kind)]
    if not found:
        problem = f"no feature is of the kind {kind.__name__}"
        raise DataError(problem, where=str(info.name), found=", ".join(known), hint=f"Name one in {where}.")
    # The order of the features is not the same in a builder and in its folder, so it decides nothing.
    supervised = info.supervised_keys or ()
    found.sort(key=lambda name: (name not in supervised, name != key, name))
    others = f", not {', '.join(found[1:])}" if found[1:] else ""
    notes.append(f"The {key}s are taken from the feature {found[0]!r}{others}.")
    return found[0]


def _fits(tfds: Any, feature: Any, key: str) -> bool:
    """Whether a feature can be the images or the labels."""
    if key == "image":
        return isinstance(feature, tfds.features.Image) or len(getattr(feature, "shape", None) or ()) in (2, 3)
    inner = _inner(feature)
    if isinstance(inner, tfds.features.FeaturesDict) or getattr(inner, "shape", None) != ():
        return False
    return bool(isinstance(inner, tfds.features.Text) or np.dtype(inner.np_dtype).kind in "biu")


def _read(tfds: Any, builder: Any, split: str, image: str, label: str, names: tuple[str, ...]) -> Loaded:
    """Return images and labels of a split in the order of its files; a label that is not known is None."""
    labels: list[Any] = []
    with Spill("tfds") as spill:
        for entry in _entries(tfds, builder, split, image):
            spill.add(entry[image])
            labels.append(_label(entry[label], names))
        return spill.finish(), labels, None


def _entries(tfds: Any, builder: Any, split: str, image: str) -> Iterator[Mapping[str, Any]]:
    import tensorflow as tf

    skip = isinstance(builder.info.features[image], tfds.features.Image)
    try:
        data = builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={image: tfds.decode.SkipDecoding()} if skip else None,
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        yield from tfds.as_numpy(data)
    except (
        tf.errors.OpError,
        OSError,
        AssertionError,
    ) as error:  # the last is how the library says that there is no file
        problem = f"the split {split} cannot be read: {reason_of(error)}"
        hint = "Prepare the data set anew."
        raise DataError(problem, where=str(builder.data_dir), hint=hint) from error


def _label(value: Any, names: tuple[str, ...]) -> Any:
    if getattr(value, "ndim", 0) == 1:
        found = tuple(_label(one, names) for one in value)
        return None if None in found else tuple(map(str, found))
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if names and int(value) < 0:  # how the library says that a label is not known
        return None
    return names[int(value)] if names else int(value)


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register prepared data sets of TensorFlow Datasets."""
    register(TensorFlowDatasets())
