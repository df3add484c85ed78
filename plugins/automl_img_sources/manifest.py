"""Manifests of SageMaker Ground Truth and Rekognition Custom Labels: one JSON object a line for each image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, hookimpl, nearest
from automl_img_sources._annotations import Annotation, dataset_of_annotations, of_objects, with_given_splits
from automl_img_sources._json_files import first_object, read_json_lines

ENDINGS = (".manifest", ".jsonl", ".json")
OBJECTS = "object-detection"
VERDICTS = "label-verification"  # jobs that say of the labels of others whether they are right


class Manifest(DataSource):
    """A manifest of SageMaker Ground Truth or Rekognition Custom Labels, whose lines name an image in source-ref.

    Labels of one kind of job or of several are read: image classification with one label or more, and object detection, of which the
    labels of the objects count. Verdicts on labels and labels that a later job adjusted do not, unless the option label names them.
    Addresses such as s3://bucket/photos/1.jpg are looked up in a local copy; nothing is downloaded.

    Source of the format: the guides of Amazon SageMaker ("Output data") and of Amazon Rekognition ("Manifest file").
    """

    name = "manifest"
    options = {
        "label": "The label attribute to read where lines have several, such as my-job.",
        "root": "Folder with a copy of the images; the manifest's folder unless set, and relative to that.",
        "validation": "Manifest of the validation images, relative to the first one's folder.",
        "validation_root": "Folder of the validation images, where it is another than root.",
        "test": "Manifest of the test images.",
        "test_root": "Folder of the test images, where it is another than root.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a file whose first line is a JSON object with a source-ref."""
        return "source-ref" in first_object(path, ENDINGS)

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images that a manifest lists.

        Raises:
            DataError: A line is broken or has no label attribute that can be read, or most images are not there.
        """
        if path is None:
            raise DataError("the manifest is not given", where="data.path", hint="It is a file of JSON lines.")
        reader = _Reader(str(options.get("label") or ""))
        annotations = with_given_splits(path, options, reader.read)
        if reader.wanted and reader.wanted not in reader.attributes:
            known = list(reader.attributes)
            raise DataError(
                "no line has this label attribute",
                where="data.options.label",
                found=reader.wanted,
                allowed=known or "none",
                hint=nearest(reader.wanted, known),
            )
        return dataset_of_annotations(path, annotations, options, notes=reader.notes(), task=reader.task())


class _Reader:
    """Reads manifests, and remembers what it met."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.attributes: dict[str, str] = {}  # attribute → the type of its job
        self.passed_over: dict[str, None] = {}  # attributes whose labels did not count on some line
        self.failed = 0
        self._together: dict[str, None] = {}  # attributes that counted beside others
        self._by_hand = False

    def read(self, path: Path, split: str) -> list[Annotation]:
        # One line does not tell: where its labelling failed, what the job passed on stands there without labels.
        self._by_hand = not any(_is_of_job(content) for _, content in read_json_lines(path))
        return [self._annotation(content, path, number, split) for number, content in read_json_lines(path)]

    def task(self) -> str:
        several = any(kind.endswith("multilabel") for name, kind in self._read_attributes())
        return "multilabel" if several else "auto"

    def notes(self) -> Iterator[str]:
        yield from of_objects(OBJECTS for _, kind in self._read_attributes() if kind.endswith(OBJECTS))
        if self._together:
            names = ", ".join(list(self._together)[:6])
            yield f"Images have several label attributes, and all count: {names}; data.options.label reads one alone."
        if self.passed_over:
            names = ", ".join(list(self.passed_over)[:6])
            yield f"Verdicts on labels, and labels that a later job adjusted, do not count: {names}; data.options.label reads one alone."
        if self.failed:
            yield f"Images without a label because the labelling failed: {self.failed:,}."

    def _read_attributes(self) -> list[tuple[str, str]]:
        return [(name, kind) for name, kind in self.attributes.items() if self.wanted in ("", name)]

    def _annotation(self, content: dict[str, Any], path: Path, number: int, split: str) -> Annotation:
        where = f"line {number}"
        image = content.get("source-ref")
        if not isinstance(image, str):
            hint = "Text in source cannot be classified here." if "source" in content else ""
            problem = "the line has no source-ref, the address of an image"
            raise DataError(problem, where=f"{path}, {where}", found=", ".join(content) or "{}", hint=hint)
        names = self._counting(content)
        labels: dict[str, None] = {}
        for name in names:
            labels.update(dict.fromkeys(_labels(content[name], _metadata(content, name), f"{path}, {where}", name)))
        if len(names) > 1:
            self._together.update(dict.fromkeys(names))
        self.failed += any("failure-reason" in _metadata(content, key.removesuffix("-metadata")) for key in content)
        known = any("failure-reason" not in _metadata(content, name) for name in names)
        return Annotation(image, tuple(labels), where, split, file=path, known=known)

    def _counting(self, content: Mapping[str, Any]) -> list[str]:
        """Return the label attributes of a line that count: the wanted one, or all but verdicts and what a later one adjusts."""
        if self._by_hand:  # the labels stand beside the image without metadata
            names = [name for name, value in content.items() if name != "source-ref" and isinstance(value, str | int)]
        else:
            names = [name for name in content if isinstance(content.get(f"{name}-metadata"), dict)]
        for name in names:
            self.attributes.setdefault(name, _kind(content, name))
        if self.wanted:
            return [name for name in names if name == self.wanted]
        counting = _without_verdicts(content, names)
        self.passed_over.update(dict.fromkeys(name for name in names if name not in counting))
        return counting


