"""Reads JSON files and files with one JSON object a line, and says where one is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automl_img.plugin import DataError


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: There is no such file, or it is no JSON in UTF-8; says the line.
    """
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise _broken(path, error.lineno, error) from error
    except RecursionError as error:
        raise DataError("this is no annotation file: it is nested too deeply", where=str(path)) from error


def read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of each line that is not blank.

    Raises:
        DataError: There is no such file, or a line is no JSON object in UTF-8.
    """
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise _broken(path, number, error) from error
        if not isinstance(content, dict):
            raise DataError(
                "a line is no JSON object", where=f"{path}, line {number}", found=type(content).__name__, allowed="{…}"
            )
        yield number, content


def first_object(path: Path, endings: tuple[str, ...]) -> dict[str, Any]:
    """Return the object in the first line of a file, {} if there is none; for a cheap look."""
    if path.suffix.lower() not in endings or not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            content = json.loads(file.readline(1_000_000).decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def file_start(path: Path, length: int = 4096) -> str:
    """Return the beginning of a file as text, empty if it cannot be read; for a cheap look."""
    try:
        with path.open("rb") as file:
            return file.read(length).decode("utf-8-sig", errors="replace")
    except OSError:
        return ""


def _text(path: Path) -> str:
    if not path.is_file():
        problem = "this is a folder, not a file" if path.is_dir() else "there is no such file"
        raise DataError(problem, where=str(path))
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError("the file is not encoded in UTF-8", where=f"{path}, line {line}") from error


def _broken(path: Path, line: int, error: Exception) -> DataError:
    reason = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deeply"
    return DataError(f"this is no JSON, or it is cut off: {reason}", where=f"{path}, line {line}")
