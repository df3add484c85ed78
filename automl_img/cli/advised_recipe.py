"""Writes what an inspection advises as a recipe, each choice with its reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from automl_img.data.inspection import Inspection
from automl_img.data.inspection.advice import Advice, Point
from automl_img.errors import RecipeError
from automl_img.paths import expanded_path
from automl_img.recipe import Recipe, recipe_from_mapping

#: Key of a recipe → topic of the advice on it.
TOPICS = {
    "data.task": "task",
    "data.image_size": "image size",
    "data.test": "test",
    "budget.time": "budget",
    "train.imbalance": "class weights",
}


def advised_recipe(recipe: Recipe, found: Inspection, advice: Advice, *, file: Path, kept: Collection[str]) -> str:
    """Return the text of a complete recipe, with the reasons in comments.

    Advice that a recipe does not allow beside what a person has set is left out, and a comment says why.

    Args:
        recipe: Where the images come from, and what else was set.
        found: What was found in them.
        advice: What to do with them.
        file: Where it will be written: a path below its folder is written relative to it.
        kept: Keys, dotted, that a person has set: they stay as they are, whatever is advised.
    """
    from automl_img.cli.init import commented_recipe, path_from

    if any(key.startswith("budget.") for key in kept):  # who has set one limit has chosen the budget
        kept = {*kept, "budget.time"}
    chosen = recipe.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    data = chosen.setdefault("data", {})
    data["source"] = recipe.data.source
    for (table, key), path in recipe.paths().items():
        chosen.setdefault(table, {})[key] = path_from(file, expanded_path(path))
    if "data.test" not in kept:
        data.pop("test", None)
    refused: dict[str, str] = {}
    advised = [(table, key, value) for table, settings in advice.settings().items() for key, value in settings.items()]
    for table, key, value in advised:
        if f"{table}.{key}" not in kept:
            with_it = {**chosen, table: {**chosen.get(table, {}), key: value}}
            if why := _why_refused(with_it):
                refused[f"{table}.{key}"] = why
            else:
                chosen = with_it
    return commented_recipe(chosen, reasons=_reasons(advice, kept, refused), title=_title(found))


def keys_set(content: Mapping[str, Any], prefix: str = "") -> set[str]:
    """Return the dotted keys of nested ``content``."""
    keys = set()
    for key, value in content.items():
        keys |= {f"{prefix}{key}"} | (keys_set(value, f"{prefix}{key}.") if isinstance(value, Mapping) else set())
    return keys


def _why_refused(content: Mapping[str, Any]) -> str:
    """Say why these settings make no recipe; empty: they make one."""
    try:
        recipe_from_mapping(content)
    except RecipeError as error:
        return error.problem
    return ""


def _reasons(advice: Advice, kept: Collection[str], refused: Mapping[str, str]) -> dict[str, list[str]]:
    points = {point.topic: point for point in advice.points}
    reasons = {
        key: [_reason(points[topic], refused.get(key))]
        for key, topic in TOPICS.items()
        if key not in kept and topic in points
    }
    changes = [point for point in advice.points if point.topic not in TOPICS.values()]
    reasons["search.augmentations"] = [
        _sentence(f"{point.topic}: {point.answer}; {point.reason}") for point in changes
    ] + ["The search leaves out what its own networks find unsafe."]
    return reasons


def _reason(point: Point, refused: str | None) -> str:
    return _sentence(f"{point.answer}: {point.reason}" if refused is None else f"left out: {point.answer}; {refused}")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _title(found: Inspection) -> list[str]:
    images = ", ".join(f"{count:,} {split}" for split, count in found.images.items())
    lines = [
        f"{found.name}: {len(found.class_names):,} classes, {images}; looked at by automl-img analyse.",
        found.verdict,
        *(f"- {sentence}" for sentence in found.warnings),
    ]
    return [*lines, "", "What is commented out is the default."]
