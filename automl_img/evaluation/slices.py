"""Where a model fails: its figures on parts of the images, by what is known of them and by how they look."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.store import PreparedStore
from automl_img.data.streaming import StreamedImages
from automl_img.tasks import Task
from automl_img.tasks.scores import share_error

LEAST_IMAGES = 10  # of a part that is told
MOST_PARTS = 12  # of one property
THIRDS = ("low", "middle", "high")
CLEAR_ERRORS = 2.0  # standard errors below the whole, from which on a part is weak
AT_A_TIME = 512  # images whose pixels are looked at together, if they are small
MOST_LOOKED_AT = 10_000  # images whose pixels are read once more; of more, a random sample
MOST_OPENED = 5_000  # files that are opened once more: they may lie far away
OPENED_AT_ONCE = 16
MOST_FOLDERS = 50


@dataclass(frozen=True)
class Slice:
    """The figures of one part of the images.

    Attributes:
        property: By what the images are divided, such as "brightness" or a column of metadata.
        value: Which part.
        images: How many there are.
        f1: That the task is judged by.
        accuracy: Share that is right; of several labels, with all of them right.
        weak: Whether accuracy lies below that of all images by more than chance explains.
    """

    property: str
    value: str
    images: int
    f1: float
    accuracy: float
    weak: bool


def slices_of(
    task: Task, labels: npt.NDArray[Any], decided: npt.NDArray[Any], properties: Mapping[str, Sequence[str]]
) -> list[Slice]:
    """Return the figures of each part that has enough images, the least accurate first.

    Args:
        task: What the labels mean.
        labels, decided: True and predicted labels, shape (n,) or (n, classes).
        properties: For each name the part that each image belongs to; an empty text: none.
    """
    right = (labels == decided).all(axis=1) if labels.ndim == 2 else labels == decided
    whole = float(right.mean())
    found = []
    for name, values in properties.items():
        column = np.asarray(values)
        counts = Counter(column.tolist())
        common = [value for value, count in counts.most_common(MOST_PARTS) if value and count >= LEAST_IMAGES]
        if len(common) < 2:
            continue
        for value in common:
            mine = column == value
            n, accuracy = int(mine.sum()), float(right[mine].mean())
            weak = whole - accuracy > CLEAR_ERRORS * share_error(whole, n)
            found.append(Slice(name, value, n, task.f1(labels[mine], decided[mine]), accuracy, weak))
    return sorted(found, key=lambda one: one.accuracy)


def properties_of(store: PreparedStore, indices: npt.NDArray[np.int64]) -> dict[str, list[str]]:
    """Return by what images can be divided: metadata, brightness, contrast, the size and the folder of their files.

    A column of metadata that is called as one of the others has "(metadata)" behind its name. Of many images, only a random sample is
    read once more for brightness, contrast and size; the others have an empty text there.

    Args:
        store: The prepared images.
        indices: Which of them, shape (n,).
    """
    found: dict[str, list[str]] = {}
    n = len(indices)
    looked_at = _sample(n, MOST_OPENED if isinstance(store.images, StreamedImages) else MOST_LOOKED_AT)
    brightness, contrast = _looks(store, indices[looked_at])
    found["brightness"], found["contrast"] = _thirds(brightness, looked_at, n), _thirds(contrast, looked_at, n)
    names = store.names()
    if names:
        files = [Path(names[place]) for place in indices]
        folders = [file.parent.name for file in files]
        labels = store.labels[indices]
        if 1 < len(set(folders)) <= MOST_FOLDERS and labels.ndim == 1 and _is_mixed(folders, labels):
            found["folder"] = folders
        opened = _sample(n, MOST_OPENED)
        with ThreadPoolExecutor(OPENED_AT_ONCE) as threads:
            sizes = np.array(list(threads.map(_pixels, [files[place] for place in opened])))
        if (sizes > 0).all() and len(set(sizes.tolist())) > 1:
            found["size of the file's image"] = _thirds(sizes, opened, n)
    for name, values in store.metadata().items():
        found[f"{name} (metadata)" if name in found else name] = [values[place] for place in indices]
    return found


def _looks(
    store: PreparedStore, indices: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and standard deviation of the pixels of each image."""
    from automl_img.training.scoring import VALUES_AT_ONCE

    size = max(1, min(AT_A_TIME, VALUES_AT_ONCE // math.prod(store.images.shape[1:])))
    means, deviations = np.empty(len(indices)), np.empty(len(indices))
    for start in range(0, len(indices), size):
        chosen = slice(start, start + size)
        pixels = np.asarray(store.images[indices[chosen]], np.float32)
        means[chosen], deviations[chosen] = pixels.mean(axis=(1, 2, 3)), pixels.std(axis=(1, 2, 3))
    return means, deviations


def _sample(n: int, most: int) -> npt.NDArray[np.int64]:
    """The places of all of ``n`` images, or of ``most`` of them, the same every time."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def _thirds(values: npt.NDArray[Any], places: npt.NDArray[np.int64], n: int) -> list[str]:
    """The third in which the value of each of ``n`` images lies, of equal values all in one; empty where there is no value.

    Args:
        values: Of some images.
        places: Of these images among all.
        n: How many there are.
    """
    bounds = np.quantile(values, [1 / 3, 2 / 3])
    thirds = [""] * n
    for place, third in zip(places, np.searchsorted(bounds, values, side="left"), strict=True):
        thirds[place] = THIRDS[third]
    return thirds


def _is_mixed(folders: Sequence[str], labels: npt.NDArray[np.int64]) -> bool:
    """Whether folders are something else than the classes: one of them holds several."""
    classes: dict[str, set[int]] = {}
    for folder, label in zip(folders, labels.tolist(), strict=True):
        classes.setdefault(folder, set()).add(label)
    return any(len(found) > 1 for found in classes.values())


def _pixels(path: Path) -> int:
    """Pixels of a file's image, by its header; 0 if it cannot be told."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return image.width * image.height
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return 0
