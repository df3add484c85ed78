"""Finds plugins through entry points and modules, isolates the broken ones, and hands the others out by kind and name."""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from automl_img.errors import PluginError, UsageError, named_reason_of, nearest
from automl_img.plugin import hookspecs
from automl_img.plugin.base import Architecture, Augmentation, Plugin, Regularizer
from automl_img.plugin.choosing import RAISED, Choice, choice, other_version, other_version_in_file
from automl_img.plugin.exporter import Exporter
from automl_img.plugin.source import DataSource
from automl_img.plugin.strategy import SearchStrategy
from automl_img.plugin.tracker import Tracker

ENTRY_POINT_GROUP = "automl_img"

#: Kind of plugin → the hook that registers it and the class it must be or derive from.
KINDS: dict[str, tuple[str, type[Plugin]]] = {
    "architecture": ("register_architectures", Architecture),
    "augmentation": ("register_augmentations", Augmentation),
    "exporter": ("register_exporters", Exporter),
    "regularizer": ("register_regularizers", Regularizer),
    "source": ("register_sources", DataSource),
    "strategy": ("register_strategies", SearchStrategy),
    "tracker": ("register_trackers", Tracker),
}
#: Kinds that are registered as classes: each search makes its own instance.
CLASSES = ("strategy", "tracker")


@dataclass(frozen=True)
class PluginRecord:
    """One plugin that was found, usable or not.

    Attributes:
        kind: A key of :data:`KINDS`, such as "architecture"; empty if its module could not be imported.
        name: The plugin's name; the entry point's or module's name if nothing better is known.
        version: The plugin's own version.
        distribution: The distribution that brought it, with its version.
        origin: The module it came from.
        summary: One line on what it is.
        left_out: Why it is not used; empty if it is.
    """

    kind: str
    name: str
    version: str
    distribution: str
    origin: str
    summary: str = ""
    left_out: str = ""


