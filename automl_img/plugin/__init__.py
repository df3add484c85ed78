"""What the author of a plugin imports, and nothing else is needed.

A plugin is a module that registers objects of the base classes below through the hooks of
:mod:`automl_img.plugin.hookspecs`, and is named by an entry point of the group ``automl_img``. Import Keras inside the methods
that need it: listing the plugins then stays fast. A module may say for which version of all this it was made, such as
``AUTOML_IMG_API = "1.1"``; ``API_VERSION`` is this one's. ``automl_img.plugin.testing`` checks plugins.
"""

from typing import TYPE_CHECKING

from automl_img.cache import downloads_folder
from automl_img.errors import AutoMLImageError, DataError, PluginError, nearest, reason_of
from automl_img.paths import expanded_path
from automl_img.plugin.base import (
    Architecture,
    Augmentation,
    ImageTraits,
    Plugin,
    Regularizer,
)
from automl_img.plugin.choosing import API_VERSION
from automl_img.plugin.deprecation import outgoing
from automl_img.plugin.exporter import Exporter, Predict, needed_library
from automl_img.plugin.floats import scale_of_floats
from automl_img.plugin.hookspecs import hookimpl
from automl_img.plugin.manager import PluginRecord, PluginRegistry, discover
from automl_img.plugin.oracle import Levels, OracleStrategy, check_options, whole_number
from automl_img.plugin.records import SPLIT_NAMES, Record, dataset_from_records
from automl_img.plugin.source import DataSource, ImageDataset, Split
from automl_img.plugin.space import Parameter, Space
from automl_img.plugin.spilling import Spill
from automl_img.plugin.strategy import DONE, WAIT, Measurement, Outcome, Problem, SearchStrategy, Signal, Suggestion
from automl_img.plugin.tracker import Tracker
from automl_img.quiet import load_tensorflow

__all__ = [
    "API_VERSION",
    "DONE",
    "SPLIT_NAMES",
    "WAIT",
    "Architecture",
    "Augmentation",
    "AutoMLImageError",
    "DataError",
    "DataSource",
    "Exporter",
    "ImageDataset",
    "ImageTraits",
    "Levels",
    "Measurement",
    "OracleStrategy",
    "Outcome",
    "Parameter",
    "Plugin",
    "PluginError",
    "PluginRecord",
    "PluginRegistry",
    "Predict",
    "Problem",
    "Record",
    "Regularizer",
    "SearchStrategy",
    "Signal",
    "Space",
    "Spill",
    "Split",
    "Suggestion",
    "Tracker",
    "check_options",
    "dataset_from_records",
    "discover",
    "downloads_folder",
    "expanded_path",
    "hookimpl",
    "load_tensorflow",
    "nearest",
    "needed_library",
    "reason_of",
    "scale_of_floats",
    "whole_number",
]

if not TYPE_CHECKING:  # else a checker of types would take any name for one of this module

    def __getattr__(name: str) -> object:
        """Return a name that is to go, with a warning."""
        return outgoing(name)
