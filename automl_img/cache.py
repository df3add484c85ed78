"""The cache folder, and folders that are either complete or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from automl_img.errors import DataError

CACHE_VARIABLE = "AUTOML_IMG_CACHE"
ABANDONED_SECONDS = 24 * 3600.0  # an unfinished folder of this age belongs to a process that was killed


def cache_folder(given: Path | None = None) -> Path:
    """Return where things to be used again lie: ``given``, else the environment's AUTOML_IMG_CACHE, else the user's cache folder."""
    if given is not None:
        return given
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE]).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("automl-img"))


@contextlib.contextmanager
def completed(folder: Path) -> Iterator[Path]:
    """Give a new folder to write into, which becomes ``folder`` when the block ends, and vanishes if it raises.

    When another process has completed ``folder`` meanwhile, that one stays.

    Raises:
        DataError: The disk is full or the place cannot be written.
    """
    try:
        unfinished = new_folder(folder.parent)
        try:
            yield unfinished
            for path in (*unfinished.iterdir(), unfinished):
                _sync(path)
            _rename_unless_there(unfinished, folder)
            _sync(folder.parent)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise DataError(
            f"the prepared images cannot be written: {error.strerror or error}",
            where=str(folder.parent),
            hint=f"Free some space, or name another folder in the environment variable {CACHE_VARIABLE}.",
        ) from error


def new_folder(parent: Path) -> Path:
    """Make a folder to write into below ``parent``; one that a killed process left there is removed after a day."""
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent)
    return Path(tempfile.mkdtemp(prefix=".unfinished-", dir=parent))


def discard(folder: Path) -> None:
    """Remove a folder; a reader that has its files open keeps them."""
    with contextlib.suppress(OSError):
        doomed = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder.parent))
        folder.rename(doomed / folder.name)
        shutil.rmtree(doomed, ignore_errors=True)


def _rename_unless_there(unfinished: Path, folder: Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(".unfinished-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
