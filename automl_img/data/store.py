"""The images of a search, decoded and resized once, and read by all trials from one memory-mapped file."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.cache import STORES, cache_folder, completed, entries_of, make_way
from automl_img.data.fingerprint import fingerprint, without_files
from automl_img.data.preparing import (
    FACTS_FILE,
    GROUPS_FILE,
    IMAGES_FILE,
    LABELS_FILE,
    METADATA_FILE,
    NAMES_FILE,
    PATHS_FILE,
    StoreWriter,
    refuse_unreadable,
    still_unreadable,
)
from automl_img.data.streaming import StreamedImages
from automl_img.errors import DataError, reason_of
from automl_img.plugin import ImageDataset, ImageTraits
from automl_img.tasks import Task, make_task

DISK_SHARE = 0.9  # of the free disk that prepared images may take
COUNTED_AT_ONCE = 256  # images whose pixels are counted together, if they are small
VALUES_AT_ONCE = 2**23  # of theirs: while they are counted each takes eight bytes


@dataclass(frozen=True, eq=False)
class PreparedStore:
    """Prepared images in a folder: made by :meth:`prepare`, opened again by :meth:`open`. Pickled, it is its folder's name.

    Where the images would take more room than they may, they stay in their files, see :class:`StreamedImages`.

    Attributes:
        folder: Where it lies.
        images: uint8, shape (n, height, width, channels), memory-mapped or streamed, read by ``images[positions]``: training images
            first, then given validation images, then given test images.
        labels: int64, shape (n,), or for the multilabel task uint8, shape (n, classes), in the same order.
        name: Name of the data set.
        class_names: One name for each class.
        task: What the labels mean.
        given: How many training, validation and test images there are; 0 where the source gave no such split.
        fingerprint: Names the content: the same images, without the same files, labels and size have the same.
        set_aside: Files that could not be read, each with the reason.
        groups: int64, shape (n,): images of the same number belong together; None: each stands for itself.
    """

    folder: Path
    images: npt.NDArray[np.uint8] | StreamedImages
    labels: npt.NDArray[Any]
    name: str
    class_names: tuple[str, ...]
    task: Task
    given: tuple[int, int, int]
    fingerprint: str
    set_aside: tuple[tuple[str, str], ...] = ()
    groups: npt.NDArray[np.int64] | None = None

    @classmethod
    def prepare(
        cls,
        dataset: ImageDataset,
        *,
        height: int,
        width: int,
        channels: int,
        cache_dir: Path | None = None,
        progress: Callable[[int, int], None] | None = None,
        max_unreadable: float = 0.05,
        limit_bytes: float = math.inf,
        wanted: str = "",
    ) -> PreparedStore:
        """Decode and resize the images, or open the store that an earlier call left in the cache.

        Some of the files that were set aside then are tried again: what was wrong may have lain outside of them. If one can be read now,
        all are tried, and the images are prepared anew, beside that store, which a search may be reading.

        Args:
            dataset: A checked data set, see :func:`automl_img.data.arrays.validated`.
            height, width: Size in pixels that all images get.
            channels: 1 for grey, 3 for RGB.
            cache_dir: Where stores lie; None: AUTOML_IMG_CACHE if that is set, else the user's cache folder.
            progress: Called with the images done and the images in all; not called if the store is there already.
            max_unreadable: Share of the files that may be unreadable; they are set aside.
            limit_bytes: Files whose images would take more room than this, or than the disk has, stay where they are.
            wanted: Fingerprint of the store that an earlier search has used: it is opened although files that it lacks can be read now.

        Raises:
            DataError: Too many files cannot be read, all of a class cannot, there is not enough memory, or the cache cannot be written.
        """
        stores = cache_folder(cache_dir) / STORES
        identity = fingerprint(dataset, height=height, width=width, channels=channels)
        name = identity
        while True:
            is_there = (stores / name[:24]).is_dir()  # then it takes no more room, however little is left
            streamed = not is_there and _is_streamed(dataset, height * width * channels, stores, limit_bytes)
            folder = stores / f"{name[:24]}{'-streamed' if streamed else ''}"
            store = cls._kept(folder)
            if store is None:
                break
            unreadable = [path for path, _ in store.set_aside]
            if store.fingerprint != wanted:
                unreadable = still_unreadable(unreadable, height=height, width=width, channels=channels)
            if len(unreadable) == len(store.set_aside):
                with contextlib.suppress(OSError):
                    os.utime(folder)  # says that it is still of use
                total = len(store.labels) + len(store.set_aside)
                refuse_unreadable(store.set_aside, total, max_unreadable, store.name)
                return store
            name = without_files(name, unreadable)
        writer = StoreWriter(dataset, height, width, channels, identity, progress, max_unreadable, streamed)
        with completed(folder) as unfinished:
            writer.write(unfinished)
        return cls.open(folder)

    @classmethod
    def _kept(cls, folder: Path) -> PreparedStore | None:
        """The store that an earlier call left, unless something of it was deleted or cut off since, or its files lay in another cache."""
        if folder.exists():
            with contextlib.suppress(DataError):
                store = cls.open(folder)
                if not isinstance(store.images, StreamedImages) or Path(store.images.paths[0]).exists():
                    return store
            make_way(folder)
        return None

    @classmethod
    def open(cls, folder: Path) -> PreparedStore:
        """Open a prepared store.

        Raises:
            DataError: ``folder`` is not there, is no store, or is damaged.
        """
        try:
            facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
            images = _open_images(folder, facts)
            labels = np.load(folder / LABELS_FILE, allow_pickle=False)
            training, validation, test = facts["given"]
            if not len(images) == len(labels) == training + validation + test:
                raise ValueError("its parts differ in length")
            return cls(
                folder=folder,
                images=images,
                labels=labels,
                name=facts["name"],
                class_names=tuple(facts["class_names"]),
                task=make_task(facts["task"], tuple(facts["class_names"])),
                given=(training, validation, test),
                fingerprint=facts["fingerprint"],
                set_aside=tuple((path, reason) for path, reason in facts["set_aside"]),
                groups=np.load(folder / GROUPS_FILE, allow_pickle=False) if facts["grouped"] else None,
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise DataError(
                f"this is no complete store of prepared images: {reason_of(error)}", where=str(folder)
            ) from error

    def names(self) -> list[str]:
        """The file of each image, as it was when it was prepared; empty where there are none, or an older version has prepared them."""
        for name in (PATHS_FILE, NAMES_FILE):
            with contextlib.suppress(OSError, ValueError):
                text = (self.folder / name).read_text(encoding="utf-8", errors="surrogateescape")
                found: list[str] = json.loads(text)
                return found if len(found) == len(self.labels) else []
        return []

    def metadata(self) -> dict[str, list[str]]:
        """What the source knows of each image beside its label, by name; empty where it knows nothing."""
        with contextlib.suppress(OSError, ValueError):
            text = (self.folder / METADATA_FILE).read_text(encoding="utf-8", errors="surrogateescape")
            found: dict[str, list[str]] = json.loads(text)
            return {name: values for name, values in found.items() if len(values) == len(self.labels)}
        return {}

    def cache_entries(self) -> set[Path]:
        """The folders of the cache that its images are read from: its own, and those of images that a source has put there."""
        cache = self.folder.parents[1]
        files = self.images.paths if isinstance(self.images, StreamedImages) else ()
        return {self.folder, *entries_of(files, cache)}

    def __reduce__(self) -> tuple[object, ...]:
        return (PreparedStore.open, (self.folder,))

    @property
    def traits(self) -> ImageTraits:
        """Size, channels, number of classes, and of training images as the source gave them."""
        height, width, channels = self.images.shape[1:]
        return ImageTraits(height, width, channels, len(self.class_names), self.given[0], self.task.kind)

    def channel_statistics(
        self, indices: npt.NDArray[np.int64], limit: int = 10_000, seed: int = 0
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and standard deviation of each channel, on the scale 0 to 255.

        Args:
            indices: The images that count, shape (n,); at least one.
            limit: The most images that are read; of more, a random sample.
            seed: Decides the sample.

        Returns:
            Mean and standard deviation, one of each for each channel; the latter at least 1, so that it can be divided by.
        """
        if len(indices) > limit:
            indices = np.sort(np.random.default_rng(seed).choice(indices, limit, replace=False))
        channels = self.images.shape[3]
        counts = np.zeros((channels, 256), np.int64)
        size = max(1, min(COUNTED_AT_ONCE, VALUES_AT_ONCE // math.prod(self.images.shape[1:])))
        for start in range(0, len(indices), size):
            pixels = self.images[indices[start : start + size]].reshape(-1, channels)
            for channel in range(channels):
                counts[channel] += np.bincount(pixels[:, channel], minlength=256)
        values = np.arange(256)
        share = counts / counts.sum(axis=1, keepdims=True)
        mean = share @ values
        deviation = np.sqrt(np.maximum(share @ values**2 - mean**2, 0))
        return tuple(map(float, mean)), tuple(float(max(1.0, value)) for value in deviation)


def _is_streamed(dataset: ImageDataset, image_bytes: int, stores: Path, limit_bytes: float) -> bool:
    splits = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    if any(isinstance(split.images, np.ndarray) for split in splits):
        return False
    room = stores
    while not room.exists():
        room = room.parent
    return sum(map(len, splits)) * image_bytes > min(limit_bytes, DISK_SHARE * shutil.disk_usage(room).free)


def _open_images(folder: Path, facts: Mapping[str, Any]) -> npt.NDArray[np.uint8] | StreamedImages:
    if (folder / PATHS_FILE).is_file():
        text = (folder / PATHS_FILE).read_text(encoding="utf-8", errors="surrogateescape")
        return StreamedImages(json.loads(text), facts["height"], facts["width"], facts["channels"])
    images: npt.NDArray[np.uint8] = np.load(folder / IMAGES_FILE, mmap_mode="r", allow_pickle=False)
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError("its images are no uint8 (n, height, width, channels)")
    return images
