"""Keeps a second driver from a run folder, and tells who the first one is."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import IO

from automl_img.errors import RunFolderError

LOCK_FILE = "driver.lock"


class RunLock:
    """Held by the one driver of a run; the operating system frees it when the process ends, however it ends.

    Args:
        folder: The run folder.

    Raises:
        RunFolderError: Another process drives this run, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        try:
            taken = self._open()
            if taken:
                self._sign()
        except OSError as error:
            raise RunFolderError(f"the run folder cannot be written: {error.strerror}", where=str(folder)) from error
        if not taken:
            self._file.close()
            raise RunFolderError(
                "this search is running",
                where=str(folder),
                found=driver_of(folder),
                hint="`automl-img status RUN` shows it, `automl-img stop RUN` ends it in good order.",
            )

    def _sign(self) -> None:
        """Write who drives the run, for others who ask."""
        try:
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}")
            self._file.flush()
        except OSError:
            with contextlib.suppress(OSError):  # it tries once more to write, and is closed all the same
                self._file.close()
            raise

    def _open(self) -> bool:
        self._file = self._path.open("a+", encoding="utf-8")
        while (taken := _take(self._file) is not False) and not self._is_there():  # its last holder has just removed it
            self._file.close()
            self._file = self._path.open("a+", encoding="utf-8")
        return taken

    def release(self) -> None:
        """Let another driver take the run."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False


def driver_of(folder: Path) -> str:
    """Return who drives a run now, such as "process 17 on host"; empty if nobody does, or if that cannot be told."""
    try:
        with (folder / LOCK_FILE).open(encoding="utf-8") as file:
            return (file.read() or "another process") if _take(file, shared=True) is False else ""
    except OSError:
        return ""


def may_be_driven(folder: Path) -> bool:
    """Whether somebody may drive a run: its file lies there, perhaps left over, and whether it is locked cannot be told here."""
    try:
        with (folder / LOCK_FILE).open(encoding="utf-8") as file:
            return _take(file, shared=True) is None
    except OSError as error:
        return not isinstance(error, FileNotFoundError)


def _take(file: IO[str], *, shared: bool = False) -> bool | None:
    """Whether the lock could be had, None: that cannot be told; ``shared``: with others who only ask, and may only read the file."""
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: nothing can be known of another driver
        return None
    return True
