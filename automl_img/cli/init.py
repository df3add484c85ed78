"""``automl-img init``."""

from __future__ import annotations

import json
import os
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from automl_img.cli.output import refuse_recipe, writing

TITLE = "A recipe of automl-img. What is commented out is the default."


def init(
    file: Annotated[Path, typer.Argument(help="The recipe to write; its name ends in .toml.")] = Path("recipe.toml"),
    source: Annotated[str, typer.Option(help="Where the images come from: the name of a source.")] = "folder",
    path: Annotated[str | None, typer.Option(help="Where the images are, for sources that need it.")] = None,
    budget: Annotated[str, typer.Option(help="Wall time of the search.")] = "10m",
) -> None:
    """Write a recipe with every key explained; what is commented out is the default."""
    from automl_img.paths import expanded_path
    from automl_img.plugin.manager import discover
    from automl_img.recipe import recipe_from_mapping

    refuse_recipe(file, "FILE")
    discover().get("source", source, where="--source")
    chosen: dict[str, Any] = {"data": {"source": source}, "budget": {"time": budget}}
    if path:
        chosen["data"]["path"] = path_from(file, expanded_path(path, where="--path"))
    elif source == "folder":
        chosen["data"]["path"] = "photos"
    recipe_from_mapping(chosen)
    with writing(file):
        file.write_text(commented_recipe(chosen), encoding="utf-8")
    print(f"{file} is written. Check it with: automl-img recipe check {file}")


def path_from(file: Path, path: Path) -> str:
    """Return how the recipe ``file`` names ``path``: relative to its folder if it lies below that, else whole."""
    folder, absolute = file.resolve().parent, path.resolve()
    return os.path.relpath(absolute, folder) if absolute.is_relative_to(folder) else str(absolute)


def commented_recipe(
    chosen: dict[str, Any], *, reasons: Mapping[str, Sequence[str]] | None = None, title: Sequence[str] = (TITLE,)
) -> str:
    """The text of a recipe that sets ``chosen`` and explains all other keys in comments.

    Args:
        chosen: The recipe as nested data.
        reasons: Dotted key → more lines to write above it.
        title: The lines that it begins with.
    """
    from automl_img.recipe import Recipe

    lines = [_comment(line) for line in title]
    _write_table(Recipe, "", chosen, reasons or {}, lines)
    return "\n".join(lines) + "\n"


def _write_table(
    model: Any, prefix: str, chosen: dict[str, Any], reasons: Mapping[str, Sequence[str]], lines: list[str]
) -> None:
    from pydantic import BaseModel

    below = []
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *typing.get_args(field.annotation))
        inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if inner is not None:
            below.append((name, inner))
            continue
        lines.append(_comment(field.description or ""))
        lines += map(_comment, reasons.get(f"{prefix}{name}", ()))
        if name in chosen:
            lines.append(f"{name} = {as_toml(chosen[name])}")
        else:
            default = field.get_default(call_default_factory=True)
            shown = f" {as_toml(default)}" if default is not None else ""
            lines.append(f"# {name} ={shown}")
    for name, inner in below:
        about = (inner.__doc__ or "").strip().split(": ", 1)[-1]
        lines += ["", f"# {about[:1].upper()}{about[1:]}", f"[{prefix}{name}]"]
        _write_table(inner, f"{prefix}{name}.", chosen.get(name, {}), reasons, lines)


def _comment(text: str) -> str:
    """Return ``text`` as a comment of one line, whatever is in it: TOML allows no control characters there."""
    return f"# {''.join(c if c.isprintable() else '�' for c in text)}".rstrip()


def as_toml(value: Any) -> str:
    """Return a value as a recipe has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_toml(key)} = {as_toml(item)}" for key, item in value.items()) + "}"
    return str(value)
