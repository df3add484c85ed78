"""Whether a recipe's plugins are there and have what it asks of them, before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from automl_img.errors import AutoMLImageError, PluginError, RecipeError, named_reason_of, nearest
from automl_img.paths import expanded_path
from automl_img.plugin import PluginRegistry, Problem, SearchStrategy
from automl_img.recipe import Recipe
from automl_img.search.tracking import trackers_of


def check_plugins(recipe: Recipe, registry: PluginRegistry, *, with_source: bool = True) -> None:
    """See that the plugins which the recipe names exist, and take the options that it gives them.

    Args:
        recipe: The recipe.
        registry: The plugins.
        with_source: Whether the images come from the recipe's source.

    Raises:
        PluginError: One does not.
        RecipeError: The weights that it names are not there.
    """
    strategy = registry.get("strategy", recipe.search.strategy, where="search.strategy")
    refuse_unknown_options(strategy, "strategy", "search.options", recipe.search.options)
    if with_source:
        source = registry.get("source", recipe.data.source, where="data.source")
        refuse_unknown_options(source, "source", "data.options", recipe.data.options)
    trackers_of(recipe, registry)
    _check_epochs(recipe, strategy)
    weights = recipe.train.weights
    if weights.endswith(".h5"):
        file = expanded_path(weights, where="train.weights", error=RecipeError)
        if not os.path.isfile(file):  # noqa: PTH113 - Path.is_file raises where nobody may look
            raise RecipeError("there is no such weights file", where="train.weights", found=weights)
    for kind in ("architecture", "augmentation", "regularizer"):
        wanted = getattr(recipe.search, f"{kind}s")
        for name in () if wanted == "all" else wanted:
            registry.get(kind, name, where=f"search.{kind}s")
    _check_options(recipe, strategy)


def refuse_unknown_options(plugin: Any, kind: str, table: str, options: Mapping[str, Any]) -> None:
    """See that a plugin has the options that a recipe gives it.

    Args:
        plugin: A source, or the class of a strategy.
        kind: Which of them: "source" or "strategy".
        table: The table of the recipe that holds the options.
        options: The options.

    Raises:
        PluginError: It does not have one of them.
    """
    known = sorted(plugin.options)
    for key in options:
        if key not in known:
            raise PluginError(
                f"the {kind} {plugin.name} has no option {key!r}",
                where=f"{table}.{key}",
                allowed=known or "none",
                hint=nearest(key, known),
            )


def _check_epochs(recipe: Recipe, strategy: type[SearchStrategy]) -> None:
    if recipe.train.epochs < strategy.least_epochs:
        raise RecipeError(
            f"the strategy {recipe.search.strategy} needs more epochs",
            where="train.epochs",
            found=recipe.train.epochs,
            allowed=f"at least {strategy.least_epochs}",
        )


def _check_options(recipe: Recipe, strategy: type[SearchStrategy]) -> None:
    """Begin with the strategy on an empty space, if it has options: wrong ones are told before anything is trained."""
    options = recipe.search.options
    if not options:  # most strategies import TensorFlow when they begin
        return
    problem = Problem((), recipe.seed, recipe.budget.trials or 1, recipe.train.epochs, dict(options))
    try:
        strategy().start(problem)
    except AutoMLImageError:
        raise
    except Exception as error:
        reason = f"the strategy {recipe.search.strategy} cannot begin with these options: {named_reason_of(error)}"
        raise PluginError(reason, where="search.options", found=options) from error


def refuse_space(strategy: type[SearchStrategy], problem: Problem) -> None:
    """Begin with the strategy on the space that it will search: one that it refuses is told before anything is trained.

    Raises:
        PluginError: It refuses the space.
    """
    try:
        strategy().start(problem)
    except PluginError:
        raise
    except Exception:  # a mistake of its own costs its suggestions alone, and is told when it begins
        return
