"""Exports of Label Studio: JSON and JSON-MIN."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from automl_img.plugin import DataError, DataSource, ImageDataset, hookimpl, nearest
from automl_img_sources._annotations import Annotation, dataset_of_annotations, of_objects
from automl_img_sources._json_files import file_start, read_json
from automl_img_sources._label_studio_results import Labelled, labelled_of, labelled_of_min
from automl_img_sources.folder import EXTENSIONS

LOOKED_AT = 65536  # bytes in which the first task shows
UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file
FORMATS = "Export the project as JSON or JSON-MIN."


class LabelStudio(DataSource):
    """An export of Label Studio as JSON or JSON-MIN, with choices, taxonomies, or the labels of marked objects.

    Of several annotations of an image the ground truth counts, else the answer that most annotators gave; images on which they are
    equally divided are left out and counted. Skipped tasks and those without an annotation are left out.

    Source of the format: Label Studio's guide, "Export annotations".
    """

    name = "label_studio"
    options = {
        "control": "The control to read where the labelling interface has several, such as choice.",
        "image": "The task's field that holds the image; guessed unless set.",
        "root": "Folder of the images; the file's folder unless set, and relative to that.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a .json file with a list of tasks."""
        if path.suffix.lower() != ".json" or not path.is_file():
            return False
        start = file_start(path, LOOKED_AT).lstrip()
        return start.startswith("[") and ('"annotations"' in start or '"annotation_id"' in start)

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images that an export lists.

        Raises:
            DataError: The file is broken, is no such export, several controls could be meant, or most images are not there.
        """
        if path is None:
            raise DataError("the export is not given", where="data.path", hint=FORMATS)
        tasks = read_json(path)
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            found = type(tasks).__name__ if not isinstance(tasks, list) else "a list of other things"
            problem = "this is no export of Label Studio"
            raise DataError(problem, where=str(path), found=found, allowed="a list of tasks", hint=FORMATS)
        _refuse_other_data(path, tasks)
        field = _image_field(path, tasks, str(options.get("image") or ""))
        tasks, labelled = _together(tasks, field)
        control = _control(path, labelled, str(options.get("control") or ""))
        annotations, notes = _annotations(path, tasks, labelled, control, field)
        kinds = {kind for task in labelled for name, kind in task.kinds.items() if name == control}
        task = "hierarchical" if "taxonomy" in kinds else "auto"
        notes += of_objects(kind.removesuffix("labels") for kind in kinds if kind not in ("choices", "taxonomy"))
        return dataset_of_annotations(path, annotations, options, notes=notes, task=task)


def _refuse_other_data(path: Path, tasks: Sequence[dict[str, Any]]) -> None:
    for number, task in enumerate(tasks, 1):
        if not isinstance(task.get("data", task), dict):
            problem, allowed = "the data of the task is no object", '{"image": "1.png"}'
            where = f"{path}, {_place(task, number)}"
            raise DataError(problem, where=where, found=task["data"], allowed=allowed, hint=FORMATS)


def _together(tasks: Sequence[dict[str, Any]], field: str) -> tuple[list[dict[str, Any]], list[Labelled]]:
    """Return the tasks with their answers; JSON-MIN has an entry for each annotator of a task."""
    if any("data" in task for task in tasks):
        return list(tasks), [labelled_of(task) for task in tasks]
    of_task: dict[Any, list[dict[str, Any]]] = {}
    for number, entry in enumerate(tasks):
        of_task.setdefault(entry.get("id", -number), []).append(entry)
    return [entries[0] for entries in of_task.values()], [
        labelled_of_min(entries, field) for entries in of_task.values()
    ]


def _control(path: Path, labelled: Sequence[Labelled], wanted: str) -> str:
    """Return the control whose labels count: the one there is, or the one that is wanted."""
    known = Counter(name for task in labelled for name in task.kinds)
    if not known:
        raise DataError("no task has a label", where=str(path), found=f"{len(labelled):,} tasks", hint=FORMATS)
    names = ", ".join(known)
    if wanted and wanted not in known:
        where, hint = "data.options.control", nearest(wanted, list(known))
        raise DataError("no task has labels of this control", where=where, found=wanted, allowed=names, hint=hint)
    if not wanted and len(known) > 1:
        hint = f"Name one of them in data.options.control: {names}."
        raise DataError("the tasks have labels of several controls", where=str(path), found=names, hint=hint)
    return wanted or next(iter(known))


def _image_field(path: Path, tasks: Sequence[dict[str, Any]], wanted: str) -> str:
    """Return the field of a task's data that holds the image: the wanted one, or the first that looks like one."""
    data = [task.get("data", task) for task in tasks]
    fields = dict.fromkeys(field for entry in data for field in entry)
    if wanted:
        if wanted not in fields:
            hint = nearest(wanted, list(fields))
            where = "data.options.image"
            raise DataError("no task has this field", where=where, found=wanted, allowed=", ".join(fields), hint=hint)
        return wanted
    for field in fields:
        values = [entry[field] for entry in data if isinstance(entry.get(field), str)]
        if sum(_looks_like_image(value) for value in values) * 2 > len(data):
            return field
    raise DataError(
        "no field of the tasks looks like an image",
        where=str(path),
        found=", ".join(fields) or "none",
        hint="Name it in data.options.image.",
    )


def _looks_like_image(value: str) -> bool:
    return Path(_local(value)).suffix.lower() in EXTENSIONS


def _local(value: str) -> str:
    """Return the path behind an address of Label Studio's own server: /data/local-files/?d=cats/1.jpg is cats/1.jpg.

    Uploaded files have percent-encoded addresses too, without a host: /data/upload/7/%C3%84.jpg. In other names a % is one.
    """
    parts = urlsplit(value)
    if parts.path.rstrip("/").endswith("/data/local-files"):
        return parse_qs(parts.query).get("d", [""])[0]
    if parts.scheme not in ("", "http", "https"):
        return value
    if parts.query:
        return unquote(parts.path)
    return unquote(value) if not parts.scheme and "/data/upload/" in value else value


def _annotations(
    path: Path, tasks: Sequence[dict[str, Any]], labelled: Sequence[Labelled], control: str, field: str
) -> tuple[list[Annotation], tuple[str, ...]]:
    annotations, divided, skipped = [], 0, 0
    for number, (task, found) in enumerate(zip(tasks, labelled, strict=True), 1):
        if not found.answers:
            skipped += 1
            continue
        labels = found.agreed(control)
        if labels is None:
            divided += 1
            continue
        image = task.get("data", task).get(field)
        where = _place(task, number)
        if not isinstance(image, str) or not image:
            raise DataError(f"the task has no image in {field}", where=f"{path}, {where}", found=image)
        name = _local(image)
        annotations.append(Annotation(name, labels, where, spelling=_without_prefix(name)))
    return annotations, tuple(_told(len(tasks), skipped, divided))


def _place(task: Mapping[str, Any], number: int) -> str:
    return f"task {task.get('id', number)}"


def _without_prefix(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{UPLOADED.sub('', last)}"


def _told(tasks: int, skipped: int, divided: int) -> Iterator[str]:
    if skipped:
        yield f"Left out: {skipped:,} of {tasks:,} tasks, not annotated or skipped."
    if divided:
        yield f"Left out: {divided:,} of {tasks:,} tasks, on whose labels the annotators are equally divided."


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register exports of Label Studio."""
    register(LabelStudio())
