"""Files that a command is told to write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from automl_img.errors import UsageError


def refuse_place(path: Path, option: str) -> None:
    """Refuse a file that cannot be written before the work that fills it, which may take its time.

    Args:
        path: The file.
        option: What named it, such as "--out".

    Raises:
        UsageError: It is a folder, or its own folder is not there.
    """
    try:
        is_folder, has_folder = path.is_dir(), path.absolute().parent.is_dir()
    except OSError as error:
        raise _not_written(path, error) from error
    if is_folder:
        raise UsageError("this is a folder, not a file", where=option, found=str(path))
    if not has_folder:
        raise UsageError("the folder of this file is not there", where=option, found=str(path))


@contextlib.contextmanager
def writing(path: Path | None) -> Iterator[None]:
    """Say in a line why a file cannot be written; errors of other files, and of standard output (None), stay as they are.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        yield
    except OSError as error:
        if path is None or error.filename not in (None, str(path)):
            raise
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> UsageError:
    return UsageError(f"the file cannot be written: {error.strerror or error}", where=str(path))
