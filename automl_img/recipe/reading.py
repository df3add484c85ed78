"""Reads recipes and turns every mistake in one into a line that names the file, the key and what would be right."""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from automl_img.errors import RecipeError, nearest
from automl_img.recipe.models import Recipe


def read_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe file.

    Args:
        path: A TOML file.
        overrides: Values by dotted key, such as ``{"budget.time": "5m"}``, that replace those of the file.

    Raises:
        RecipeError: The file is missing, is not TOML, or holds something a recipe does not allow.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecipeError("there is no such recipe", where=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe cannot be read: {error}", where=str(path)) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"this is not TOML: {error}", where=str(path)) from error
    content.setdefault("name", path.stem if re.fullmatch(r"[\w.-]+", path.stem) else "search")
    return recipe_from_mapping(content, overrides, file=path, text=text)


def recipe_from_mapping(
    content: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    text: str = "",
) -> Recipe:
    """Build a recipe from plain data; ``file`` and its ``text`` are for messages and for relative paths.

    Raises:
        RecipeError: Something in it is not allowed.
    """
    merged = override(content, overrides or {})
    try:
        recipe = Recipe.model_validate(merged)
    except ValidationError as error:
        raise _explain(error.errors()[0], file, text) from error
    return recipe if file is None else _from_its_folder(recipe, file.parent, overrides or {})


def _from_its_folder(recipe: Recipe, folder: Path, overrides: Mapping[str, Any]) -> Recipe:
    """Make the paths that stand in the file absolute; those that were given beside it start where the user is."""

    def absolute(path: str) -> str:
        return str((folder / Path(path).expanduser()).resolve())

    data, train, search = recipe.data, recipe.train, recipe.search
    if data.path is not None and "data.path" not in overrides:
        data = data.model_copy(update={"path": absolute(data.path)})
    if train.weights.endswith(".h5") and "train.weights" not in overrides:
        train = train.model_copy(update={"weights": absolute(train.weights)})
    if search.warm_start is not None and "search.warm_start" not in overrides:
        search = search.model_copy(update={"warm_start": absolute(search.warm_start)})
    return recipe.model_copy(update={"data": data, "train": train, "search": search})


def override(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested ``content`` with the values of dotted keys replaced.

    Raises:
        RecipeError: A key leads through something that is no table.
    """
    result = _copy(content)
    for key, value in overrides.items():
        table = result
        *parents, last = key.split(".") if not key.startswith("search.fixed.") else ["search", "fixed", key[13:]]
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise RecipeError("this key has no keys below it", where=key, found=parent)
        table[last] = value
    return result


def _copy(content: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _copy(value) if isinstance(value, Mapping) else value for key, value in content.items()}


def _explain(detail: ErrorDetails, file: Path | None, text: str) -> RecipeError:
    keys = [part for part in detail["loc"] if isinstance(part, str)]
    keys = [key for key in keys if not re.match(r"(literal|list|tuple|function|constrained|int|str|float|bool)\b", key)]
    where = _place(keys, file, text)
    if detail["type"] == "extra_forbidden":
        known = sorted(_table_at(keys[:-1]).model_fields)
        return RecipeError(f"unknown key {keys[-1]!r}", where=where, allowed=known, hint=nearest(keys[-1], known))
    message = detail["msg"].removeprefix("Value error, ")
    found = None if isinstance(detail["input"], Mapping | BaseModel) else detail["input"]
    hint = ""
    expected = re.search(r"Input should be (.*)", message)
    if detail["type"] == "literal_error" and isinstance(found, str):
        hint = nearest(found, re.findall(r"'([^']+)'", message))
    if expected:
        return RecipeError("this value is not allowed", where=where, found=found, allowed=expected.group(1), hint=hint)
    return RecipeError(message[:1].lower() + message[1:], where=where, found=found, hint=hint)


def _table_at(keys: Sequence[str]) -> type[BaseModel]:
    model: type[BaseModel] = Recipe
    for key in keys:
        annotation = model.model_fields[key].annotation
        candidates = [annotation, *typing.get_args(annotation)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return model


def _place(keys: Sequence[str], file: Path | None, text: str) -> str:
    dotted = ".".join(keys) or "recipe"
    if file is None:
        return dotted
    line = _line_of(keys, text)
    return f"{file}:{line}: {dotted}" if line else f"{file}: {dotted}"


def _line_of(keys: Sequence[str], text: str) -> int | None:
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        header = re.match(r"\[([^\[\]]+)\]", stripped)
        if header:
            table = [part.strip().strip("\"'") for part in header.group(1).split(".")]
            if table == list(keys):
                return number
        key = re.match(r"([\w.\"'-]+)\s*=", stripped)
        if key and [*table, *(part.strip("\"'") for part in key.group(1).split("."))] == list(keys):
            return number
    return None
