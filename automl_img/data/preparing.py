"""Writes the files of a prepared store: decodes, resizes, sets unreadable files aside."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.cores import cores
from automl_img.data.fingerprint import without_files
from automl_img.data.images import conform, decode
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Split
from automl_img.tasks import make_task

PATHS_FILE = "files.json"  # in the place of IMAGES_FILE where images are streamed
NAMES_FILE = "names.json"  # beside IMAGES_FILE where images come from files
METADATA_FILE = "metadata.json"  # where the source knows more of each image
IMAGES_FILE, LABELS_FILE, GROUPS_FILE, FACTS_FILE = "images.npy", "labels.npy", "groups.npy", "store.json"
FILES_AT_A_TIME = 32
RETRIED = 64  # files set aside that are tried again at first, at most
ARRAYS_AT_A_TIME = 2048  # fewer if they have more bytes than the next line says
ARRAY_BYTES_AT_A_TIME = 16_000_000  # in each thread
MEND = "Mend or remove them, or raise max_unreadable."

Progress = Callable[[int, int], None]
Pixels = np.memmap[Any, np.dtype[np.uint8]]
SetAside = Sequence[tuple[str, str]]


@dataclass
class StoreWriter:
    """Writes one store.

    Attributes:
        dataset: A checked data set.
        height, width, channels: What all images become.
        identity: The store's fingerprint if no file is set aside.
        progress: Told the images done and the images in all, or None.
        max_unreadable: Share of the images that may be set aside.
        streamed: Whether the images, which are files, stay where they are and are only seen to be readable.
    """

    dataset: ImageDataset
    height: int
    width: int
    channels: int
    identity: str
    progress: Progress | None = None
    max_unreadable: float = 0.05
    streamed: bool = False
    _broken: dict[int, tuple[str, str]] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write the store's files into ``folder``.

        Raises:
            DataError: Too many files cannot be read, or all of one class.
        """
        splits = [split for split in self._splits() if split is not None]
        labels = np.concatenate([np.asarray(split.labels) for split in splits])
        groups = group_numbers(splits)
        shape = (len(labels), self.height, self.width, self.channels)
        images = None if self.streamed else _new_array(folder / IMAGES_FILE, shape)
        first = 0
        with ThreadPoolExecutor(max_workers=cores()) as threads:
            for split in splits:
                self._fill(images, first, split, threads, len(labels))
                first += len(split)
        given = [0 if split is None else len(split) for split in self._splits()]
        kept = np.ones(len(labels), bool)
        if self._broken:
            kept[list(self._broken)] = False
            self._refuse_emptied(labels, kept, given[0])
            bounds = np.cumsum([0, *given])
            given = [int(kept[start:stop].sum()) for start, stop in itertools.pairwise(bounds)]
            labels, groups = labels[kept], None if groups is None else groups[kept]
        names = [name for split in splits for name in _names(split)]
        left = [name for name, there in zip(names, kept, strict=True) if there]
        if images is None:
            (folder / PATHS_FILE).write_text(json.dumps(left), encoding="utf-8", errors="surrogateescape")
        else:
            _packed(folder, images, kept).flush()
        if images is not None and any(left):
            (folder / NAMES_FILE).write_text(json.dumps(left), encoding="utf-8", errors="surrogateescape")
        np.save(folder / LABELS_FILE, labels)
        metadata = _metadata(splits, kept)
        if metadata:
            (folder / METADATA_FILE).write_text(json.dumps(metadata), encoding="utf-8", errors="surrogateescape")
        if groups is not None:
            np.save(folder / GROUPS_FILE, groups)
        set_aside = [self._broken[place] for place in sorted(self._broken)]
        lacking = [path for path, _ in set_aside]
        facts = {
            "name": self.dataset.name,
            "class_names": self.dataset.class_names,
            "task": self.dataset.task,
            "grouped": groups is not None,
            "given": given,
            "fingerprint": without_files(self.identity, lacking) if lacking else self.identity,
            "set_aside": set_aside,
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
        }
        (folder / FACTS_FILE).write_text(json.dumps(facts, indent=1), encoding="utf-8")

    def _splits(self) -> tuple[Split | None, Split | None, Split | None]:
        return (self.dataset.train, self.dataset.validation, self.dataset.test)

    def _fill(self, images: Pixels | None, first: int, split: Split, threads: ThreadPoolExecutor, total: int) -> None:
        """Put the images of ``split`` at ``first`` and after; without ``images``, see only that they can be read."""
        source = split.images
        if isinstance(source, np.ndarray):
            step = _at_a_time(source.shape[1:], (self.height, self.width, self.channels))
        else:
            step = FILES_AT_A_TIME

        def work(start: int) -> tuple[int, dict[int, tuple[str, str]]]:
            stop = min(start + step, len(split))
            target = None if images is None else images[first + start : first + stop]
            if isinstance(source, np.ndarray):
                if target is not None:
                    target[:] = conform(
                        source[start:stop], height=self.height, width=self.width, channels=self.channels
                    )
                return stop - start, {}
            broken = self._decode_into(target, source[start:stop])
            return stop - start, {first + start + place: reason for place, reason in broken}

        done = first
        for count, broken in threads.map(work, range(0, len(split), step)):
            done += count
            self._broken.update(broken)
            refuse_unreadable(list(self._broken.values()), total, self.max_unreadable, self.dataset.name)
            if self.progress is not None:
                self.progress(done, total)

    def _decode_into(
        self, target: npt.NDArray[np.uint8] | None, paths: Sequence[Path]
    ) -> Iterator[tuple[int, tuple[str, str]]]:
        for place, path in enumerate(paths):
            try:
                pixels = decode(path, channels=self.channels, size=(self.height, self.width))
                if target is not None:
                    target[place] = pixels
            except DataError as error:
                _refuse_want_of_memory(error)
                yield place, (str(path), error.problem)

    def _refuse_emptied(self, labels: npt.NDArray[Any], kept: npt.NDArray[np.bool_], training: int) -> None:
        task = make_task(self.dataset.task, self.dataset.class_names)
        before, after = task.counts(labels[:training]), task.counts(labels[:training][kept[:training]])
        for place in np.flatnonzero((before > 0) & (after == 0)):
            name = self.dataset.class_names[int(place)]
            of_class = labels[:, place] > 0 if labels.ndim == 2 else labels == place
            reasons = [self._broken[found] for found in sorted(self._broken) if of_class[found]]
            problem = f"no training image of class {name!r} can be read"
            raise _unreadable(problem, reasons, self.dataset.name, hint="Mend them, or take the class out.")


