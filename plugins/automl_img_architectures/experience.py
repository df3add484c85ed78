"""What searches on data of several kinds have found out about these families: a search on other data begins with the most promising.

``experience.json`` beside this module is made by ``benchmarks/portfolio/build.py``. A search on the very images that an entry is about does
not learn from it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from automl_img.plugin import hookimpl

FILE = Path(__file__).with_name("experience.json")


@hookimpl
def register_experience(register: Callable[[Path], None]) -> None:
    """Register the file."""
    register(FILE)
