"""Replaces files so that a crash leaves the old or the new one, never half of one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

NAMES = 10**12  # that a temporary file may have


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` with the same ending; at the end it is synced and takes the place of ``path``.

    It is new and empty, with the rights that the umask leaves, and hidden. The folder may be somebody else's: no link that waits there
    is followed, for the name cannot be foreseen, and one that is taken all the same is an error.

    Raises:
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.randbelow(NAMES)}.{path.name}")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
