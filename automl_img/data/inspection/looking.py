"""Reads the images, over all cores, and keeps what was measured of each."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.cores import cores
from automl_img.data.images import examine
from automl_img.data.inspection.measures import RECORD, THUMB, Pixels, Records, measure
from automl_img.errors import DataError
from automl_img.plugin import Split

FILES_AT_A_TIME = 32
ARRAY_BYTES_AT_A_TIME = 2_000_000
AHEAD = 4  # parts waiting for each core
LONGEST = 512  # pixels that a file's longer side is scaled down to before it is measured

Places = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
Clock = Callable[[], float]

#: How a DataError of decoding begins → what kind of trouble it is.
TROUBLES: Mapping[str, str] = {
    "there is no such file": "missing",
    "the file is empty": "empty",
    "this is no image file": "not an image",
    "this kind of image is not read": "of another kind",
    "this TIFF is damaged, or of a kind": "damaged or of another kind",
    "the image has too many pixels": "too many pixels",
    "the image file is damaged": "damaged or truncated",
}


@dataclass
class Look:
    """The images of all splits, one after the other, and what was measured of each.

    Attributes:
        splits: Name → split.
        records: Rows of :data:`~automl_img.data.inspection.measures.RECORD`, shape (n,).
        thumbs: Grey thumbnails, uint8, shape (n, height, width).
        formats: Names of the files' formats, by content.
        failed: Place → kind of trouble and reason.
        looked: How many were looked at.
    """

    splits: Mapping[str, Split]
    records: Records = field(init=False)
    thumbs: Pixels = field(init=False)
    formats: list[str] = field(default_factory=lambda: [""])
    failed: dict[int, tuple[str, str]] = field(default_factory=dict)
    looked: int = 0

    def __post_init__(self) -> None:
        self.records = np.zeros(len(self), RECORD)
        self.thumbs = np.zeros((len(self), *_thumb_size(self.splits)), np.uint8)

    def __len__(self) -> int:
        return sum(map(len, self.splits.values()))

    def starts(self) -> Iterator[tuple[str, Split, int]]:
        """Yield name, split, and the place of its first image."""
        first = 0
        for name, split in self.splits.items():
            yield name, split, first
            first += len(split)

    def read(self, places: Places, progress: Progress | None, until: float | None, clock: Clock) -> None:
        """Look at the images at ``places``; stop when ``clock`` passes ``until``."""
        parts = list(self._parts(places, in_order=until is None))
        done = 0
        with _threads() as threads, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, on large images and odd metadata
            waiting = AHEAD * cores()
            for start in range(0, len(parts), waiting):
                for (_, part), failed in zip(
                    parts[start : start + waiting],
                    threads.map(self._measured, parts[start : start + waiting]),
                    strict=True,
                ):
                    self.failed.update(failed)
                    done += len(part)
                    if progress is not None:
                        progress(done, len(places))
                if until is not None and clock() >= until:
                    break
        self.looked = done

    def _parts(self, places: Places, *, in_order: bool) -> Iterator[tuple[tuple[Split, int], Places]]:
        """Cut the places into parts of one split each; without an order, the splits take turns."""
        chosen = []
        for _, split, first in self.starts():
            inside = places[(places >= first) & (places < first + len(split))]
            step = FILES_AT_A_TIME
            if isinstance(split.images, np.ndarray):
                step = max(1, ARRAY_BYTES_AT_A_TIME // max(1, int(np.prod(split.images.shape[1:]))))
            count = max(1, -(-len(inside) // step))
            parts = [inside[start : start + step] for start in range(0, len(inside), step)]
            chosen += [(place / count, (split, first), part) for place, part in enumerate(parts)]
        if not in_order:
            chosen.sort(key=lambda part: part[0])
        yield from ((where, part) for _, where, part in chosen)

    def _measured(self, part: tuple[tuple[Split, int], Places]) -> dict[int, tuple[str, str]]:
        (split, first), places = part
        size = (self.thumbs.shape[1], self.thumbs.shape[2])
        if isinstance(split.images, np.ndarray):
            self.records[places], self.thumbs[places] = measure(split.images[places - first], size)
            return {}
        failed = {}
        for place in map(int, places):
            try:
                self._measure_file(split.images[place - first], place, size)
            except DataError as error:
                failed[place] = (trouble(error), _reason(error))
            except OSError as error:  # it vanished after it was read
                failed[place] = ("missing", error.strerror or str(error))
        return failed

    def _measure_file(self, path: Path, place: int, size: tuple[int, int]) -> None:
        picture = examine(path, longest=LONGEST)
        record, thumb = measure(picture.pixels[np.newaxis], size)
        record["height"], record["width"] = picture.header.height, picture.header.width
        record["bytes"] = path.stat().st_size
        record["format"] = self._format(picture.format)
        self.records[place], self.thumbs[place] = record[0], thumb[0]

    def _format(self, name: str) -> int:
        if name not in self.formats:
            self.formats.append(name)  # two threads may both do so: the first place counts
        return self.formats.index(name)


def trouble(error: DataError) -> str:
    """Say what kind of trouble an unreadable file is."""
    kinds = (kind for beginning, kind in TROUBLES.items() if error.problem.startswith(beginning))
    return next(kinds, "unreadable")


def chosen_places(n: int, *, sample: int | None, shuffled: bool, seed: int) -> Places:
    """Return the places of the images to look at, sorted unless ``shuffled``; int64."""
    everything = np.arange(n)
    if not shuffled and (sample is None or sample >= n):
        return everything
    drawn = np.random.default_rng(seed).permutation(n)[: n if sample is None else sample]
    return drawn if shuffled else np.sort(drawn)


def _reason(error: DataError) -> str:
    found = f" ({error.found})" if error.found is not None else ""
    return f"{error.problem}{found}"


def _thumb_size(splits: Mapping[str, Split]) -> tuple[int, int]:
    """Return the thumbnails' (height, width): small arrays of one size are their own thumbnails."""
    arrays: Sequence[Any] = [split.images for split in splits.values() if isinstance(split.images, np.ndarray)]
    sizes = {(int(images.shape[1]), int(images.shape[2])) for images in arrays}
    small = len(arrays) == len(splits) and len(sizes) == 1 and max(max(sizes)) <= THUMB
    return sizes.pop() if small else (THUMB, THUMB)


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Give threads over the cores; on an error, Ctrl-C among them, what has not begun is dropped."""
    threads = ThreadPoolExecutor(cores())
    try:
        yield threads
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
