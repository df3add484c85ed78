"""Fills the templates of pages; whatever comes from data is escaped."""

from __future__ import annotations

import shlex
from typing import Any


def render(template: str, *, package: str = "automl_img.report", **values: Any) -> str:
    """Return a template of a package filled with ``values``; bytes in names of files that are no text become question marks."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from automl_img.recipe import duration_text

    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"grouped": lambda number: f"{number:,}", "duration": duration_text}
    environment.filters |= {"quoted": shlex.quote, "literal": repr}  # of a text, for a shell and for Python
    text = environment.get_template(template).render(**values)
    return text.strip().encode("utf-8", "replace").decode("utf-8") + "\n"