class PluginRegistry:
    """The plugins of one search, by kind and name.

    Args:
        only: If given, plugins of other names are left out.
        block: Plugins of these names are left out. The environment may leave out more: AUTOML_IMG_PLUGINS_ONLY and
            AUTOML_IMG_PLUGINS_BLOCK.

    Attributes:
        records: All plugins that were found, usable or not.
        experience: Files in which searches have left what they found out about the plugins; not read yet.
    """

    def __init__(self, *, only: Iterable[str] | None = None, block: Iterable[str] = ()) -> None:
        self._choice: Choice = choice(only, block)
        self._plugins: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}
        self.records: list[PluginRecord] = []
        self.experience: list[Path] = []
        self._modules: set[ModuleType] = set()

    @property
    def versions(self) -> dict[str, str]:
        """The version of each usable plugin, by "kind/name"."""
        return {f"{one.kind}/{one.name}": one.version for one in self.records if not one.left_out}

    def add_module(self, module: ModuleType, *, label: str, distribution: str = "") -> None:
        """Call each registering hook that ``module`` implements; a hook that raises costs that hook alone.

        A module made for another major version of the plugin API is left out as a whole. One counts once, though it has two entry
        points, or is installed and named.
        """
        if module in self._modules:
            return
        self._modules.add(module)
        if problem := other_version(module):
            self._leave_out("", label, distribution, module.__name__, problem)
            return
        manager = pluggy.PluginManager(hookspecs.PROJECT)
        manager.add_hookspecs(hookspecs)
        try:
            manager.register(module, name=label)
            manager.check_pending()
        except RAISED as error:
            self._leave_out("", label, distribution, module.__name__, f"its hooks do not fit: {named_reason_of(error)}")
            return
        if not manager.get_hookcallers(module):
            self._leave_out("", label, distribution, module.__name__, _why_no_hook(module))
            return
        for kind, (hook, _) in KINDS.items():
            try:
                getattr(manager.hook, hook)(register=self._registrar(kind, label, distribution, module.__name__))
            except RAISED as error:
                self._leave_out(kind, label, distribution, module.__name__, f"{hook} raised {named_reason_of(error)}")
        try:
            manager.hook.register_experience(register=lambda path: self.experience.append(Path(path)))
        except RAISED as error:
            self._leave_out(
                "", label, distribution, module.__name__, f"register_experience raised {named_reason_of(error)}"
            )

    def _registrar(self, kind: str, label: str, distribution: str, origin: str) -> Callable[[Any], None]:
        base = KINDS[kind][1]

        def register(plugin: Any) -> None:
            if kind in CLASSES:
                fits = isinstance(plugin, type) and issubclass(plugin, base)
            else:
                fits = isinstance(plugin, base)
            if not fits:
                wanted = f"{'a subclass' if kind in CLASSES else 'an instance'} of {base.__name__}"
                self._leave_out(kind, label, distribution, origin, f"registered {plugin!r}, not {wanted}")
                return
            name = str(plugin.name)
            problem = self._refusal(kind, name) or _misfit(plugin)
            summary = plugin.summary or (plugin.__doc__ or "").strip().split("\n")[0]
            self.records.append(
                PluginRecord(kind, name or label, str(plugin.version), distribution, origin, summary, problem)
            )
            if not problem:
                self._plugins[kind][name] = plugin

        return register

    def _refusal(self, kind: str, name: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            return f"its name {name!r} is not made of lower case letters, digits and underscores"
        if name in self._plugins[kind]:
            return f"another {kind} has this name already"
        return self._choice.refusal(name)

    def _leave_out(self, kind: str, name: str, distribution: str, origin: str, reason: str) -> None:
        self.records.append(PluginRecord(kind, name, "", distribution, origin, left_out=reason))

    def names(self, kind: str) -> list[str]:
        """The names of the usable plugins of one kind, sorted."""
        return sorted(self._plugins[kind])

    def all(self, kind: str) -> Iterator[Any]:
        """The usable plugins of one kind, sorted by name."""
        return (self._plugins[kind][name] for name in self.names(kind))

    def get(self, kind: str, name: str, *, where: str = "") -> Any:
        """Return one plugin.

        Raises:
            PluginError: No usable plugin of this kind has the name; says which have, or why this one was left out.
        """
        if name in self._plugins[kind]:
            return self._plugins[kind][name]
        for record in self.records:
            if record.name == name and record.kind in (kind, ""):
                raise PluginError(f"the {kind} {name!r} was left out: {record.left_out}", where=where)
        known = self.names(kind)
        raise PluginError(f"unknown {kind}", where=where, found=name, allowed=known, hint=nearest(name, known))

    @property
    def left_out(self) -> list[PluginRecord]:
        """The plugins that were found and are not used, with the reason."""
        return [record for record in self.records if record.left_out]


def _misfit(plugin: Any) -> str:
    """Say what a search could not plan with."""
    if not isinstance(plugin, Augmentation):
        return ""
    passes, natural = plugin.least_passes, plugin.natural_affinity
    if not (isinstance(passes, int | float) and 0 <= passes < math.inf):
        return f"its least_passes is {passes!r}, not a number of passes over the data, 0 or more"
    if not (isinstance(natural, int | float) and natural >= 0):
        return f"its natural_affinity is {natural!r}, not a share of macro-F1, 0 or more"
    return ""


def refuse_unknown_kind(kind: str) -> None:
    """Raise a UsageError if a person has named a kind of plugin that there is not."""
    if kind not in KINDS:
        problem = "there is no such kind of plugin"
        raise UsageError(problem, where="--kind", found=kind, allowed=list(KINDS), hint=nearest(kind, KINDS))


def discover(
    *, modules: Iterable[str] = (), only: Iterable[str] | None = None, block: Iterable[str] = ()
) -> PluginRegistry:
    """Find all plugins: those of installed distributions, then those of ``modules``.

    A plugin that cannot be imported or raises is left out with the reason and does not disturb the others.

    Args:
        modules: Names of importable modules that hold plugins without an entry point.
        only: If given, plugins of other names are left out.
        block: Plugins of these names are left out.

    Raises:
        PluginError: One of ``modules`` cannot be imported, or was made for another version: it was asked for by name.
    """
    registry = PluginRegistry(only=only, block=block)
    for point, distribution in _first_party_first(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)):
        try:
            module = point.load()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            reason = other_version_in_file(point.value) or f"import raised {named_reason_of(error)}"
            registry._leave_out("", point.name, distribution, point.value, reason)
            continue
        if not isinstance(module, ModuleType):
            reason = f"its entry point names no module: {point.value} is of type {type(module).__name__}"
            registry._leave_out("", point.name, distribution, point.value, reason)
            continue
        registry.add_module(module, label=point.name, distribution=distribution)
    for name in modules:
        try:
            module = importlib.import_module(name)
        except RAISED as error:
            reason = other_version_in_file(name) or f"the plugin module cannot be imported: {named_reason_of(error)}"
            absent = isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]
            hint = "Install it, or say with PYTHONPATH=FOLDER where its file lies." if absent else ""
            raise PluginError(reason, where="[plugins] modules", found=name, hint=hint) from error
        if problem := other_version(module):
            raise PluginError(problem, where="[plugins] modules", found=name)
        registry.add_module(module, label=name)
    return registry


def _first_party_first(
    points: Collection[importlib.metadata.EntryPoint],
) -> Iterator[tuple[importlib.metadata.EntryPoint, str]]:
    """Yield each entry point with the name and version of its distribution, whose file of metadata is not read for each of them."""
    labels = {dist: (dist.name, f"{dist.name} {dist.version}") for dist in {point.dist for point in points} if dist}
    labelled = [(*(labels[point.dist] if point.dist else ("", "")), point) for point in points]
    for _, label, point in sorted(labelled, key=lambda one: (one[0] != "automl-img", one[0], one[2].name)):
        yield point, label


def _why_no_hook(module: ModuleType) -> str:
    hooks = [hook for hook, _ in KINDS.values()]
    unmarked = next((hook for hook in hooks if callable(vars(module).get(hook))), None)
    if unmarked is not None:
        return f"nothing calls its {unmarked}: mark it with @hookimpl, from automl_img.plugin"
    return f"it registers nothing: it has no function such as {hooks[0]}(register), marked with @hookimpl, that calls register(...)"
