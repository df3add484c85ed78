"""Which plugins may be used: by their names, in a recipe or the environment, and by the version of the plugin API."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from automl_img.errors import named_reason_of

#: The version of what ``automl_img.plugin`` offers. The first number changes when plugins must be changed, the second when
#: there is more.
API_VERSION = "1.1"
#: By this name a plugin's module, or the package it is in, says which version it was made for.
DECLARATION = "AUTOML_IMG_API"
ONLY_VARIABLE = "AUTOML_IMG_PLUGINS_ONLY"
BLOCK_VARIABLE = "AUTOML_IMG_PLUGINS_BLOCK"
#: What a plugin may raise that costs it alone: sys.exit() too, and Ctrl-C not.
RAISED = (Exception, SystemExit)


@dataclass(frozen=True)
class Choice:
    """Which names are allowed; a name must be allowed everywhere.

    Attributes:
        only: Place, such as "[plugins] only" → the names that it allows.
        block: Place → the names that it blocks.
    """

    only: Mapping[str, frozenset[str]]
    block: Mapping[str, frozenset[str]]

    def refusal(self, name: str) -> str:
        """Return why plugins of a name are left out, or an empty text."""
        for place, names in self.block.items():
            if name in names:
                return f"blocked by {place}"
        for place, names in self.only.items():
            if name not in names:
                return f"not among {place}"
        return ""


def choice(only: Iterable[str] | None, block: Iterable[str], environment: Mapping[str, str] = os.environ) -> Choice:
    """Return what a recipe and the environment allow together.

    Args:
        only: The recipe's ``[plugins] only``; None: all.
        block: The recipe's ``[plugins] block``.
        environment: May hold AUTOML_IMG_PLUGINS_ONLY and AUTOML_IMG_PLUGINS_BLOCK: names with commas or spaces between them.
    """
    allowed = {} if only is None else {"[plugins] only": frozenset(only)}
    if names := _names(environment.get(ONLY_VARIABLE, "")):
        allowed[ONLY_VARIABLE] = names
    blocked = {"[plugins] block": frozenset(block), BLOCK_VARIABLE: _names(environment.get(BLOCK_VARIABLE, ""))}
    return Choice(allowed, blocked)


def _names(text: str) -> frozenset[str]:
    return frozenset(text.replace(",", " ").split())


def other_version(module: ModuleType) -> str:
    """Return why a module was made for another version of the plugin API than this one, or an empty text.

    A module that raises when it is asked is not for this version either.
    """
    package = sys.modules.get(module.__name__.partition(".")[0])
    try:
        return _refusal(getattr(module, DECLARATION, None) or getattr(package, DECLARATION, None))
    except RAISED as error:
        return f"asked for its {DECLARATION}, it raised {named_reason_of(error)}"


def other_version_in_file(name: str) -> str:
    """As :func:`other_version`, for a module that could not be imported, from the text of its file.

    A plugin made for a later version fails in its first import, of something that is not here: its reason is the version.
    """
    try:
        spec = importlib.util.find_spec(name.partition(":")[0])
        text = Path(spec.origin).read_text(encoding="utf-8") if spec is not None and spec.origin else ""
    except RAISED:  # its package cannot be imported, or it is no file: the import's own error is told
        return ""
    found = re.search(rf"^{DECLARATION}\s*(?::[^=]+)?=\s*[\"'](.+?)[\"']", text, re.MULTILINE)
    return _refusal(found[1]) or _lack(found[1]) if found else ""


def _refusal(declared: object) -> str:
    if declared is None:
        return ""
    major = str(declared).partition(".")[0].strip()
    if major == API_VERSION.partition(".")[0]:
        return ""
    if not major.isdecimal():
        return f'its {DECLARATION} is {declared!r}, and should be a version such as "{API_VERSION}"'
    later = int(major) > int(API_VERSION.partition(".")[0])
    return _told(declared, "install a newer automl-img" if later else "install a newer version of the plugin")


def _lack(declared: str) -> str:
    """Why a module of a later minor version could not be imported: it needs what is not here yet."""
    minor = declared.partition(".")[2]
    later = minor.isdecimal() and int(minor) > int(API_VERSION.partition(".")[2])
    return _told(declared, "install a newer automl-img") if later else ""


def _told(declared: object, remedy: str) -> str:
    return f"it was made for version {declared} of the plugin API, this is {API_VERSION}: {remedy}"
