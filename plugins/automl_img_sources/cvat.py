"""Exports of CVAT: XML of the format "CVAT for images 1.1"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

from automl_img.plugin import DataError, DataSource, ImageDataset, hookimpl
from automl_img_sources._annotations import Annotation, dataset_of_annotations, of_objects
from automl_img_sources._json_files import file_start

FILE = "annotations.xml"
FRAME = ".PNG"  # ending of a video's frames, which CVAT gives to their files, not to their names
SPARE = 3  # groups of images that can be held out: one validates, one tests, and one is left
SHAPES = frozenset({"box", "polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton"})


class Cvat(DataSource):
    """An export of CVAT in the format "CVAT for images 1.1": annotations.xml, or the unpacked folder with it.

    An image has the labels of its tags; where a file has no tags at all, those of its shapes. The subset of a project's export is
    the split. Frames of one video stay together where splits are drawn, if the export is that of a project with enough videos.

    Source of the format: CVAT's manual, "CVAT for image".
    """

    name = "cvat"
    options = {
        "labels": 'Which labels count: "tags", "shapes", or both as "all"; tags unless there are none.',
        "root": "Folder of the images; the file's folder, or images/ in it, unless set, and relative to that.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is an .xml file with <annotations>, or a folder with such a file of the usual name."""
        file = path / FILE if path.is_dir() else path
        return file.suffix.lower() == ".xml" and file.is_file() and "<annotations" in file_start(file)

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images that an export lists.

        Raises:
            DataError: The file is broken, is of another format, or most images are not there.
        """
        if path is None:
            raise DataError("the export is not given", where="data.path", hint=f"It is a folder with {FILE}.")
        wanted = options.get("labels", "")
        if wanted not in ("", "tags", "shapes", "all"):
            raise DataError("unknown value", where="data.options.labels", found=wanted, allowed="tags, shapes, all")
        file = path / FILE if path.is_dir() else path
        reader = _Reader(file)
        reader.read()
        used = wanted or ("tags" if any(image.tags for image in reader.images) else "shapes")
        notes = of_objects(reader.shapes) if used != "tags" else ()
        if used == "tags" and reader.shapes and not wanted:
            notes = ('Only tags count; data.options.labels = "all" adds the labels of the shapes.',)
        frames = sum(image.is_frame for image in reader.images)
        grouped = frames > 0 and _stay_together(reader.images, used)
        if frames:
            notes += (_told(frames, grouped=grouped),)
        annotations = [image.annotation(used, grouped=grouped) for image in reader.images]
        return dataset_of_annotations(file, annotations, options, notes=notes)


class _Image:
    """One <image> with the labels inside it; an export of a project with its images has a folder for each subset."""

    def __init__(self, attributes: Mapping[str, str], line: int) -> None:
        self.name, self.subset, self.task = (attributes.get(key, "") for key in ("name", "subset", "task_id"))
        self.line = line
        self.is_frame = bool(self.name) and not Path(self.name).suffix  # of a video
        self.tags: dict[str, None] = {}
        self.shapes: dict[str, None] = {}

    def labels(self, used: str) -> tuple[str, ...]:
        return tuple({"tags": self.tags, "shapes": self.shapes, "all": {**self.tags, **self.shapes}}[used])

    def annotation(self, used: str, *, grouped: bool) -> Annotation:
        name = f"{self.name}{FRAME}" if self.is_frame else self.name
        subset = "" if self.subset.lower() == "default" else self.subset
        spelling = f"{self.subset}/{name}" if self.subset else ""
        group = self.task if grouped and self.is_frame else ""
        return Annotation(name, self.labels(used), f"line {self.line}", subset, spelling, group=group)


def _stay_together(images: Sequence[_Image], used: str) -> bool:
    """Return whether the frames of a video can be a group: their tasks are told, and enough groups can be held out.

    One that has a label alone cannot be: it must train.
    """
    groups: dict[str, set[str]] = {}
    for place, image in enumerate(images):
        labels = image.labels(used)
        if image.is_frame and not image.task:
            return False
        if labels:
            groups.setdefault(image.task if image.is_frame else f"image {place}", set()).update(labels)
    holders = Counter(label for labels in groups.values() for label in labels)
    spare = sum(all(holders[label] > 1 for label in labels) for labels in groups.values())
    return spare >= SPARE


def _told(frames: int, *, grouped: bool) -> str:
    if grouped:
        return f"{frames:,} images are frames of videos; those of one video stay together where splits are drawn."
    return (
        f"{frames:,} images are frames of videos, and neighbouring ones are nearly the same: where validation or test images are "
        "drawn from these, figures will be too good. Subsets of a project in CVAT, with videos of their own, are given splits."
    )


class _Reader:
    """Reads an export tag by tag; what XML can do beyond that, such as entities, is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.images: list[_Image] = []
        self.shapes: set[str] = set()
        self._depth = 0
        self._inside = self._in_skeleton = False
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read(self) -> None:
        if not self.path.is_file():
            problem = (
                "there is no annotations.xml in the folder" if self.path.parent.is_dir() else "there is no such file"
            )
            raise DataError(problem, where=str(self.path))
        try:
            with self.path.open("rb") as file:
                self._parser.ParseFile(file)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise DataError(f"this is no XML, or it is cut off: {reason}", where=self._where(error.lineno)) from error
        except OSError as error:
            raise DataError(f"the file cannot be read: {error.strerror}", where=str(self.path)) from error

    def _where(self, line: int = 0) -> str:
        return f"{self.path}, line {line or self._parser.CurrentLineNumber}"

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and tag != "annotations":
            raise self._other(f"<{tag}>")
        self._depth += 1
        if tag == "track":
            raise self._other("<track>, of a video")
        if tag == "image":
            self.images.append(_Image(attributes, self._parser.CurrentLineNumber))
            self._inside = True
        elif self._inside and tag == "tag":
            self.images[-1].tags[attributes.get("label", "").strip()] = None
        elif self._inside and tag in SHAPES and not self._in_skeleton:
            self.images[-1].shapes[attributes.get("label", "").strip()] = None
            self.shapes.add(tag)
            self._in_skeleton = tag == "skeleton"  # whose points have labels of their own, those of joints

    def _end(self, tag: str) -> None:
        self._depth -= 1
        if tag == "image":
            self._inside = False
        elif tag == "skeleton":
            self._in_skeleton = False

    def _other(self, found: str) -> DataError:
        hint = 'Export the task in CVAT as "CVAT for images 1.1".'
        return DataError("this is another format", where=self._where(), found=found, allowed="<annotations>", hint=hint)

    def _refuse_doctype(self, *_: object) -> None:
        problem = "the file declares a document type, which CVAT's exports do not"
        raise DataError(problem, where=self._where(), hint="It is not read, because such declarations can do harm.")


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register exports of CVAT."""
    register(Cvat())
