"""Image files in one folder for each class."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.plugin import SPLIT_NAMES, DataError, DataSource, ImageDataset, Split, hookimpl, nearest

EXTENSIONS = frozenset(
    [
        ".apng",
        ".avif",
        ".bmp",
        ".dib",
        ".gif",
        ".jfif",
        ".jp2",
        ".jpe",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".pnm",
        ".ppm",
        ".tga",
        ".tif",
        ".tiff",
        ".webp",
    ]
)
NESTED = ("auto", "hierarchy", "class")
HIDDEN = (".", "__MACOSX")  # with which names begin
SPLITS = ("train", "validation", "test")
#: Name of a folder, in lower case → the split that it holds.
SPLIT_FOLDERS = {name: split for name, split in SPLIT_NAMES.items() if name not in ("", "unassigned")}
Inside = dict[str, list[Path]]
LAYOUT = "Put the images of each class into a folder of their own: PATH/cat/1.jpg, PATH/dog/2.jpg, ..."
#: Ending of images that Pillow does not read → what to do with them.
CONVERTED = {
    **dict.fromkeys((".heic", ".heif"), "Convert HEIC files to JPEG."),
    **dict.fromkeys((".dcm", ".dicom"), "Convert DICOM files to PNG."),
}


@dataclass
class _Findings:
    """What was met on the way and is worth a note."""

    read: tuple[str, ...] = ()  # the folders below which images are looked for
    skipped: Counter[str] = field(default_factory=Counter)  # files that are no images, by their ending
    outside: Counter[str] = field(default_factory=Counter)  # images beside class folders, by the folder around them
    links: list[str] = field(default_factory=list)
    loops: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def leads_inside(self, entry: os.DirEntry[str]) -> bool:
        """Whether a folder is a link to a place that is read anyway, whose images count where they lie, or to one above it."""
        if not entry.is_symlink():
            return False
        target = os.path.realpath(entry.path)
        inside = any(_is_met(target, folder) for folder in self.read)
        above = any(f"{folder}{os.sep}".startswith(target.rstrip(os.sep) + os.sep) for folder in self.read)
        if inside or above:
            (self.loops if above else self.links).append(entry.path)
        return inside or above

    def notes(self) -> tuple[str, ...]:
        notes = [f"The folder {name} holds no image: the class is left out." for name in self.empty]
        notes += [
            f"The link {name} leads to a folder that is read in its own place and was not followed."
            for name in self.links
        ]
        notes += [f"The link {name} leads back to a folder above it and was not followed." for name in self.loops]
        notes += [f"{name} was not used: beside train/, only validation/ and test/ count." for name in self.unused]
        notes += [
            f"{count:,} images in {name}/ lie in no class folder and were not used."
            for name, count in self.outside.items()
        ]
        if self.skipped:
            count = self.skipped.total()
            notes.append(f"{count:,} files that are no images by their ending were skipped: {self.endings()}.")
        return tuple(notes)

    def endings(self) -> str:
        """The commonest endings of files that were skipped, each with their number."""
        return ", ".join(f"{ending or 'none'} ({count:,})" for ending, count in self.skipped.most_common(5))


class Folder(DataSource):
    """Image files in one sub-folder for each class, if wanted below train/, validation/ and test/.

    The sub-folder's name is the class's. Folders inside class folders make a hierarchy, clothing/shoes/boot, unless their names come
    again in other classes, as those of years or cameras do: then they belong to the class. Hidden files are skipped. Split folders have
    any of the names that splits have in tables, such as ``Training``, ``val`` and ``Testing``; names that hold one of these, such as
    ``test_set``, count where they have the same class folders. A split folder may lie in another of its name.
    """

    name = "folder"
    general = True
    options = {
        "nested": 'What folders inside class folders are: "hierarchy": classes of their own; "class": part of it; "auto": see the names.'
    }

    def accepts(self, path: Path) -> bool:
        """Whether ``path`` is a folder with folders or images in it, or an empty one; files of other kinds alone are another source's."""
        entries = _visible(path) if path.is_dir() else None
        return entries is not None and (
            not entries or any(_is_folder(entry) or Path(entry.name).suffix.lower() in EXTENSIONS for entry in entries)
        )

    def load(self, path: Path | None, options: Mapping[str, Any]) -> ImageDataset:
        """Return the files below ``path``, sorted by class and name.

        Raises:
            DataError: There is no such folder, no class folder, no image, or a class that has no training images.
        """
        if path is None:
            raise DataError("the folder of the images is not given", where="data.path", hint=LAYOUT)
        if not path.is_dir():
            problem = "this is a file, not a folder" if path.exists() else "there is no such folder"
            raise DataError(problem, where=str(path))
        nested = options.get("nested", "auto")
        if nested not in NESTED:
            raise DataError("unknown value", where="data.options.nested", found=nested, allowed=NESTED)
        folders, unused = _split_folders(path)
        findings = _Findings(tuple(os.path.realpath(folder) for folder in folders.values()), unused=unused)
        found = {split: _classes(folder, findings, keep_empty=split != "train") for split, folder in folders.items()}
        _refuse_unless_classes(folders["train"], found["train"], findings)
        nested, notes = _meaning(nested, found["train"])
        classes = {split: _named(inside, by_path=nested == "hierarchy") for split, inside in found.items()}
        names = tuple(classes["train"])
        splits = {
            split: _split(_known_only(files, names, folders[split]), names)
            for split, files in classes.items()
            if any(files.values())
        }
        task = "hierarchical" if nested == "hierarchy" else "auto"
        return ImageDataset(path.name or str(path), names, notes=(*notes, *findings.notes()), task=task, **splits)


