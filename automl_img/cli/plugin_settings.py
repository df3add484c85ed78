"""What ``automl-img plugins show`` tells of a plugin: what it is, and what a recipe may set of it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from automl_img.cli.init import as_toml
from automl_img.errors import PluginError, named_reason_of
from automl_img.plugin import ImageTraits, PluginRegistry, Space

#: For which images hyperparameters are shown: a plugin may declare others for others.
SAMPLE = ImageTraits(64, 64, 3, 10, examples=10_000)
HYPERPARAMETERS = "search.fixed"  # the table of a recipe that fixes them
SWITCHED = ("augmentation", "regularizer")  # kinds that a hyperparameter turns on and off


@dataclass(frozen=True)
class Setting:
    """Something that a recipe may set.

    Attributes:
        key: The table of the recipe, such as "search.fixed".
        name: Its key in the table.
        about: What it may be, or what it is for.
        default: The value it has unless set, as a recipe has it; empty: the description says what there is to say.
        when: The condition under which it counts; empty: always.
    """

    key: str
    name: str
    about: str
    default: str = ""
    when: str = ""


@dataclass(frozen=True)
class PluginFacts:
    """A plugin as a person may want to know it."""

    kind: str
    name: str
    version: str
    distribution: str
    origin: str
    about: str
    settings: tuple[Setting, ...]


def facts_of(kind: str, name: str, registry: PluginRegistry) -> PluginFacts:
    """Return what is known of a plugin that the registry has.

    Raises:
        PluginError: There is no such plugin, or it cannot say what may be set.
    """
    plugin = registry.get(kind, name)
    record = next(one for one in registry.records if (one.kind, one.name, one.left_out) == (kind, name, ""))
    described = plugin if isinstance(plugin, type) else type(plugin)
    return PluginFacts(
        kind,
        name,
        record.version,
        record.distribution,
        record.origin,
        inspect.cleandoc(described.__doc__ or record.summary),
        (*_options(kind, plugin), *_hyperparameters(kind, plugin)),
    )


def _options(kind: str, plugin: Any) -> list[Setting]:
    tables = {"source": "data.options", "strategy": "search.options"}
    if kind not in tables:
        return []
    return [Setting(tables[kind], option, about) for option, about in plugin.options.items()]


def _hyperparameters(kind: str, plugin: Any) -> list[Setting]:
    prefix = plugin.name if kind == "architecture" else f"{kind}.{plugin.name}"
    found = []
    if kind in SWITCHED:
        found.append(
            Setting(HYPERPARAMETERS, prefix, "true, false", as_toml(kind == "regularizer" and plugin.recommended))
        )
    elif kind != "architecture":
        return found
    space = Space()
    try:
        plugin.space(space, SAMPLE)
    except Exception as error:
        raise PluginError(f"its space raised {named_reason_of(error)}", found=plugin.name) from error
    for parameter in space:
        conditions = [f"{prefix}.{name} is {' or '.join(map(as_toml, values))}" for name, values in parameter.when]
        found.append(
            Setting(
                HYPERPARAMETERS,
                f"{prefix}.{parameter.name}",
                parameter.allowed(),
                as_toml(parameter.default),
                " and ".join(conditions),
            )
        )
    return found
