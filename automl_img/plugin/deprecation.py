"""Names of the plugin API that are to go: each works for one more minor version, and warns with what to use instead."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outgoing:
    """A name of ``automl_img.plugin`` that is to go.

    Attributes:
        value: What it means still.
        instead: What to use, in code.
        since: The version of the plugin API that warns of it; the next minor version has it no more.
    """

    value: Any
    instead: str
    since: str

    @property
    def gone(self) -> str:
        """The version of the plugin API that has it no more."""
        major, minor = self.since.split(".")
        return f"{major}.{int(minor) + 1}"


#: Name → what becomes of it. A hook that is to go warns by pluggy: ``hookspec(warn_on_impl=DeprecationWarning(...))``.
OUTGOING: dict[str, Outgoing] = {}


def outgoing(name: str) -> Any:
    """Return what a name that is to go means still, and warn the module that uses it.

    Raises:
        AttributeError: The name is none of them.
    """
    found = OUTGOING.get(name)
    if found is None:
        raise AttributeError(f"module 'automl_img.plugin' has no attribute {name!r}")
    text = f"automl_img.plugin.{name} goes away with version {found.gone} of the plugin API: use {found.instead}"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return found.value
