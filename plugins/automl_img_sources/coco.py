"""COCO annotation files: one JSON object with images, annotations and categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, DataSource, ImageDataset, hookimpl
from automl_img_sources._annotations import Annotation, dataset_of_annotations, of_objects, with_given_splits
from automl_img_sources._json_files import file_start, read_json

KEYS = ("images", "annotations", "categories")
EXPORTED = "_annotations.coco.json"  # as Roboflow names the file in each split's folder
FOLDERS = {"validation": ("valid", "val", "validation"), "test": ("test",)}
LOOKED_AT = 65536  # bytes in which one of the keys shows


class Coco(DataSource):
    """A COCO annotation file (instances, or one made for classification), or a folder with train/_annotations.coco.json.

    An image has the categories of its annotations: one makes it a class, several make the task multilabel. Boxes and masks are not
    used.

    Source of the format: Lin et al., "Microsoft COCO: Common Objects in Context", 2014, and cocodataset.org, "Data format".
    """

    name = "coco"
    options = {
        "hierarchy": "true: classes are supercategory/name.",
        "root": "Folder of the images; the file's folder unless set, and relative to that.",
        "validation": "Annotation file of the validation images, relative to the first one's folder.",
        "validation_root": "Folder of the validation images, where it is another than root.",
        "test": "Annotation file of the test images.",
        "test_root": "Folder of the test images, where it is another than root.",
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a .json file that starts as COCO's do, or a folder of an export with such files."""
        if path.is_dir():
            return (path / "train" / EXPORTED).is_file() or (path / EXPORTED).is_file()
        if path.suffix.lower() != ".json" or not path.is_file():
            return False
        start = file_start(path, LOOKED_AT).lstrip()
        return start.startswith("{") and any(f'"{key}"' in start for key in KEYS)

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the images that an annotation file lists.

        Raises:
            DataError: The file is broken, an annotation points nowhere, or most images are not there.
        """
        if path is None:
            raise DataError("the annotation file is not given", where="data.path", hint="It ends in .json.")
        reader = _Reader(hierarchy=_switch(options.get("hierarchy", False)))
        if path.is_dir():
            annotations = _exported(path, reader)
            options = {key: value for key, value in options.items() if key not in ("validation", "test")}
        else:
            annotations = with_given_splits(path, options, reader.read)
        task = "hierarchical" if reader.hierarchy else "auto"
        return dataset_of_annotations(path, annotations, options, notes=reader.notes(), task=task)


class _Reader:
    """Reads annotation files, and remembers what it met."""

    def __init__(self, *, hierarchy: bool) -> None:
        self.hierarchy = hierarchy
        self.kinds: set[str] = set()

    def notes(self) -> tuple[str, ...]:
        return of_objects(self.kinds)

    def read(self, path: Path, split: str, folder: str = "") -> list[Annotation]:
        """Return the annotations of the images in one file; their names start at ``folder``."""
        content = read_json(path)
        if not isinstance(content, dict) or any(not isinstance(content.get(key), list) for key in KEYS):
            found = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
            raise DataError(
                "this is no COCO file", where=str(path), found=found, allowed=f"the lists {', '.join(KEYS)}"
            )
        try:
            return self._annotations(content, path, split, folder)
        except (KeyError, TypeError, AttributeError) as error:
            found = f"no {error}" if isinstance(error, KeyError) else "another form"
            problem = f"this is no COCO file: an entry has {found}"
            hint = "Images need id and file_name, annotations image_id and category_id, categories id and name."
            raise DataError(problem, where=str(path), hint=hint) from error

    def _annotations(self, content: dict[str, Any], path: Path, split: str, folder: str) -> list[Annotation]:
        names = _by_id(content["categories"], self._name, "categories", path)
        files = _by_id(content["images"], lambda image: str(image["file_name"] or ""), "images", path)
        labels: dict[Any, dict[str, None]] = {image: {} for image in files}
        for entry in content["annotations"]:
            image, category = entry["image_id"], entry["category_id"]
            where = f"{path}, annotation {entry.get('id', '?')}"
            if image not in labels:
                raise DataError("an annotation points to an image that is not listed", where=where, found=image)
            if category not in names:
                allowed = ", ".join(map(str, names))
                raise DataError("an annotation has an unknown category", where=where, found=category, allowed=allowed)
            labels[image][names[category]] = None
            self.kinds |= {kind for kind, key in (("boxes", "bbox"), ("masks", "segmentation")) if entry.get(key)}
        prefix = f"{folder}/" if folder else ""
        return [
            Annotation(f"{prefix}{name}", tuple(labels[image]), f"image {image}", split, file=path)
            for image, name in files.items()
        ]

    def _name(self, category: dict[str, Any]) -> str:
        name = str(category["name"]).strip()
        above = str(category.get("supercategory") or "").strip()
        # Roboflow and others write "none" where there is nothing above.
        if not self.hierarchy or above in ("", "none", name):
            return name
        return f"{above.replace('/', '-')}/{name.replace('/', '-')}"


def _by_id(
    entries: list[dict[str, Any]], name_of: Callable[[dict[str, Any]], str], what: str, path: Path
) -> dict[Any, str]:
    """Return the name of each entry by its id.

    Raises:
        DataError: An id has two names.
    """
    names: dict[Any, str] = {}
    for entry in entries:
        name = name_of(entry)
        before = names.setdefault(entry["id"], name)
        if before != name:
            hint = "Give each an id of its own, and use it in the annotations."
            found = f"{before}, {name}"
            raise DataError(f"two {what} have the id {entry['id']}", where=str(path), found=found, hint=hint)
    return names


def _exported(path: Path, reader: _Reader) -> list[Annotation]:
    if not (path / "train" / EXPORTED).is_file():
        if not (path / EXPORTED).is_file():
            problem = "the folder holds no annotations"
            raise DataError(problem, where=str(path), allowed=f"train/{EXPORTED} or {EXPORTED}")
        return reader.read(path / EXPORTED, "")
    annotations = reader.read(path / "train" / EXPORTED, "train", "train")
    for split, folders in FOLDERS.items():
        for folder in folders:
            if (path / folder / EXPORTED).is_file():
                annotations += reader.read(path / folder / EXPORTED, split, folder)
    return annotations


def _switch(value: object) -> bool:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise DataError("unknown value", where="data.options.hierarchy", found=value, allowed="true, false")
    return text == "true"


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register COCO annotation files."""
    register(Coco())
