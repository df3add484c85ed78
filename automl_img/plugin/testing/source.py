"""The checks of a data source."""

from __future__ import annotations

import hashlib
import json
import pickle
import tempfile
import unittest
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.errors import AutoMLImageError, named_reason_of
from automl_img.plugin.source import DataSource, ImageDataset, Split
from automl_img.plugin.testing.checks import Checks, calling, need

Example = tuple[Path | None, Mapping[str, Any]]
TASKS = ("auto", "binary", "multiclass", "multilabel", "hierarchical")
UNKNOWN = (
    "Set `path` on the class of checks, override `examples`, or say --path: nothing here is of this source's kind."
)


class SourceChecks(Checks):
    """What every data source owes the core: images and labels that fit, the same each time, files left as they are.

    The checks that load offer the source small folders and files of usual kinds, and use those that it accepts. A source of another
    kind needs an example.

    Attributes:
        path: Something that the source can load; None: only what the checks make themselves.
        options: The options to load it with.
    """

    path: Path | None = None
    options: Mapping[str, Any] = {}

    def examples(self, folder: Path) -> Sequence[Example]:
        """Return what to load: pairs of a path, or None, and options. To override; ``folder`` is empty, to write files into."""
        if self.path is not None:
            return [(Path(self.path), self.options)]
        return [(path, {}) for path in usual_data(folder) if self.plugin.accepts(path)]

    def test_it_says_what_it_takes(self) -> None:
        """Each option has a line."""
        lines = all(isinstance(line, str) and line for line in self.plugin.options.values())
        need(lines, "an option has no line that explains it", "Let options map each key to one line.")

    def test_it_looks_at_any_path_and_object(self) -> None:
        """Asked whether it accepts a path or an object of any kind, it answers yes or no and never raises."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            noise = folder / "noise.bin"
            noise.write_bytes(bytes(range(256)))
            broken = folder / "broken.json"
            broken.write_text('{"images": [', encoding="utf-8")
            paths = [folder / "not there", folder, noise, broken, *usual_data(folder / "data")]
            for path in paths:
                with calling(
                    f"accepts of {path.name!r}", "It is asked for any path: return False for what is not its own."
                ):
                    found = self.plugin.accepts(path)
                need(isinstance(found, bool), f"accepts returned {found!r}", "Return True or False.")
        for thing in (None, 3, "text", [1, 2], {"train": 1}, np.zeros(3), object()):
            with calling(f"accepts_object of {type(thing).__name__}", "It is asked for any object: look at its type."):
                found = self.plugin.accepts_object(thing)
            need(isinstance(found, bool), f"accepts_object returned {found!r}", "Return True or False.")

    def test_what_is_not_there_is_told(self) -> None:
        """For a path that is not there it raises DataError with what to do, or needs no path."""
        with tempfile.TemporaryDirectory() as folder:
            missing = Path(folder) / "not there"
            try:
                _load(self.plugin, missing, {})
            except AutoMLImageError:
                return
            except Exception as error:
                found = f"a path that is not there raised {named_reason_of(error)}"
                need(False, found, "Raise DataError with the path and what to do: a person reads it in one line.")

    def test_it_gives_images_and_labels_that_fit(self) -> None:
        """Images are paths or uint8 arrays, as many as labels, which lie within the classes, for data of any task."""
        with self._loaded() as found:
            for _, _, dataset in found:
                need(
                    isinstance(dataset, ImageDataset),
                    f"load returned {type(dataset).__name__}",
                    "Return an ImageDataset.",
                )
                need(dataset.task in TASKS, f"its task is {dataset.task!r}", f"One of {', '.join(TASKS)}.")
                for name, split in _splits(dataset):
                    _need_split(name, split, dataset)

    def test_it_gives_the_same_each_time(self) -> None:
        """Loaded twice, also by a copy that was pickled, images and labels are the same and in the same order."""
        with self._loaded() as found:
            for path, options, dataset in found:
                for plugin in (self.plugin, pickle.loads(pickle.dumps(self.plugin))):
                    with calling(f"load of {path} a second time"):
                        again = _load(plugin, path, options)
                    hint = "Sort what the file system lists, and draw nothing at random: the core makes the splits by its seed."
                    need(
                        _digest(again) == _digest(dataset), "loaded again, it gives other images or another order", hint
                    )

    def test_it_leaves_the_data_as_it_is(self) -> None:
        """Loading writes and changes no file where the data lies."""
        with tempfile.TemporaryDirectory() as name:
            for path, options in self._examples(Path(name)):
                if path is None:
                    continue
                before = _contents(path)
                with calling(f"load of {path}"):
                    _load(self.plugin, path, options)
                hint = "Write what must be kept into automl_img's cache, with Spill."
                need(_contents(path) == before, "loading changes the files", hint)

    def test_it_leaves_validation_images_alone(self) -> None:
        """No image of the validation or test split is a training image too."""
        with self._loaded() as found:
            for path, _, dataset in found:
                splits = {name: set(_images(split)) for name, split in _splits(dataset)}
                for name in splits.keys() - {"train"}:
                    both = len(splits["train"] & splits[name])
                    hint = "Each image belongs to one split: leave a split None, and the core sets images apart."
                    need(both == 0, f"{both} images of {path} are in train and in {name}", hint)

    def test_its_data_says_what_it_holds(self) -> None:
        """The data set has a name, names of classes that occur once each, and notes that are sentences."""
        with self._loaded() as found:
            for _, _, dataset in found:
                need(bool(dataset.name), "its data set has no name", "Set ImageDataset.name: messages begin with it.")
                once = len(set(dataset.class_names)) == len(dataset.class_names)
                need(once, "a class is named twice", "Let class_names hold each name once.")
                notes = all(isinstance(note, str) for note in dataset.notes)
                need(notes, "its notes are no texts", "Let notes be a sentence each.")

    def _examples(self, folder: Path) -> Sequence[Example]:
        with calling("examples"):
            found = self.examples(folder)
        if not found:
            raise unittest.SkipTest(UNKNOWN)
        return found

    @contextmanager
    def _loaded(self) -> Iterator[list[tuple[Path | None, Mapping[str, Any], ImageDataset]]]:
        with tempfile.TemporaryDirectory() as name:
            found = []
            for path, options in self._examples(Path(name)):
                with calling(f"load of {path}"):
                    found.append((path, options, _load(self.plugin, path, options)))
            yield found


def _load(source: DataSource, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
    """Load as the core does, which gives the task beside the options."""
    return source.load(path, {"task": "auto", **options})


def usual_data(folder: Path) -> list[Path]:
    """Write small data of usual kinds below ``folder``, and return their paths: folders of classes, a table, arrays, a manifest."""
    from PIL import Image

    chance = np.random.default_rng(1)
    pixels = chance.integers(0, 256, (12, 16, 16, 3), np.uint8)
    plain, split, listed = folder / "classes", folder / "split", folder / "listed"
    for number, image in enumerate(pixels):
        label, part = ("cat", "dog", "owl")[number % 3], ("train", "validation")[number // 9]
        for place in (plain / label, split / part / label, listed):
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{number:02d}.png")
    labels = [("cat", "dog", "owl")[number % 3] for number in range(12)]
    table, lines, arrays = listed / "labels.csv", listed / "labels.jsonl", folder / "arrays.npz"
    rows = [f"{number:02d}.png,{label}" for number, label in enumerate(labels)]
    table.write_text("\n".join(["image,label", *rows]) + "\n", encoding="utf-8")
    objects = [
        {
            "source-ref": f"{number:02d}.png",
            "class": number % 3,
            "class-metadata": {"class-name": label, "type": "groundtruth/image-classification"},
        }
        for number, label in enumerate(labels)
    ]
    lines.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")
    np.savez(arrays, x_train=pixels, y_train=np.arange(12) % 3)
    return [plain, split, table, lines, arrays]


def _splits(dataset: ImageDataset) -> list[tuple[str, Split]]:
    named = (("train", dataset.train), ("validation", dataset.validation), ("test", dataset.test))
    return [(name, split) for name, split in named if split is not None]


def _need_split(name: str, split: Split, dataset: ImageDataset) -> None:
    images, labels = split.images, split.labels
    same = len(images) == len(labels) > 0
    need(same, f"{name} has {len(images)} images and {len(labels)} labels", "Give each image its label.")
    if isinstance(images, np.ndarray):
        right = images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] in (1, 3)
        found = f"the images of {name} are {images.dtype} of shape {images.shape}"
        need(right, found, "Give uint8 of shape (n, height, width, 1 or 3), or paths.")
    else:
        paths = all(isinstance(path, Path) for path in images)
        need(paths, f"the images of {name} are no paths", "Give pathlib.Path objects, or an array of uint8.")
    classes = len(dataset.class_names)
    if classes and isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.ndim == 1:
        inside = int(labels.min()) >= 0 and int(labels.max()) < classes
        found = f"the labels of {name} go from {labels.min()} to {labels.max()}, for {classes} classes"
        need(inside, found, "Labels are indices into class_names.")
    for about, known in (("groups", split.groups), *(split.metadata or {}).items()):
        fits = known is None or len(known) == len(labels)
        need(fits, f"{about} of {name} has another length than its labels", "Give one for each image.")


def _images(split: Split) -> list[str]:
    if isinstance(split.images, np.ndarray):
        return [hashlib.sha256(image.tobytes()).hexdigest() for image in split.images]
    return [str(path) for path in split.images]


def _digest(dataset: ImageDataset) -> str:
    parts = [(name, _images(split), np.asarray(split.labels, object).tolist()) for name, split in _splits(dataset)]
    return hashlib.sha256(repr((dataset.class_names, parts)).encode()).hexdigest()


def _contents(path: Path) -> dict[str, str]:
    root = path if path.is_dir() else path.parent
    files = [file for file in sorted(root.rglob("*")) if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
