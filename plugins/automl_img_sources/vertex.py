"""Import files of Vertex AI: CSV lines without a header, or one JSON object a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import SPLIT_NAMES, DataError, DataSource, ImageDataset, hookimpl
from automl_img_sources._annotations import Annotation, dataset_of_annotations, of_objects
from automl_img_sources._json_files import first_object, read_json_lines
from automl_img_sources._table_cells import is_header
from automl_img_sources._table_files import decoded_text, first_cells
from automl_img_sources.folder import EXTENSIONS

USE = "aiplatform.googleapis.com/ml_use"
ONE, SEVERAL, BOXES = "classificationAnnotation", "classificationAnnotations", "boundingBoxAnnotations"
USES = "dataItemResourceLabels"
CORNERS = 4, 8  # numbers of a box: two of its corners, or all


class VertexImport(DataSource):
    """An import file of Vertex AI: CSV lines such as training,gs://bucket/1.jpg,cat without a header, or JSON lines.

    Each CSV line has the image, before it perhaps its use (training, validation, test), behind it one label, several or none; a plain
    list of files and labels, 1.jpg,cat, is such a file too. Of boxes the labels count. Addresses are looked up in a local copy;
    nothing is downloaded.

    Source of the format: the guide of Vertex AI, "Prepare image training data for classification".
    """

    name = "vertex"
    options = {"root": "Folder with a copy of the images; the file's folder unless set, and relative to that."}

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a .csv file whose first line names an image, or JSON lines with an imageGcsUri."""
        if path.suffix.lower() == ".csv" and path.is_file():
            cells = first_cells(path)
            return len(cells) > 1 and not is_header(cells)
        return "imageGcsUri" in first_object(path, (".jsonl", ".json"))

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images that an import file lists.

        Raises:
            DataError: A line is broken or names no image, or most images are not there.
        """
        if path is None:
            raise DataError("the import file is not given", where="data.path", hint="It ends in .csv or .jsonl.")
        annotations, boxes = _of_csv(path) if path.suffix.lower() == ".csv" else _of_lines(path)
        notes = of_objects(["boxes"] if boxes else ())
        return dataset_of_annotations(path, annotations, options, notes=notes)


def _of_csv(path: Path) -> tuple[list[Annotation], bool]:
    """Return the annotations of a CSV file, and whether it holds boxes."""
    found: dict[str, Annotation] = {}
    plain: list[Annotation] = []
    boxes = False
    reader = csv.reader(io.StringIO(decoded_text(path), newline=""), skipinitialspace=True, strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            where = f"line {reader.line_num}"
            split, image, labels = _meaning(cells, f"{path}, {where}")
            if not _is_box(labels):
                plain.append(Annotation(image, tuple(dict.fromkeys(filter(None, labels))), where, split))
                continue
            boxes = True
            before = found.get(image, Annotation(image, (), where, split))
            found[image] = Annotation(image, tuple(dict.fromkeys((*before.labels, labels[0]))), before.where, split)
    except csv.Error as error:
        hint = "Look at the quotation marks from this line on."
        where = f"{path}, line {reader.line_num}"
        raise DataError(f"the file is malformed: {error}", where=where, hint=hint) from error
    return [*plain, *found.values()], boxes


def _meaning(cells: list[str], where: str) -> tuple[str, str, list[str]]:
    """Return the use, the image and the labels of a line."""
    if len(cells) > 1 and cells[0].lower() in SPLIT_NAMES and _is_image(cells[1]):
        return cells[0], cells[1], cells[2:]
    if _is_image(cells[0]):
        return "", cells[0], cells[1:]
    raise DataError(
        "the line names no image",
        where=where,
        found=",".join(cells)[:100],
        allowed="IMAGE,LABEL or training,IMAGE,LABEL, the image with its ending",
    )


def _is_image(cell: str) -> bool:
    return "://" in cell or Path(cell).suffix.lower() in EXTENSIONS


def _is_box(labels: list[str]) -> bool:
    """Whether the cells behind an image are a label and the corners of a box.

    These are shares of the image's width and height; of two corners, the cells of the others may be blank: x,y,,,x,y,,.
    Other numbers are labels.
    """
    cells = labels[1:]
    while cells and not cells[-1]:
        cells = cells[:-1]
    if len(cells) == 6 and cells[2:4] == ["", ""]:
        return all(map(_is_number, cells[:2] + cells[4:]))
    return len(cells) in CORNERS and all(_is_number(cell) and 0 <= float(cell) <= 1 for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _of_lines(path: Path) -> tuple[list[Annotation], bool]:
    """Return the annotations of a file of JSON lines, and whether it holds boxes."""
    annotations, boxes = [], False
    for number, content in read_json_lines(path):
        where = f"line {number}"
        place = f"{path}, {where}"
        image = content.get("imageGcsUri")
        if not isinstance(image, str):
            problem = "the line has no imageGcsUri, the address of an image"
            raise DataError(problem, where=place, found=", ".join(content) or "{}")
        uses = content.get(USES) or {}
        if not isinstance(uses, dict):
            raise DataError(f"{USES} is no object", where=place, found=uses, allowed=f'{{"{USE}": "test"}}')
        boxes |= bool(content.get(BOXES))
        annotations.append(Annotation(image, _labels(content, place), where, str(uses.get(USE) or "")))
    return annotations, boxes


def _labels(content: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Return the labels of a line, each once."""
    key = next((key for key in (ONE, SEVERAL, BOXES) if content.get(key)), SEVERAL)
    entries = content.get(key) or []
    if key == ONE:
        entries = [entries]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        entry = '{"displayName": "cat"}'
        allowed = entry if key == ONE else f"[{entry}]"
        raise DataError(f"{key} has another form", where=where, found=content[key], allowed=allowed)
    names = (entry.get("displayName") for entry in entries)
    labels = dict.fromkeys("" if name is None else str(name).strip() for name in names)
    return tuple(filter(None, labels))


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register import files of Vertex AI."""
    register(VertexImport())
