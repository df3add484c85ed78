"""AutoML for image classification: labelled images and a budget in, the best model and its evidence out.

Everything here is imported on first use: ``import automl_img`` alone imports neither TensorFlow nor Keras.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_img.api import SearchResult as SearchResult
    from automl_img.api import analyse as analyse
    from automl_img.api import fit as fit
    from automl_img.api import load as load
    from automl_img.errors import AutoMLImageError as AutoMLImageError
    from automl_img.errors import DataError as DataError
    from automl_img.errors import ModelFileError as ModelFileError
    from automl_img.errors import PluginError as PluginError
    from automl_img.errors import RecipeError as RecipeError
    from automl_img.errors import RunFolderError as RunFolderError
    from automl_img.errors import SearchError as SearchError
    from automl_img.errors import UsageError as UsageError
    from automl_img.estimator import ImageClassifier as ImageClassifier
    from automl_img.evaluation.predictor import Predictor as Predictor
    from automl_img.plugin import ImageDataset as ImageDataset
    from automl_img.plugin import Split as Split
    from automl_img.recipe import Recipe as Recipe
    from automl_img.recipe import read_recipe as read_recipe

_HOMES = {
    "AutoMLImageError": "automl_img.errors",
    "DataError": "automl_img.errors",
    "ImageClassifier": "automl_img.estimator",
    "ImageDataset": "automl_img.plugin",
    "ModelFileError": "automl_img.errors",
    "PluginError": "automl_img.errors",
    "Predictor": "automl_img.evaluation.predictor",
    "Recipe": "automl_img.recipe",
    "RecipeError": "automl_img.errors",
    "RunFolderError": "automl_img.errors",
    "SearchError": "automl_img.errors",
    "SearchResult": "automl_img.api",
    "Split": "automl_img.plugin",
    "UsageError": "automl_img.errors",
    "analyse": "automl_img.api",
    "fit": "automl_img.api",
    "load": "automl_img.api",
    "read_recipe": "automl_img.recipe",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("automl-img")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
