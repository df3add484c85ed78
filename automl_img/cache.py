"""The cache folder, and folders that are either complete or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from automl_img.errors import DataError
from automl_img.paths import expanded_path

CACHE_VARIABLE = "AUTOML_IMG_CACHE"
STORES = "stores"  # prepared images
SPILLED = "images"  # that came out of other libraries
DOWNLOADS = "downloads"  # by sources
UNFINISHED = ".unfinished-"
ABANDONED_SECONDS = 24 * 3600.0  # an unfinished folder of this age belongs to a process that was killed

Keep = Callable[[Path], None]  # keeps a folder of the cache from being cleared


def cache_folder(given: Path | None = None) -> Path:
    """Return where things to be used again lie: ``given``, else the environment's AUTOML_IMG_CACHE, else the user's cache folder.

    It is absolute: runs note what lies in it, and are opened from other folders, too.

    Raises:
        UsageError: AUTOML_IMG_CACHE begins at the home folder of a user who is not there.
    """
    if given is not None:
        return given.absolute()
    if os.environ.get(CACHE_VARIABLE):
        return expanded_path(os.environ[CACHE_VARIABLE], where=CACHE_VARIABLE).absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("automl-img")).absolute()


def downloads_folder(source: str) -> Path:
    """Return where the source of this name keeps what it downloads; ``automl-img cache`` lists it."""
    return cache_folder() / DOWNLOADS / source


def entries_of(files: Iterable[str], cache: Path) -> set[Path]:
    """Return the entries of the folder ``cache`` in which these files lie; files elsewhere lie in none."""
    start = f"{cache}{os.sep}"
    names = {tuple(file[len(start) :].split(os.sep, 2)[:2]) for file in files if file.startswith(start)}
    return {cache.joinpath(*parts) for parts in names}


@contextlib.contextmanager
def in_use(folders: Iterable[Path] = ()) -> Iterator[Keep]:
    """Keep folders of the cache from being cleared as long as the block runs; what it gives keeps one more folder until then."""
    import fcntl

    with contextlib.ExitStack() as held:

        def keep(folder: Path) -> None:
            with contextlib.suppress(OSError):  # a file system without locks
                descriptor = os.open(folder, os.O_RDONLY)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # waits while somebody asks whether it is in use: a moment

        for folder in folders:
            keep(folder)
        yield keep


def is_in_use(folder: Path) -> bool:
    """Return whether a process of this machine is in :func:`in_use` of the folder, or is still writing it."""
    import fcntl

    if folder.name.startswith(UNFINISHED):
        return not _is_abandoned(folder)
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


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
    folder = parent / f"{UNFINISHED}{uuid.uuid4().hex}"
    folder.mkdir()  # with the rights that the umask leaves: others who share the cache read it when it is finished
    return folder


def discard(folder: Path) -> bool:
    """Remove a folder, and return whether nothing is left of it; a reader that has its files open keeps them."""
    try:
        doomed = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder.parent))
    except OSError:
        return False
    with contextlib.suppress(OSError):
        folder.rename(doomed / folder.name)
    shutil.rmtree(doomed, ignore_errors=True)
    return not (folder.exists() or doomed.exists())


def make_way(folder: Path) -> None:
    """Remove a folder that cannot be used, so that another takes its place.

    Raises:
        DataError: It stays, as that of another user may.
    """
    discard(folder)
    if folder.exists():
        try:
            owner = folder.owner()
        except (KeyError, OSError):
            owner = "unknown"
        raise DataError(
            "these images were prepared before, but cannot be read or replaced",
            where=str(folder),
            found=f"a folder of the user {owner}",
            hint=f"Remove it as that user, or name another folder in the environment variable {CACHE_VARIABLE}.",
        )


def _rename_unless_there(unfinished: Path, folder: Path) -> None:
    try:
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{UNFINISHED}*"):
        if _is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def _is_abandoned(unfinished: Path) -> bool:
    try:
        return time.time() - unfinished.stat().st_mtime > ABANDONED_SECONDS
    except OSError:  # it has got its name, or is gone
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