def _is_of_job(content: Mapping[str, Any]) -> bool:
    return any(name.endswith("-metadata") and isinstance(value, dict) for name, value in content.items())


def _without_verdicts(content: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return ``names`` but for verdicts on labels, and for attributes that a later one of the same type adjusts."""
    counting: list[str] = []
    for name in names:
        kind, metadata = _kind(content, name), _metadata(content, name)
        if kind.endswith(VERDICTS):
            continue
        if "adjustment-status" in metadata and "failure-reason" not in metadata:
            counting = [other for other in counting if _kind(content, other) != kind]
        counting.append(name)
    return counting


def _kind(content: Mapping[str, Any], name: str) -> str:
    return str(_metadata(content, name).get("type", ""))


def _metadata(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    metadata = content.get(f"{name}-metadata")
    return metadata if isinstance(metadata, dict) else {}


def _labels(value: Any, metadata: Mapping[str, Any], where: str, name: str) -> list[str]:
    """Return the labels that one attribute of a line gives to its image.

    Raises:
        DataError: The job was of another kind, or the class of a number is not named.
    """
    kind = str(metadata.get("type", ""))
    if "segmentation" in kind or "text" in kind:
        problem = f"{name} comes from a job that does not label images or objects"
        raise DataError(problem, where=where, found=kind, allowed="image-classification(-multilabel), object-detection")
    if "failure-reason" in metadata:
        return []
    if isinstance(value, dict):
        entries = value.get("annotations") or []
        if not isinstance(entries, list):
            problem = f"the annotations of {name} are no list"
            raise DataError(problem, where=where, found=entries, allowed='[{"class_id": 0}]')
        found = [str(entry.get("class_id")) for entry in entries if isinstance(entry, dict)]
        return _named(found, metadata, where, name)
    if isinstance(value, list):
        return _named([str(entry) for entry in value], metadata, where, name)
    label = metadata.get("class-name", value)
    return [] if label is None else [str(label).strip()]


def _named(numbers: list[str], metadata: Mapping[str, Any], where: str, name: str) -> list[str]:
    names = metadata.get("class-map")
    names = names if isinstance(names, dict) else {}
    for number in numbers:
        if number not in names:
            problem = f"the class-map of {name}-metadata does not name a class"
            raise DataError(problem, where=where, found=number, allowed=", ".join(names) or "none")
    return [str(names[number]).strip() for number in numbers]


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register manifests."""
    register(Manifest())
