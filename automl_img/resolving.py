"""What a search is given, of whatever kind, as a recipe, images if they were given as such, and a run folder."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from automl_img.errors import AutoMLImageError, AutoMLImageWarning, RecipeError, UsageError, named_reason_of
from automl_img.paths import expanded_path
from automl_img.plugin import ImageDataset, PluginRegistry, discover, nearest
from automl_img.plugin.choosing import RAISED
from automl_img.plugin.trust import refuse_strange_modules
from automl_img.recipe import Recipe, is_name, override, read_recipe, recipe_from_mapping


def resolve(dataset: Any, overrides: Mapping[str, Any]) -> tuple[Recipe, ImageDataset | None]:
    """Turn what :func:`automl_img.fit` or the command line was given into a recipe, and images if they were given as such.

    Raises:
        UsageError: It is nothing that images can come from.
        RecipeError: A recipe or a setting is wrong.
        PluginError: The source of an object does not have an option that it is given.
        DataError: Arrays do not hold labelled images.
    """
    if isinstance(dataset, ImageDataset):
        return _made_recipe({"name": _slug(dataset.name)}, overrides), dataset
    if isinstance(dataset, tuple) and len(dataset) == 2:
        from automl_img.data.arrays import dataset_from_arrays

        (x, y), test = dataset if all(map(_is_split, dataset)) else (dataset, None)
        return _made_recipe({"name": "arrays"}, overrides), dataset_from_arrays(x, y, test=test)
    if isinstance(dataset, Recipe):
        content = dataset.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return recipe_from_mapping(content, overrides), None
    if not isinstance(dataset, str | Path):
        return _resolve_object(dataset, overrides)
    return _resolve_name(dataset, overrides), None


def _is_split(part: Any) -> bool:
    """Whether this is an array of images with their labels; of two labels none is an array of that many axes."""
    return isinstance(part, tuple) and len(part) == 2 and getattr(part[0], "ndim", 0) >= 3


def resolve_again(dataset: Any, recipe: Recipe, run: str | Path) -> ImageDataset | None:
    """Read an object that a search of ``run`` goes on with as it was read when the search began."""
    refuse_strange_modules(recipe.plugins.modules, where=str(run))
    plugins = {f"plugins.{key}": value for key, value in recipe.plugins.model_dump().items()}
    return resolve(dataset, {"data.options": recipe.data.options, "data.task": recipe.data.task, **plugins})[1]


def _resolve_object(data: Any, overrides: Mapping[str, Any]) -> tuple[Recipe, ImageDataset]:
    """Ask the sources for one that knows this object of another library."""
    from automl_img.search.checking import refuse_unknown_options

    source = _first(_registry(overrides).all("source"), lambda source: source.accepts_object(data))
    if source is not None:
        recipe = _made_recipe({"name": source.name, "data": {"source": source.name}}, overrides)
        refuse_unknown_options(source, "source", "data.options", recipe.data.options)
        return recipe, source.convert(data, {**recipe.data.options, "task": recipe.data.task})
    raise UsageError(
        "labelled images cannot come from this",
        where="dataset",
        found=type(data).__name__,
        allowed="a path, the name of a source, a recipe, a pair (x, y) of arrays, two such pairs, an ImageDataset, a pandas DataFrame, "
        "a tf.data.Dataset, a Hugging Face dataset",
    )


def _resolve_name(given: str | Path, overrides: Mapping[str, Any]) -> Recipe:
    name, path = str(given), expanded_path(given)
    if path.suffix == ".toml":
        return read_recipe(path, overrides)
    registry = _registry(overrides)
    sources = registry.names("source")
    if name in sources and isinstance(given, str):
        _tell_of_a_path_of_that_name(name, path)
        return _made_recipe({"name": name, "data": {"source": name}}, overrides)
    if not _is_there(path):
        if any((record.kind, record.name) == ("source", name) for record in registry.left_out):
            registry.get("source", name)  # raises, and says why it was left out
        raise UsageError(
            "this is no recipe, no folder and no source",
            found=name,
            allowed=f"a .toml file, a path, or {', '.join(sources)}",
            hint=f'A source is named by text: "{name}".' if name in sources else nearest(name, sources),
        )
    source = _first(
        sorted(registry.all("source"), key=lambda source: source.general), lambda source: source.accepts(path)
    )
    if source is not None:
        return _made_recipe(
            {"name": _slug(path.absolute().stem), "data": {"source": source.name, "path": str(path.absolute())}},
            overrides,
        )
    raise UsageError(
        "no source can read this",
        found=name,
        hint="A folder needs one sub-folder for each class, a table a first line that names its columns; see automl-img plugins.",
    )


def _is_there(path: Path) -> bool:
    """Whether there is such a file or folder.

    Raises:
        UsageError: Nobody may look, or the name is too long for one.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        raise UsageError(f"the path cannot be looked at: {error.strerror or error}", where=str(path)) from error
    return True


def _tell_of_a_path_of_that_name(name: str, path: Path) -> None:
    if os.path.exists(path):  # noqa: PTH110 - Path.exists raises where nobody may look
        problem = f"{name!r} is taken as the source of that name, not as the path: give ./{name} for that"
        warnings.warn(problem, AutoMLImageWarning, stacklevel=2)


def _first(sources: Iterable[Any], knows: Callable[[Any], bool]) -> Any:
    """Return the first source that knows what it is asked about, or None. One that raises does not, and a warning says so.

    Raises:
        AutoMLImageError: None does, and one has said why.
    """
    raised: dict[str, BaseException] = {}
    found = None
    for source in sources:
        try:
            if knows(source):
                found = source
                break
        except RAISED as error:
            raised[source.name] = error
    said = next((reason for reason in raised.values() if isinstance(reason, AutoMLImageError)), None)
    if found is None and said is not None:
        raise said
    for name, reason in raised.items():
        problem = f"the source {name} could not say whether it reads this: it raised {named_reason_of(reason)}"
        warnings.warn(problem, AutoMLImageWarning, stacklevel=2)
    return found


def _registry(overrides: Mapping[str, Any]) -> PluginRegistry:
    """Find the plugins that the recipe will have; a setting that is no list of names is refused when it is made."""
    modules, only, block = (_names(overrides.get(f"plugins.{key}")) for key in ("modules", "only", "block"))
    return discover(modules=modules or (), only=only, block=block or ())


def _names(given: Any) -> list[str] | None:
    return [name for name in given if isinstance(name, str)] if isinstance(given, list | tuple) else None


def _made_recipe(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> Recipe:
    made: dict[str, Any] = {**content}
    if not any(key.startswith("budget.") for key in overrides):
        made["budget"] = {"time": "10m"}
    data = dict(made.get("data", {}))
    data.setdefault("test", 0.1)
    made["data"] = data
    return recipe_from_mapping(override(made, {}), overrides)


def _slug(name: str) -> str:
    return "".join(c if is_name(c) else "-" for c in name) or "search"


def run_path(recipe: Recipe, out: str | Path | None = None) -> Path | None:
    """The run folder that is asked for: ``out``, or the recipe's; None: neither, so that the search makes one below ``runs``.

    Raises:
        UsageError: ``out`` begins at the home folder of a user who is not there.
        RecipeError: The recipe's does.
    """
    if out is not None:
        return expanded_path(out, where="out")
    if recipe.output.folder is not None:
        return expanded_path(recipe.output.folder, where="output.folder", error=RecipeError)
    return None
