"""Names the content of a data set, so that images are prepared once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from automl_img.cache import SPILLED, cache_folder
from automl_img.plugin import ImageDataset, Split

#: Goes up when the same files would be prepared to other pixels.
FORMAT = 3
ARRAYS_AT_A_TIME = 4096


def fingerprint(dataset: ImageDataset, *, height: int, width: int, channels: int) -> str:
    """Return 64 hexadecimal digits that differ when the prepared store would.

    Arrays are hashed by their content, files by path, size and time of change; labels, class names and the target size count too.
    Of a file that a source has spilled into the cache its place there counts, which its content has named, wherever the cache lies.
    What the source noted does not: the same images may be found in another place.
    """
    digest = hashlib.sha256()
    splits = [dataset.train, dataset.validation, dataset.test]
    given = [0 if split is None else len(split) for split in splits]
    facts = [
        FORMAT,
        dataset.name,
        list(dataset.class_names),
        (),  # once the notes; data without any keeps the name by which experience knows it
        dataset.task,
        given,
        height,
        width,
        channels,
    ]
    digest.update(json.dumps(facts).encode())
    for split in splits:
        if split is not None:
            _add_split(digest, split)
    return digest.hexdigest()


def without_files(identity: str, files: Sequence[str]) -> str:
    """Return what names the content ``identity`` without these files: another name of 64 digits, even if there are none."""
    spilled = _spilled()
    names = [file.removeprefix(spilled) for file in files]
    return hashlib.sha256(json.dumps([identity, names]).encode()).hexdigest()


def _add_split(digest: Any, split: Split) -> None:
    labels = np.ascontiguousarray(split.labels)
    digest.update(f"{labels.dtype}{labels.shape}".encode())
    digest.update(labels.reshape(-1).data)
    if split.groups is not None:
        digest.update(json.dumps(list(split.groups)).encode())
    if split.metadata:
        digest.update(json.dumps({name: list(values) for name, values in split.metadata.items()}).encode())
    if isinstance(split.images, np.ndarray):
        digest.update(f"{split.images.dtype}{split.images.shape}".encode())
        for start in range(0, len(split.images), ARRAYS_AT_A_TIME):
            digest.update(np.ascontiguousarray(split.images[start : start + ARRAYS_AT_A_TIME]).reshape(-1).data)
        return
    spilled = _spilled()
    for path in split.images:
        digest.update(_file_facts(path, spilled))


def _spilled() -> str:
    """Return how the name of a file begins that a source has spilled: its folder in there is named by the content."""
    return f"{cache_folder() / SPILLED}{os.sep}"


def _file_facts(path: Path, spilled: str) -> bytes:
    place = os.fspath(path)
    is_spilled = place.startswith(spilled)
    name = os.fsencode(place.removeprefix(spilled)) if is_spilled else os.fsencode(path.absolute())
    try:
        status = path.stat()
    except OSError:
        return name + b"\0missing\0"
    written = "" if is_spilled else status.st_mtime_ns
    return name + f"\0{status.st_size}\0{written}\0".encode()
