"""What lies in the cache folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from automl_img.cache import cache_folder
from automl_img.data.preparing import FACTS_FILE
from automl_img.plugin.spilling import SPILLED

DAY = 24 * 3600.0


@dataclass(frozen=True)
class CacheEntry:
    """One folder or file that is kept to be used again.

    Attributes:
        path: Where it lies.
        kind: "prepared images", "images of a library" or "source files".
        name: Name of the data set.
        bytes: Its size on disk.
        unused_days: Days since it was made or last used.
    """

    path: Path
    kind: str
    name: str
    bytes: int
    unused_days: float


def cached(folder: Path | None = None) -> list[CacheEntry]:
    """Return what the cache holds, the largest first; ``folder`` as in :func:`automl_img.cache.cache_folder`."""
    return sorted(_entries(cache_folder(folder)), key=lambda entry: -entry.bytes)


def _entries(root: Path) -> Iterator[CacheEntry]:
    stores, spilled = root / "stores", root / SPILLED
    for path in _inside(stores):
        yield _entry(path, "prepared images", _store_name(path))
    for path in _inside(spilled):
        yield _entry(path, "images of a library", path.name)
    for path in _inside(root):
        if path not in (stores, spilled):
            yield _entry(path, "source files", path.name)


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _entry(path: Path, kind: str, name: str) -> CacheEntry:
    files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    used = max((file.stat().st_mtime for file in (*files, path)), default=0.0)
    size = sum(file.stat().st_size for file in files)
    return CacheEntry(path, kind, name, size, max(0.0, (time.time() - used) / DAY))


def _store_name(path: Path) -> str:
    try:
        facts = json.loads((path / FACTS_FILE).read_text(encoding="utf-8"))
        return f"{facts['name']} {facts['height']}×{facts['width']}×{facts['channels']}"
    except (OSError, ValueError, KeyError, TypeError):
        return f"{path.name} (unfinished or damaged)"
