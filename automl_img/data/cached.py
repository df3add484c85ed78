"""What lies in the cache folder."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from automl_img.cache import DOWNLOADS, SPILLED, STORES, cache_folder, is_in_use
from automl_img.data.preparing import FACTS_FILE

DAY = 24 * 3600.0
#: What lies in each folder of the cache. Whatever else is there is not ours.
KINDS = {STORES: "prepared images", SPILLED: "images of a library", DOWNLOADS: "downloads"}


@dataclass(frozen=True)
class CacheEntry:
    """One folder or file that is kept to be used again.

    Attributes:
        path: Where it lies.
        kind: "prepared images", "images of a library" or "downloads".
        name: Name of the data set.
        bytes: Its size on disk.
        unused_days: Days since it was made or last used.
        in_use: A search reads or writes it now.
    """

    path: Path
    kind: str
    name: str
    bytes: int
    unused_days: float
    in_use: bool


def cached(folder: Path | None = None) -> list[CacheEntry]:
    """Return what the cache holds, the largest first; ``folder`` as in :func:`automl_img.cache.cache_folder`."""
    return sorted(_entries(cache_folder(folder)), key=lambda entry: -entry.bytes)


def _entries(root: Path) -> Iterator[CacheEntry]:
    for folder, kind in KINDS.items():
        if not (root / folder).is_dir():
            continue
        for path in sorted((root / folder).iterdir()):
            yield _entry(path, kind, _store_name(path) if folder == STORES else path.name)


def _entry(path: Path, kind: str, name: str) -> CacheEntry:
    size, used = 0, 0.0
    inside = (Path(folder) / file for folder, _, files in os.walk(path) for file in files)  # rglob raises if one goes
    for file in (path, *inside):
        with contextlib.suppress(OSError):  # a search has finished or removed it meanwhile
            facts = file.stat()
            used = max(used, facts.st_mtime)
            size += 0 if file.is_dir() else facts.st_size
    return CacheEntry(path, kind, name, size, max(0.0, (time.time() - used) / DAY), is_in_use(path))


def _store_name(path: Path) -> str:
    try:
        facts = json.loads((path / FACTS_FILE).read_text(encoding="utf-8"))
        return f"{facts['name']} {facts['height']}×{facts['width']}×{facts['channels']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.name} (unfinished or damaged)"
