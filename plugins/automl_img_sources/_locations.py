"""Finds on this machine the images that a table or an annotation file names, as paths, as addresses, or as paths of another machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from automl_img.plugin import DataError, expanded_path
from automl_img_sources.folder import EXTENSIONS

LOOKED_AT = 200  # files whose presence is checked here; the core looks at all of them when it reads them
ROOT = "Relative names start here, and copies of what addresses name lie here; relative to the annotation file."


@dataclass(frozen=True)
class _Place:
    """Where names lead: below a folder, without their first parts.

    Attributes:
        folder: Where the rest of each name starts.
        dropped: Parts at the beginning of each name that are not there on this machine, such as a bucket's folder.
        spelling: Which of the spellings of the names is meant.
    """

    folder: Path
    dropped: int
    spelling: int

    def path(self, parts: Sequence[str]) -> Path:
        kept = parts[min(self.dropped, len(parts) - 1) :]
        return Path(os.path.join(str(self.folder), *kept))  # noqa: PTH118 - much faster than Path / name for each part


def is_file(path: Path) -> bool:
    """Return whether there is such a file; False too where a name is too long for one, or nobody may look."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises then


def expanded(given: object, option: str) -> Path:
    """Return the path that an option gives, with the home folder for ~.

    Raises:
        DataError: It is that of a user who is not there.
    """
    return expanded_path(str(given), where=f"data.options.{option}", error=DataError)


def image_root(given: object, folder: Path, option: str = "root") -> Path:
    """Return the folder where relative file names start: ``folder``, or what an option gives, itself relative to that.

    Raises:
        DataError: There is no such folder.
    """
    if not given:
        return folder
    root = folder / expanded(given, option)
    if not os.path.isdir(root):  # noqa: PTH112 - Path.is_dir raises where nobody may look
        raise DataError("there is no such folder", where=f"data.options.{option}", found=str(root))
    return root


def find_images(
    names: Sequence[str],
    where: Callable[[int], str],
    file: Path,
    root: Path | None = None,
    *,
    option: str = "root",
    beside: Path | None = None,
    other_spellings: Sequence[Sequence[str]] = (),
) -> tuple[list[Path], tuple[str, ...]]:
    """Return the file of each name, and a note if they do not lie where the names say.

    Annotation files come from other machines: their names are addresses (``s3://bucket/photos/1.jpg``), or start at folders that are
    not here. The place is taken where most of the first images are: below ``root`` or, without it, below the file's folder,
    ``images/`` in it, the same of the folder above, and folders in these that the file's name holds, as ``instances_val2017.json`` holds
    ``val2017``; if need be without the first parts of the names, of all names alike.

    Args:
        names: As the file has them; none is empty.
        where: Gives the place of the name with an index, for messages.
        file: The annotation file.
        root: The only folder to look in.
        option: The option that gives it, for messages.
        beside: Another folder, near which the images may lie too.
        other_spellings: The names in other spellings, tried after the first.

    Raises:
        DataError: More than half of the first images are nowhere, or two names would lead to the same file.
    """
    spellings = [[_parts(name) for name in spelling] for spelling in (names, *other_spellings)]
    folder = file if file.is_dir() else file.parent
    if root:
        folders = [root]
    else:
        folders = list(dict.fromkeys(one for start in (folder, beside or folder) for one in _near(start)))
        folders += _named_in(file, folders)
    place = _best_place(spellings, folders)
    paths = [place.path(parts) for parts in spellings[place.spelling]]
    refuse_missing(paths, names, where, root or folder, option=option)
    _refuse_collisions(paths, names, where)
    if place.dropped == 0 and place.spelling == 0 and (root or place.folder == folder):
        return paths, ()
    return paths, (f"The images were found below {place.folder}: {names[0]} is {paths[0]}.",)


def refuse_missing(
    paths: Sequence[Path],
    names: Sequence[str],
    where: Callable[[int], str],
    root: Path,
    what: str = "images",
    *,
    option: str = "root",
) -> None:
    """See that most of the first files are there.

    Raises:
        DataError: More than half of the first 200 are not; says which is the first, and where it may be.
    """
    sample = paths[:LOOKED_AT]
    missing = [row for row, path in enumerate(sample) if not is_file(path)]
    if len(missing) * 2 <= len(sample):
        return
    first = missing[0]
    raise DataError(
        f"{len(missing)} of the first {len(sample)} {what} are not there, the first is {paths[first]}",
        where=where(first),
        hint=_elsewhere(names[first], root, f"data.options.{option}"),
    )


