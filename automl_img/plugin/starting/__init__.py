"""Writes the distribution of a new plugin: a small real plugin with its entry point, its test and a page, to change from there."""

from __future__ import annotations

import importlib.util
import keyword
import re
from pathlib import Path

from automl_img.errors import UsageError
from automl_img.plugin.choosing import API_VERSION
from automl_img.plugin.manager import refuse_unknown_kind

TEMPLATES = Path(__file__).parent / "templates"


def write_distribution(name: str, kind: str, folder: Path) -> list[Path]:
    """Write a distribution with one plugin into a new folder.

    Args:
        name: The plugin's: lower case letters, digits and underscores.
        kind: One of the kinds of plugins, such as "architecture".
        folder: Where; it must not exist.

    Returns:
        The files.

    Raises:
        UsageError: The name or the kind is none, the folder exists, or another module has the name.
    """
    refuse_unknown_kind(kind)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        allowed = "lower case letters, digits and underscores, a letter first"
        raise UsageError("a plugin cannot have this name", where="NAME", found=name, allowed=allowed)
    module = f"automl_img_{name}"
    if importlib.util.find_spec(module) is not None:
        raise UsageError(f"there is a module {module} already", where="NAME", found=name, hint="Choose another name.")
    files = {
        "pyproject.toml": "pyproject.toml.jinja",
        "README.md": "README.md.jinja",
        f"{module}.py": f"{kind}.py.jinja",
        f"test_{name}.py": f"test_{kind}.py.jinja",
    }
    texts = {file: _rendered(template, name, kind, module) for file, template in files.items()}
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise UsageError(
            "it exists already", where=str(folder), hint="Choose another name, or move it away."
        ) from error
    except OSError as error:
        raise UsageError(f"the folder cannot be made: {error.strerror or error}", where=str(folder)) from error
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in texts]


def _rendered(template: str, name: str, kind: str, module: str) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    # Not escaped, as pages are: the name is checked, and what is written is Python and TOML.
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, undefined=StrictUndefined, keep_trailing_newline=True)
    values = {
        "name": name,
        "kind": kind,
        "module": module,
        "class_name": _class_name(name, kind),
        "distribution": module.replace("_", "-").strip("-"),
        "api": API_VERSION,
    }
    return environment.get_template(template).render(**values)


def _class_name(name: str, kind: str) -> str:
    """Return the name as classes have it, with the kind behind it where Python or the files have another use for it."""
    found = "".join(part.capitalize() for part in name.split("_"))
    texts = ((TEMPLATES / f"{file}.py.jinja").read_text(encoding="utf-8") for file in (kind, f"test_{kind}"))
    imports = [line for text in texts for line in text.splitlines() if line.startswith(("from ", "import "))]
    imported = re.findall(r"\w+", " ".join(imports))
    return f"{found}{kind.capitalize()}" if keyword.iskeyword(found) or found in imported else found
