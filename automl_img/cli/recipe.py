"""``automl-img recipe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check recipes, and describe what they may hold.", no_args_is_help=True)


@app.command("check")
def check(file: Annotated[Path, typer.Argument(help="A recipe.")]) -> None:
    """Say whether a recipe is right, and what it would do."""
    from automl_img.plugin.manager import discover
    from automl_img.recipe import read_recipe
    from automl_img.search.checking import check_plugins

    recipe = read_recipe(file)
    plugins = recipe.plugins
    check_plugins(recipe, discover(modules=plugins.modules, only=plugins.only, block=plugins.block))
    print(
        f"{file}: right. It searches {recipe.data.source} with {recipe.search.strategy} within {recipe.budget.in_words()}."
    )


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of recipes, for editors."""
    import json

    from automl_img.recipe import Recipe

    print(json.dumps(Recipe.model_json_schema(), indent=2))
