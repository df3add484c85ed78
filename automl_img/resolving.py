"""What a search is given, of whatever kind, as a recipe, images if they were given as such, and a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from automl_img.errors import RecipeError, UsageError
from automl_img.paths import expanded_path
from automl_img.plugin import ImageDataset, PluginRegistry, discover, nearest
from automl_img.plugin.trust import refuse_strange_modules
from automl_img.recipe import Recipe, override, read_recipe, recipe_from_mapping


def resolve(dataset: Any, overrides: Mapping[str, Any]) -> tuple[Recipe, ImageDataset | None]:
    """Turn what :func:`automl_img.fit` or the command line was given into a recipe, and images if they were given as such.

    Raises:
        UsageError: It is nothing that images can come from.
        RecipeError: A recipe or a setting is wrong.
        DataError: Arrays do not hold labelled images.
    """
    if isinstance(dataset, ImageDataset):
        return _made_recipe({"name": _slug(dataset.name)}, overrides), dataset
    if isinstance(dataset, tuple) and len(dataset) == 2:
        from automl_img.data.arrays import dataset_from_arrays

        return _made_recipe({"name": "arrays"}, overrides), dataset_from_arrays(*dataset)
    if isinstance(dataset, Recipe):
        content = dataset.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return recipe_from_mapping(content, overrides), None
    if not isinstance(dataset, str | Path):
        return _resolve_object(dataset, overrides)
    return _resolve_name(str(dataset), overrides), None


def resolve_again(dataset: Any, recipe: Recipe, run: str | Path) -> ImageDataset | None:
    """Read an object that a search of ``run`` goes on with as it was read when the search began."""
    modules = recipe.plugins.modules
    refuse_strange_modules(modules, where=str(run))
    kept = {"data.options": recipe.data.options, "data.task": recipe.data.task, "plugins.modules": modules}
    return resolve(dataset, kept)[1]


def _resolve_object(data: Any, overrides: Mapping[str, Any]) -> tuple[Recipe, ImageDataset]:
    """Ask the sources for one that knows this object of another library."""
    for source in _registry(overrides).all("source"):
        if source.accepts_object(data):
            recipe = _made_recipe({"name": source.name, "data": {"source": source.name}}, overrides)
            return recipe, source.convert(data, {**recipe.data.options, "task": recipe.data.task})
    raise UsageError(
        "labelled images cannot come from this",
        where="dataset",
        found=type(data).__name__,
        allowed="a path, the name of a source, a recipe, a pair (x, y) of arrays, an ImageDataset, a pandas DataFrame, a tf.data.Dataset, "
        "a Hugging Face dataset",
    )


def _resolve_name(name: str, overrides: Mapping[str, Any]) -> Recipe:
    path = expanded_path(name)
    if path.suffix == ".toml":
        return read_recipe(path, overrides)
    registry = _registry(overrides)
    sources = registry.names("source")
    if name in sources:
        return _made_recipe({"name": name, "data": {"source": name}}, overrides)
    if not path.exists():
        raise UsageError(
            "this is no recipe, no folder and no source",
            found=name,
            allowed=f"a .toml file, a path, or {', '.join(sources)}",
            hint=nearest(name, sources),
        )
    for source in sorted(registry.all("source"), key=lambda source: source.general):
        if source.accepts(path):
            return _made_recipe(
                {"name": _slug(path.absolute().stem), "data": {"source": source.name, "path": str(path.absolute())}},
                overrides,
            )
    raise UsageError(
        "no source can read this",
        found=name,
        hint="A folder needs one sub-folder for each class, a table a first line that names its columns; see automl-img plugins.",
    )


def _registry(overrides: Mapping[str, Any]) -> PluginRegistry:
    modules = overrides.get("plugins.modules", ())
    return discover(modules=modules if isinstance(modules, list | tuple) else ())


def _made_recipe(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> Recipe:
    made: dict[str, Any] = {**content}
    if not any(key.startswith("budget.") for key in overrides):
        made["budget"] = {"time": "10m"}
    data = dict(made.get("data", {}))
    data.setdefault("test", 0.1)
    made["data"] = data
    return recipe_from_mapping(override(made, {}), overrides)


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() or c in "_-." else "-" for c in name) or "search"


def run_path(recipe: Recipe, out: str | Path | None = None) -> Path:
    """The run folder: ``out``, the recipe's, or a new one under ``runs/``.

    Raises:
        UsageError: ``out`` begins at the home folder of a user who is not there.
        RecipeError: The recipe's does.
    """
    if out is not None:
        return expanded_path(out, where="out")
    if recipe.output.folder is not None:
        return expanded_path(recipe.output.folder, where="output.folder", error=RecipeError)
    return Path("runs") / f"{recipe.name}-{datetime.now():%Y%m%d-%H%M%S}"