def _split_folders(root: Path) -> tuple[dict[str, Path], list[str]]:
    """Return split → its folder, and the folders beside these, which are not used."""
    inside = [entry.name for entry in _visible(root) if _is_folder(entry)]
    named = {split: [name for name in inside if SPLIT_FOLDERS.get(name.lower()) == split] for split in SPLITS}
    if _are_classes(root, inside, named["train"]):
        named = {}
    alike = _splits_of_the_same_classes(root, inside)
    splits = {split: named.get(split) or alike.get(split, []) for split in SPLITS}
    if not splits["train"]:
        return {"train": root}, []
    for split, names in splits.items():
        if len(names) > 1:
            problem = f"there is more than one folder of {split} images"
            raise DataError(problem, where=str(root), found=", ".join(names))
    used = {name for names in splits.values() for name in names}
    unused = [f"{name}/" for name in inside if name not in used]
    return {split: _without_repeat(root / names[0]) for split, names in splits.items() if names}, unused


def _splits_of_the_same_classes(root: Path, inside: Sequence[str]) -> dict[str, list[str]]:
    """Return split → the folders whose names hold its name, such as seg_test, and whose class folders one for training has, too.

    Empty where there are none but for training: then the names mean something else.
    """
    split_of: dict[str, str] = {}
    for name in inside:
        held = {SPLIT_FOLDERS[part] for part in re.split(r"[\s_-]+", name.lower()) if part in SPLIT_FOLDERS}
        if len(held) == 1:
            split_of[name] = held.pop()
    classes = {
        name: {entry.name for entry in _visible(_without_repeat(root / name)) if _is_folder(entry)} for name in split_of
    }
    known = [classes[name] for name, split in split_of.items() if split == "train"]
    alike = [name for name, found in classes.items() if found and any(found <= one for one in known)]
    splits = {split: [name for name in alike if split_of[name] == split] for split in SPLITS}
    return splits if splits["train"] and (splits["validation"] or splits["test"]) else {}


def _without_repeat(folder: Path) -> Path:
    """Return the folder of the same name that is all that ``folder`` holds, if it holds folders: archives are often unpacked so."""
    inner = folder / folder.name
    alone = [entry.name for entry in _visible(folder)] == [folder.name] and inner.is_dir()
    return inner if alone and any(_is_folder(entry) for entry in _visible(inner)) else folder


def _are_classes(root: Path, inside: Sequence[str], training: Sequence[str]) -> bool:
    """Return whether folders that are called as splits are class folders all the same.

    Args:
        root: The folder of the data set.
        inside: The names of the folders in it.
        training: Those that a split of training images may have.
    """
    if not training:
        return True
    others = {name.lower() for name in inside} - {name.lower() for name in training}
    alone = bool(others) and others.isdisjoint(SPLIT_FOLDERS)
    nested = any(_is_folder(entry) for name in training for entry in _visible(root / name))
    if any(name.lower() == "train" for name in training):
        return alone and not nested
    splits_alone = bool(others) and others <= SPLIT_FOLDERS.keys()
    return alone or not (nested or splits_alone)  # "training" may well be a class


def _is_met(path: str, folder: str) -> bool:
    """Return whether one that looks for images in ``folder`` comes by ``path``: it lies there or below, and not in what is hidden."""
    return not any(part.startswith(HIDDEN) for part in Path(os.path.relpath(path, folder)).parts)  # ".." too


