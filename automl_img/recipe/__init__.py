"""The recipe: what to search, on which data, under which budget; TOML on disk, pydantic models in memory."""

from automl_img.recipe.models import (
    BudgetSettings,
    ComputeSettings,
    DataSettings,
    DecisionSettings,
    FinalSettings,
    LimitSettings,
    OutputSettings,
    PluginSettings,
    Recipe,
    SearchSettings,
    TrainSettings,
)
from automl_img.recipe.reading import is_name, override, read_recipe, recipe_from_mapping, takes_text
from automl_img.recipe.units import counted, duration_seconds, duration_text
from automl_img.recipe.wishes import Wish

__all__ = [
    "BudgetSettings",
    "ComputeSettings",
    "DataSettings",
    "DecisionSettings",
    "FinalSettings",
    "LimitSettings",
    "OutputSettings",
    "PluginSettings",
    "Recipe",
    "SearchSettings",
    "TrainSettings",
    "Wish",
    "counted",
    "duration_seconds",
    "duration_text",
    "is_name",
    "override",
    "read_recipe",
    "recipe_from_mapping",
    "takes_text",
]
