"""Paths that people write: ``~/photos`` is a folder of theirs."""

from __future__ import annotations

from pathlib import Path

from automl_img.errors import AutoMLImageError, UsageError


def expanded_path(path: str | Path, *, where: str = "", error: type[AutoMLImageError] = UsageError) -> Path:
    """Return the path with the home folder in the place of ``~`` and ``~name``.

    Args:
        path: A path as a person writes it.
        where: The place to name if it is wrong: a recipe key, an option, an environment variable.
        error: What to raise then.

    Raises:
        AutoMLImageError: The path begins at the home folder of a user who is not there; it is of the class ``error``.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as reason:
        hint = "Write the whole path."
        raise error("there is no such home folder", where=where, found=str(path), hint=hint) from reason
