"""Reads recipes and turns every mistake in one into a line that names the file, the key and what would be right."""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from automl_img.errors import RecipeError, nearest
from automl_img.paths import expanded_path
from automl_img.recipe.models import Recipe

NOUNS = {int: "whole number", float: "number", str: "text"}


def read_recipe(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe file.

    Args:
        path: A TOML file.
        overrides: Values by dotted key, such as ``{"budget.time": "5m"}``, that replace those of the file.

    Raises:
        RecipeError: The file is missing, is not TOML, or holds something a recipe does not allow.
    """
    path = expanded_path(path, error=RecipeError)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Notepad begins a file with a byte order mark
    except FileNotFoundError as error:
        raise RecipeError("there is no such recipe", where=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe cannot be read: {error}", where=str(path)) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"this is not TOML: {error}", where=str(path)) from error
    content.setdefault("name", path.stem if is_name(path.stem) else "search")
    return recipe_from_mapping(content, overrides, file=path, text=text)


def is_name(text: str) -> bool:
    """Whether a recipe may be called so. Its model alone says that: Python takes more signs for letters and digits, such as "²"."""
    try:
        Recipe.model_validate({"name": text})
    except ValidationError:
        return False
    return True


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
        detail = error.errors()[0]
        in_file = file is not None and not _is_given_beside(detail, content, overrides or {})
        raise _explain(detail, file if in_file else None, text) from error
    return _with_whole_paths(recipe, file, text, overrides or {})


def _with_whole_paths(recipe: Recipe, file: Path | None, text: str, overrides: Mapping[str, Any]) -> Recipe:
    """Make paths absolute: those that stand in the file start at its folder, those that were given beside it where the user is.

    Without a file the others stay as they are.
    """

    changed: dict[str, Any] = {}
    for (table, key), path in recipe.paths().items():
        is_given = _is_given(f"{table}.{key}", overrides)
        if file is None and not is_given:
            continue
        in_file = None if is_given else file
        expanded = expanded_path(path, where=_place((table, key), in_file, text), error=RecipeError)
        whole = (in_file.parent / expanded if in_file else expanded).resolve()
        changed[table] = getattr(recipe, table).model_copy(update={key: str(whole)})
    return recipe.model_copy(update=changed)


def _is_given(dotted: str, overrides: Mapping[str, Any]) -> bool:
    """Whether a key, or what it lies in, was given beside the file."""
    return any(f"{dotted}.".startswith(f"{key}.") for key in overrides)


def override(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested ``content`` with the values of dotted keys replaced; the tables among these are copied, too.

    Raises:
        RecipeError: A key leads through something that is no table.
    """
    result: dict[str, Any] = _copied(content)
    for key, value in overrides.items():
        table = result
        *parents, last = key.split(".") if not key.startswith("search.fixed.") else ["search", "fixed", key[13:]]
        for parent in parents:
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                raise RecipeError("this key has no keys below it", where=key, found=parent)
        table[last] = _copied(value)
    return result


def _copied(value: Any) -> Any:
    """Return a table with copies of the tables in it, so that what is written into them is not written into the given ones."""
    return {key: _copied(below) for key, below in value.items()} if isinstance(value, Mapping) else value


def _explain(detail: ErrorDetails, file: Path | None, text: str) -> RecipeError:
    keys, kind = _walked(detail["loc"])
    where = _place(keys, file, text)
    if detail["type"] == "extra_forbidden":
        known = sorted(_walked(keys[:-1])[1].model_fields)
        return RecipeError(f"unknown key {keys[-1]!r}", where=where, allowed=known, hint=nearest(keys[-1], known))
    if keys[:2] == ["search", "fixed"] and (inner := _names_within(detail["input"])):
        name = ".".join([*keys[2:], *inner])
        problem = "without quotation marks the dots in the name of a hyperparameter make tables of it"
        hint = f'Under [search.fixed], write the name as "{name}".'
        return RecipeError(problem, where=_place([*keys, *inner], file, text), hint=hint)
    message = detail["msg"].removeprefix("Value error, ")
    found = None if isinstance(detail["input"], Mapping | BaseModel) else detail["input"]
    hint = ""
    expected = re.search(r"Input should be (.*?)(?:, unable to parse .*)?$", message)
    if detail["type"] == "literal_error" and isinstance(found, str):
        hint = nearest(found, re.findall(r"'([^']+)'", message))
    if expected:
        allowed = _choices(kind) or expected.group(1)  # of several types Pydantic has an error for each
        return RecipeError("this value is not allowed", where=where, found=found, allowed=allowed, hint=hint)
    return RecipeError(message[:1].lower() + message[1:], where=where, found=found, hint=hint)


def _names_within(table: Any) -> list[str]:
    """Return the keys that lead through a table and the first of those below it; none: it is no table, or an empty one."""
    if not isinstance(table, Mapping) or not table:
        return []
    key, below = next(iter(table.items()))
    return [str(key), *_names_within(below)]


def _is_given_beside(detail: ErrorDetails, content: Mapping[str, Any], overrides: Mapping[str, Any]) -> bool:
    """Whether what is wrong was given beside the file: the key, or what it lies in, or what alone makes the file wrong."""
    dotted = ".".join(_walked(detail["loc"])[0])
    if _is_given(dotted, overrides):
        return True
    try:
        Recipe.model_validate(override(content, {}))
    except ValidationError as error:
        return all((one["loc"], one["msg"]) != (detail["loc"], detail["msg"]) for one in error.errors())
    return True


def _walked(place: Sequence[int | str]) -> tuple[list[str], Any]:
    """Return the keys with which a place of pydantic begins, and the type of what they lead to; None: there is no such key.

    Behind the keys stand branches of unions and positions in lists.
    """
    keys: list[str] = []
    kind: Any = Recipe
    for part in place:
        if typing.get_origin(kind) is dict:
            kind = typing.get_args(kind)[1]
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            field = kind.model_fields.get(str(part))
            kind = field.annotation if field else None
        else:
            break
        keys.append(str(part))
    return keys, kind


def takes_text(dotted: str) -> bool:
    """Whether the key of this dotted name holds a text and nothing else; an unknown key holds nothing."""
    return _walked(dotted.split("."))[1] in (str, str | None)


def _choices(kind: Any) -> str:
    """Say what a value of several types may be, such as "'auto' or a whole number"; empty for one type."""
    branches = [branch for branch in typing.get_args(kind) if branch is not types.NoneType]
    if typing.get_origin(kind) not in (typing.Union, types.UnionType) or len(branches) < 2:
        return ""
    words = [_in_words(branch) for branch in branches]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _in_words(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(map(repr, parts))
    if origin in (list, tuple):
        count = f"{len(parts)} " if origin is tuple else ""
        return f"a list of {count}{NOUNS[parts[0]]}s"
    return "true or false" if kind is bool else f"a {NOUNS[kind]}"


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