def _classes(folder: Path, findings: _Findings, *, keep_empty: bool = False) -> dict[str, Inside]:
    """Return class folder → folder inside it → its files; all sorted."""
    classes: dict[str, Inside] = {}
    for entry in _visible(folder):
        if not _is_folder(entry):
            ending = Path(entry.name).suffix.lower()
            if ending in EXTENSIONS:
                findings.outside[folder.name] += 1
            else:
                findings.skipped[ending] += 1
            continue
        if findings.leads_inside(entry):
            continue
        name = unicodedata.normalize("NFC", entry.name)  # macOS writes é as two characters
        if name in classes:
            raise DataError(
                "two folders have the same name but for the way its letters are encoded", where=str(folder), found=name
            )
        inside: Inside = {}
        for place, path in _images(folder / entry.name, findings):
            inside.setdefault(place, []).append(path)
        if inside or keep_empty:
            classes[name] = inside
        else:
            findings.empty.append(str(Path(folder.name, entry.name)))
    return dict(sorted(classes.items()))


def _meaning(nested: str, classes: Mapping[str, Inside]) -> tuple[str, list[str]]:
    """Return whether nested folders make a "hierarchy" or belong to their "class", and a note if there are any."""
    below = [place for inside in classes.values() for place in inside if place]
    deeper = sum(len(files) for inside in classes.values() for place, files in inside.items() if place)
    if not below:
        return "class", []
    if nested == "auto":
        nested = "hierarchy" if len(set(below)) == len(below) and len(below) > 1 else "class"
    if nested == "hierarchy":
        return nested, [
            'Folders inside class folders are classes of their own; data.options.nested = "class" changes that.'
        ]
    return nested, [
        f'{deeper:,} images lie deeper than their class folder; they count for that class. data.options.nested = "hierarchy" '
        "changes that."
    ]


def _named(classes: Mapping[str, Inside], *, by_path: bool) -> dict[str, list[Path]]:
    """Return class name → its files; the name is the class folder's, or the path from it down."""
    named: dict[str, list[Path]] = {}
    for name, inside in classes.items():
        if not inside:
            named[name] = []
        for place, files in inside.items():
            named.setdefault(f"{name}/{place}" if by_path and place else name, []).extend(files)
    return {name: sorted(named[name]) for name in sorted(named)}


def _images(
    folder: Path, findings: _Findings, place: str = "", above: tuple[tuple[int, int], ...] = ()
) -> Iterator[tuple[str, Path]]:
    """Yield each image file with the path of its folder below the class folder."""
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        findings.loops.append(str(folder))
        return
    for entry in _visible(folder):
        path = folder / entry.name
        if _is_folder(entry):
            if findings.leads_inside(entry):
                continue
            name = unicodedata.normalize("NFC", entry.name)
            yield from _images(path, findings, f"{place}/{name}" if place else name, (*above, here))
        elif path.suffix.lower() in EXTENSIONS:
            yield place, path
        else:
            findings.skipped[path.suffix.lower()] += 1


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(HIDDEN)]
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from error
    return sorted(shown, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _refuse_unless_classes(folder: Path, classes: Mapping[str, Inside], findings: _Findings) -> None:
    if not classes:
        if any(Path(entry.name).suffix.lower() in EXTENSIONS for entry in _visible(folder)):
            raise DataError("the images do not lie in class folders", where=str(folder), hint=LAYOUT)
        commonest = next((ending for ending, _ in findings.skipped.most_common(1)), "")
        raise DataError(
            "there are no images in class folders",
            where=str(folder),
            found=f"files with other endings: {findings.endings()}" if findings.skipped else None,
            hint=CONVERTED.get(commonest, LAYOUT),
        )
    if len(classes) == 1:
        (name,) = classes
        deeper = (
            [entry.name for entry in _visible(folder / name) if _is_folder(entry)] if (folder / name).is_dir() else []
        )
        hint = f"Perhaps the class folders are those inside it: give {folder / name}." if deeper else LAYOUT
        raise DataError("there is one class only", where=str(folder), found=name, allowed="two or more", hint=hint)


def _known_only(classes: dict[str, list[Path]], names: tuple[str, ...], folder: Path) -> dict[str, list[Path]]:
    for name, files in classes.items():
        if files and name not in names:
            raise DataError(
                "a class has no training images",
                where=str(folder),
                found=name,
                allowed=names,
                hint=nearest(name, names),
            )
    return {name: files for name, files in classes.items() if files}


def _split(classes: Mapping[str, list[Path]], names: tuple[str, ...]) -> Split:
    paths = [path for files in classes.values() for path in files]
    numbers = {name: number for number, name in enumerate(names)}
    labels = [numbers[name] for name, files in classes.items() for _ in files]
    return Split(paths, np.array(labels, np.int64))


@hookimpl
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Register folders of images."""
    register(Folder())