def _near(folder: Path) -> list[Path]:
    """Return the folders in which images lie whose annotation file is in a folder."""
    near = (folder, folder / "images", folder.parent, folder.parent / "images")
    return [one for one in near if one.is_dir()]


def _named_in(file: Path, folders: Sequence[Path]) -> list[Path]:
    """Return the folders within others that the name of an annotation file holds, the longest name first."""
    if file.is_dir():
        return []
    stem = file.stem.lower()
    inside: list[Path] = []
    for folder in folders:
        with contextlib.suppress(OSError):
            names = os.listdir(folder)  # noqa: PTH208 - a Path for each of a million images takes seconds
            inside += [folder / name for name in names if name.lower() in stem and (folder / name).is_dir()]
    return sorted(inside, key=lambda one: (-len(one.name), str(one)))


def _parts(name: str) -> list[str]:
    r"""Return the parts of a path or of an address without its host or bucket; those of C:\photos\1.jpg too."""
    if "://" in name:
        scheme, _, rest = name.partition("://")
        # In the keys of buckets # and ? are characters as others.
        is_key = scheme.lower() not in ("http", "https", "file")
        path = unquote(rest.partition("/")[2] if is_key else urlsplit(name).path)
        if scheme.lower() == "file":
            return ["/", *path.strip("/").split("/")]
    else:
        path = name
    if "\\" in path and not is_file(Path(path)):
        path = PureWindowsPath(path).as_posix()
    absolute = ["/"] if path.startswith("/") and "://" not in name else []
    return absolute + [part for part in path.split("/") if part not in ("", ".")]


def _best_place(spellings: Sequence[Sequence[Sequence[str]]], folders: Sequence[Path]) -> _Place:
    best, most = _Place(folders[0], 0, 0), 0
    for place in _places(spellings, folders):
        sample = spellings[place.spelling][:LOOKED_AT]
        found = sum(is_file(place.path(parts)) for parts in sample)
        if found > most:
            best, most = place, found
        if found == len(sample):
            break
    return best


def _places(spellings: Sequence[Sequence[Sequence[str]]], folders: Sequence[Path]) -> Iterator[_Place]:
    """Yield the places in question, the likeliest first: names as they are, then without more and more of their first parts."""
    deepest = max((len(parts) for parts in spellings[0][:LOOKED_AT]), default=1)
    for dropped in range(deepest):
        for spelling in range(len(spellings)):
            for folder in folders:
                yield _Place(folder, dropped, spelling)


def _refuse_collisions(paths: Sequence[Path], names: Sequence[str], where: Callable[[int], str]) -> None:
    first: dict[Path, int] = {}
    for row, path in enumerate(paths):
        before = first.setdefault(path, row)
        if names[before] != names[row]:
            raise DataError(
                f"two images of other names would be the same file, {path}",
                where=where(row),
                found=f"{names[row]} here, {names[before]} before",
                hint="Keep the folders of the images as they were, and set data.options.root to where they start.",
            )


def _elsewhere(name: str, root: Path, option: str) -> str:
    """Return the hint where a missing file may be: in a folder below, or under its name with an ending."""
    if "://" in name:
        return f"Images are not downloaded: set {option} to the folder that holds a copy of what {name} is in."
    relative = Path(name.lstrip("/"))
    try:
        below = sorted(entry for entry in root.iterdir() if entry.is_dir())[:LOOKED_AT]
    except OSError:
        below = []
    for folder in (root, *below):
        if is_file(folder / relative):
            return f"Relative names start at {root}, but {relative} is in {folder}: set {option} to that."
        endings = (spelled for end in sorted(EXTENSIONS) for spelled in (end, end.upper()))
        ending = next((end for end in endings if is_file(folder / f"{relative}{end}")), "")
        if ending:
            found = folder / f"{relative}{ending}"
            return f"There is {found}: write the names with their ending, and set {option} to {folder}."
    return f"Relative names start at {root}; set {option} to another folder."
