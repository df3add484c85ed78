"""The hooks of automl-img: one for each kind of plugin; a module implements those it needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pluggy

from automl_img.plugin.base import Architecture, Augmentation, Regularizer
from automl_img.plugin.exporter import Exporter
from automl_img.plugin.source import DataSource
from automl_img.plugin.strategy import SearchStrategy
from automl_img.plugin.tracker import Tracker

PROJECT = "automl_img"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Call ``register(architecture)`` for each network family that the search may train."""


@hookspec
def register_augmentations(register: Callable[[Augmentation], None]) -> None:
    """Call ``register(augmentation)`` for each random change of training images."""


@hookspec
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Call ``register(exporter)`` for each file format that a model can be written in."""


@hookspec
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Call ``register(regularizer)`` for each means against overfitting."""


@hookspec
def register_sources(register: Callable[[DataSource], None]) -> None:
    """Call ``register(source)`` for each place that labelled images can come from."""


@hookspec
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Call ``register(strategy_class)`` for each way of choosing the next trial; a search makes its own instance."""


@hookspec
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    """Call ``register(tracker_class)`` for each place that keeps the course of a search; a search makes its own instance."""


@hookspec
def register_experience(register: Callable[[Path], None]) -> None:
    """Call ``register(path)`` for each file in which searches on other data have left what they found out about these plugins."""