def still_unreadable(paths: Sequence[str], *, height: int, width: int, channels: int) -> list[str]:
    """Return which of these files cannot be read now: what was wrong may have lain outside of them, and may be mended.

    Some of them, spread over all, are tried first: all cannot, unless one of those can.
    """

    def is_unreadable(path: str) -> bool:
        try:
            decode(Path(path), channels=channels, size=(height, width))
        except DataError as error:
            _refuse_want_of_memory(error)
            return True
        return False

    some = paths[:: math.ceil(len(paths) / RETRIED) or 1]
    with ThreadPoolExecutor(max_workers=cores()) as threads:
        if all(list(threads.map(is_unreadable, some))):
            return list(paths)
        found = list(threads.map(is_unreadable, paths))
    return [path for path, unreadable in zip(paths, found, strict=True) if unreadable]


def _refuse_want_of_memory(error: DataError) -> None:
    """Raise the error again if there was not enough memory: that says nothing of the file."""
    if isinstance(error.__cause__, MemoryError):
        raise error


def group_numbers(splits: Sequence[Split]) -> npt.NDArray[np.int64] | None:
    """Return a number for each image, the same within a group; an image of no group has one of its own."""
    if all(split.groups is None for split in splits):
        return None
    names = [name for split in splits for name in (split.groups or [""] * len(split))]
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(name, len(numbers)) if name else -1 - place for place, name in enumerate(names)], np.int64
    )


def _metadata(splits: Sequence[Split], kept: npt.NDArray[np.bool_]) -> dict[str, list[str]]:
    """What is known of the images that are kept, by name; empty texts in a split that does not know it."""
    names = dict.fromkeys(name for split in splits for name in split.metadata or ())
    return {
        name: [
            value
            for value, there in zip(
                (value for split in splits for value in (split.metadata or {}).get(name, [""] * len(split))),
                kept,
                strict=True,
            )
            if there
        ]
        for name in names
    }


def _packed(folder: Path, images: Pixels, kept: npt.NDArray[np.bool_]) -> Pixels:
    """Close the gaps that unreadable files left."""
    if kept.all():
        return images
    packed = _new_array(folder / "packed.npy", (int(kept.sum()), *images.shape[1:]))
    places = np.flatnonzero(kept)
    step = _at_a_time(images.shape[1:])
    for start in range(0, len(places), step):
        chosen = places[start : start + step]
        packed[start : start + len(chosen)] = images[chosen]
    (folder / "packed.npy").replace(folder / IMAGES_FILE)
    return packed


def _at_a_time(*shapes: tuple[int, ...]) -> int:
    """Return how many images of bytes are worked on at once, by the largest of their shapes, (height, width, channels)."""
    return max(1, min(ARRAYS_AT_A_TIME, ARRAY_BYTES_AT_A_TIME // max(math.prod(shape) for shape in shapes)))


def refuse_unreadable(set_aside: SetAside, total: int, limit: float, where: str) -> None:
    """Raise a DataError if more than the share ``limit`` of ``total`` files cannot be read."""
    if len(set_aside) > limit * total:
        problem = f"{len(set_aside):,} of {total:,} image files cannot be read, more than the {limit:.0%} that may be set aside"
        raise _unreadable(problem, set_aside, where)


def _unreadable(problem: str, set_aside: SetAside, where: str, *, hint: str = MEND) -> DataError:
    shown = "; ".join(f"{path}: {reason}" for path, reason in set_aside[:3])
    more = f" (and {len(set_aside) - 3:,} more)" if len(set_aside) > 3 else ""
    return DataError(problem, where=where, found=f"{shown}{more}", hint=hint)


def _names(split: Split) -> list[str]:
    """The files of a split; empty names for images of an array."""
    if isinstance(split.images, np.ndarray):
        return [""] * len(split)
    return [os.fsdecode(path) for path in split.images]


def _new_array(path: Path, shape: tuple[int, ...]) -> Pixels:
    array: Pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):  # a full disk is an error here; later it would be a SIGBUS that ends the process
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
