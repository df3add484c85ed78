"""What a command prints, and files that it is told to write."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from automl_img.errors import AutoMLImageWarning, UsageError

#: Writes what an encoding cannot hold, such as bytes in names of files, as JSON escapes it: JSON on standard output stays JSON.
ESCAPES = "automl-img-escapes"
#: Writes bytes in names of files as they are, and what else an encoding cannot hold as :data:`ESCAPES` does.
BYTES = "automl-img-bytes"


def escape_what_cannot_be_printed() -> None:
    """Let standard output escape what it cannot hold; standard error does so by itself."""
    file: TextIO = sys.stdout
    if hasattr(file, "reconfigure"):
        file.reconfigure(errors=ESCAPES)


def _escaped_as_json(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)  # nothing is read with it
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _bytes_of_names(error: UnicodeError) -> tuple[bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    letter = error.object[error.start]
    if "\udc80" <= letter <= "\udcff":
        return bytes([ord(letter) - 0xDC00]), error.start + 1
    return json.dumps(letter)[1:-1].encode(), error.start + 1


codecs.register_error(ESCAPES, _escaped_as_json)
codecs.register_error(BYTES, _bytes_of_names)


def tell_in_one_line(word: str, style: str, text: str) -> None:
    """Write an error or a warning to standard error."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True, highlight=False).print(Text.assemble((word, style), f" {text}"))


@contextlib.contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Print our own warnings as errors are: one line on standard error, without the line of code that they come from."""
    shown = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, AutoMLImageWarning):
            tell_in_one_line("Warning:", "bold yellow", str(message))
        else:
            shown(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = shown


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


def refuse_recipe(path: Path, where: str) -> None:
    """Refuse a file in which no new recipe can be: other commands tell a recipe by its ending, and what is there stays.

    Args:
        path: The file.
        where: What named it, such as "--recipe".

    Raises:
        UsageError: Its name does not end in .toml, or it is there.
    """
    if path.suffix != ".toml":
        raise UsageError("a recipe's name ends in .toml", where=where, found=str(path))
    if os.path.exists(path):  # noqa: PTH110 - Path.exists raises where nobody may look
        raise UsageError("this file exists and is left as it is", where=str(path), hint="Give another name.")


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
