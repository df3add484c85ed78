"""Annotations of images, as tools for labelling export them, made into a data set."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError, ImageDataset, Record, dataset_from_records
from automl_img_sources._locations import expanded, find_images, image_root

GIVEN = ("validation", "test")  # splits whose annotation files options name


@dataclass(frozen=True)
class Annotation:
    """What an annotation file says of one image.

    Attributes:
        image: The image as the file names it: a path or an address.
        labels: Its labels: none, one or several.
        where: Its place in the file, such as "line 17".
        split: As in :class:`~automl_img.plugin.Record`.
        spelling: Another name under which the image may lie on this machine; empty: there is none.
        file: The file that says it; None: the data set's own.
        group: As in :class:`~automl_img.plugin.Record`.
        known: False: nobody could say its labels, so that having none does not mean that it is of none of the classes.
    """

    image: str
    labels: tuple[str, ...]
    where: str
    split: str = ""
    spelling: str = ""
    file: Path | None = None
    group: str = ""
    known: bool = True


def dataset_of_annotations(
    path: Path,
    annotations: Sequence[Annotation],
    options: Mapping[str, Any],
    *,
    notes: Iterable[str] = (),
    task: str = "auto",
) -> ImageDataset:
    """Return the data set of an annotation file.

    Images without a label are left out and counted in a note, unless images may have several labels: then those whose labels are
    known have none of them.

    Args:
        path: The annotation file.
        annotations: What it says.
        options: The source's options; ``root`` says where the images lie, ``validation_root`` and ``test_root`` where those of a file
            that ``validation`` or ``test`` names do, ``task`` is the recipe's.
        notes: What the source did that a person should know.
        task: The task that the file implies.

    Raises:
        DataError: No image is annotated, an image has no name, or most images of a file are not there.
    """
    asked = str(options.get("task", "auto"))
    task = task if asked == "auto" else asked
    annotations, told = _labelled(path, annotations, task)
    for annotation in annotations:
        if not annotation.image:
            raise DataError("an entry names no image", where=_place(path, annotation))
    paths, moved = _images(path, annotations, options)
    records = [
        Record(image, one.labels, one.split, one.group, one.where, file=str(one.file or path))
        for image, one in zip(paths, annotations, strict=True)
    ]
    return dataset_from_records(path.name, records, task=task, notes=(*notes, *told, *moved))


def with_given_splits(
    path: Path, options: Mapping[str, Any], read: Callable[[Path, str], list[Annotation]]
) -> list[Annotation]:
    """Return the annotations of a file and of those that the options ``validation`` and ``test`` name, relative to its folder.

    Args:
        path: The annotation file of the training images.
        options: The source's options.
        read: Reads a file whose annotations belong to the split that is its second argument; "" where there is one file only.

    Raises:
        DataError: A file that an option names is not there, or starts at the home folder of a user who is not.
    """
    others = {split: path.parent / expanded(options[split], split) for split in GIVEN if options.get(split)}
    for split, file in others.items():
        if not file.is_file():
            raise DataError("there is no such file", where=f"data.options.{split}", found=str(file))
    annotations = read(path, "train" if others else "")
    for split, file in others.items():
        annotations += read(file, split)
    return annotations


def of_objects(kinds: Iterable[str]) -> tuple[str, ...]:
    """Return the note on annotations that mark objects inside images."""
    found = ", ".join(sorted(set(kinds)))
    return (f"The file marks objects ({found}): an image has the labels of the objects in it.",) if found else ()


def _labelled(path: Path, annotations: Sequence[Annotation], task: str) -> tuple[list[Annotation], list[str]]:
    empty = sum(not annotation.labels for annotation in annotations)
    if empty == len(annotations):
        raise DataError("no image has a label", where=str(path), found=f"{empty:,} images")
    several = task == "multilabel" or (task == "auto" and any(len(annotation.labels) > 1 for annotation in annotations))
    kept = [annotation for annotation in annotations if annotation.labels or (several and annotation.known)]
    left = len(annotations) - len(kept)
    notes = []
    if empty > left:
        notes.append(f"Images without a label, which have none of the classes: {empty - left:,}.")
    if left:
        why = "whose labels are not known" if several else "which have no label"
        notes.append(f"Left out: {left:,} of {len(annotations):,} images, {why}.")
    return kept, notes


def _images(path: Path, annotations: Sequence[Annotation], options: Mapping[str, Any]) -> tuple[list[Path], list[str]]:
    """Return the image of each annotation, and notes on where they were found; those of one annotation file lie in one place."""
    images: list[Path] = []
    notes: list[str] = []
    for file, group in itertools.groupby(annotations, lambda annotation: annotation.file or path):
        found, moved = _images_of(path, file, list(group), options)
        images += found
        notes += moved
    return images, notes


def _images_of(
    path: Path, file: Path, annotations: Sequence[Annotation], options: Mapping[str, Any]
) -> tuple[list[Path], tuple[str, ...]]:
    split, export = annotations[0].split, path.is_dir()
    own = f"{split}_root" if split in GIVEN and options.get(split) else "root"
    option = own if options.get(own) else "root"
    start = path if export else path.parent
    return find_images(
        [annotation.image for annotation in annotations],
        lambda row: _place(path, annotations[row]),
        path if export else file,
        image_root(options[option], start, option) if options.get(option) else None,
        option=own,
        beside=start,
        other_spellings=_spellings(annotations),
    )


def _spellings(annotations: Sequence[Annotation]) -> list[list[str]]:
    if not any(annotation.spelling for annotation in annotations):
        return []
    return [[annotation.spelling or annotation.image for annotation in annotations]]


def _place(path: Path, annotation: Annotation) -> str:
    return f"{annotation.file or path}, {annotation.where}"
