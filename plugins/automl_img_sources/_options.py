"""Reads options that list several things."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from automl_img.plugin import DataError


def listed(options: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return what an option lists, as a list or as a text with commas; nothing if it is not set.

    Raises:
        DataError: It is something else.
    """
    given = options.get(key)
    if given is None or given == "":
        return ()
    if not isinstance(given, Iterable):
        allowed = "a list, or a text with commas"
        raise DataError("this is no list", where=f"data.options.{key}", found=given, allowed=allowed)
    return tuple(map(str.strip, given.split(",")) if isinstance(given, str) else map(str, given))
