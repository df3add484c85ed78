"""The search space: what the plugins declare and what the core adds, as one list of conditional hyperparameters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from automl_img.errors import PluginError, RecipeError, named_reason_of, nearest
from automl_img.plugin import ImageTraits, Parameter, PluginRegistry, Space
from automl_img.plugin.oracle import active
from automl_img.recipe import Recipe

IMBALANCED = 1.5  # largest class over smallest, above which class weights are worth a try
MIN_STEPS_PER_EPOCH = 10
#: Peak learning rates of each optimizer: the lowest, the highest, and where to start.
RATES = {
    "muon": (1e-3, 5e-2, 1e-2),
    "adamw": (5e-4, 2e-2, 4e-3),
    "adam": (2e-4, 1e-2, 2e-3),
    "sgd": (1e-2, 1.0, 0.2),
    "rmsprop": (1e-4, 5e-3, 1e-3),
}


@dataclass(frozen=True)
class SearchSpace:
    """All hyperparameters of a search.

    Attributes:
        parameters: In an order in which each stands after those that its conditions name.
        fixed: Values by full name that are not searched.
        left_out: Plugins that do not suit the data, with the reason, by "kind name".
    """

    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a value of its declared type for each active hyperparameter: the fixed, the one in ``values``, or the default."""
        return active(self.parameters, {**values, **self.fixed})

    def start(self, architecture: str, member: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a starting point: everything at its default but the architecture and its member's values.

        Raises:
            PluginError: The member names a hyperparameter that the architecture did not declare, or a value it does not allow.
        """
        own = {f"{architecture}.{name}": value for name, value in member.items() if name != "lr"}
        known = {parameter.name: parameter for parameter in self.parameters}
        for name, value in own.items():
            if name not in known or not known[name].accepts(value):
                raise PluginError(
                    "a member has a value that the architecture's space does not allow",
                    where=name,
                    found=value,
                    allowed=known[name].allowed() if name in known else "no such hyperparameter is declared",
                )
        return self.complete({"architecture": architecture, **own, **self._rates(member.get("lr"))})

    def _rates(self, lr: float | None) -> dict[str, float]:
        """The learning rate of each optimizer that does what ``lr`` does with AdamW: their defaults do the same."""
        if lr is None:
            return {}
        rates = {}
        for name, (low, high, default) in RATES.items():
            known = next((p for p in self.parameters if p.name == f"optimizer.{name}.lr"), None)
            if known is not None:
                rates[known.name] = float(min(high, max(low, default * lr / RATES["adamw"][2])))
        return rates

    def narrowed(
        self, architectures: Sequence[str], without: Iterable[str] = (), fixed: Mapping[str, Any] | None = None
    ) -> SearchSpace:
        """Return the space with these architectures alone, all if none is named, the switches in ``without`` off, and more values fixed.

        What is fixed already stays what it is.
        """
        off = dict.fromkeys(without, False)
        changed = tuple(
            replace(p, values=tuple(architectures), default=architectures[0])
            if architectures and p.name == "architecture"
            else p
            for p in self.parameters
        )
        return replace(self, parameters=changed, fixed={**(fixed or {}), **off, **self.fixed})

    def without(self, architectures: Collection[str]) -> SearchSpace:
        """Return the space without these architectures; where none is left, there is nothing to search."""
        left = tuple(name for name in self.architectures() if name not in architectures)
        changed = tuple(
            replace(p, values=left, default=next(iter(left), p.default)) if p.name == "architecture" else p
            for p in self.parameters
        )
        return replace(self, parameters=changed)

    def architectures(self) -> list[str]:
        """The names of the architectures that take part."""
        return [str(name) for p in self.parameters if p.name == "architecture" for name in p.values]

    def switches(self) -> list[str]:
        """The full names of the augmentations and regularizers that starting points leave off."""
        kinds = ("augmentation.", "regularizer.")
        return [
            p.name
            for p in self.parameters
            if p.kind == "boolean" and not p.default and p.name.startswith(kinds) and p.name.count(".") == 1
        ]

    def free(self) -> tuple[Parameter, ...]:
        """The hyperparameters that are searched: those that are fixed, or can never be active, are left out."""
        free: list[Parameter] = []
        dead: set[str] = set()
        for parameter in self.parameters:
            conditions = []
            alive = parameter.name not in self.fixed
            for name, allowed in parameter.when:
                if name in dead or (name in self.fixed and self.fixed[name] not in allowed):
                    alive = False
                    dead.add(parameter.name)
                elif name not in self.fixed:
                    conditions.append((name, allowed))
            if alive and any(name == "architecture" and not self._possible(allowed) for name, allowed in conditions):
                alive = False
                dead.add(parameter.name)
            if alive:
                free.append(replace(parameter, when=tuple(conditions)))
        return tuple(free)

    def _possible(self, architectures: Sequence[Any]) -> bool:
        return any(name in p.values for p in self.parameters if p.name == "architecture" for name in architectures)


def build_space(recipe: Recipe, registry: PluginRegistry, image: ImageTraits, imbalance: float = 1.0) -> SearchSpace:
    """Collect the hyperparameters of a search.

    Args:
        recipe: Says which plugins take part and what is fixed.
        registry: The plugins.
        image: Traits of the data.
        imbalance: Images of the largest class over those of the smallest, in the training split.

    Raises:
        PluginError: A plugin that the recipe names is unknown.
        RecipeError: A fixed hyperparameter is unknown, or its value is not allowed.
    """
    left_out: dict[str, str] = {}
    architectures = _chosen(recipe.search.architectures, "architecture", registry, image, left_out)
    if recipe.train.weights != "none":
        architectures = [plugin for plugin in architectures if _takes_weights(plugin, recipe.train.weights, left_out)]
    if not architectures:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise RecipeError("no architecture is left to search", where="search.architectures", hint=reasons)
    names = tuple(plugin.name for plugin in architectures)
    parameters = [Parameter("architecture", "choice", names[0], names)]
    for plugin in architectures:
        parameters += [p.prefixed(plugin.name, ("architecture", (plugin.name,))) for p in _declared(plugin, image)]
    for kind, wanted in (("augmentation", recipe.search.augmentations), ("regularizer", recipe.search.regularizers)):
        for plugin in _chosen(wanted, kind, registry, image, left_out):
            switch = f"{kind}.{plugin.name}"
            parameters.append(Parameter(switch, "boolean", kind == "regularizer" and plugin.recommended))
            parameters += [p.prefixed(switch, (switch, (True,))) for p in _declared(plugin, image)]
    parameters += _training_parameters(recipe, image, imbalance)
    space = SearchSpace(tuple(parameters), dict(recipe.search.fixed), left_out)
    _check_fixed(space)
    return space


def _declared(plugin: Any, image: ImageTraits) -> Space:
    hp = Space()
    plugin.space(hp, image)
    return hp


def _chosen(
    wanted: Any, kind: str, registry: PluginRegistry, image: ImageTraits, left_out: dict[str, str]
) -> list[Any]:
    plugins = list(registry.all(kind))
    if wanted != "all":
        plugins = [registry.get(kind, name, where=f"search.{kind}s") for name in wanted]
    chosen = []
    for plugin in plugins:
        try:
            reason = plugin.suits(image)
            _declared(plugin, image)
        except Exception as error:
            reason = f"it raised {named_reason_of(error)}"
        if reason:
            left_out[f"{kind} {plugin.name}"] = reason
        else:
            chosen.append(plugin)
    return chosen


def _takes_weights(plugin: Any, weights: str, left_out: dict[str, str]) -> bool:
    if plugin.weight_sets and (weights in plugin.weight_sets or weights.endswith(".h5")):
        return True
    left_out[f"architecture {plugin.name}"] = f"it has no pretrained weights {weights!r}"
    return False


def _training_parameters(recipe: Recipe, image: ImageTraits, imbalance: float) -> list[Parameter]:
    train = recipe.train
    hp = Space()
    optimizers = train.optimizers
    if train.weights != "none":  # weights that were trained by Adam are best trained on by its kind
        optimizers = [name for name in optimizers if name != "muon"] or optimizers
    hp.Choice("optimizer", optimizers)
    for name in optimizers:
        low, high, default = RATES[name]
        hp.Float(f"optimizer.{name}.lr", low, high, sampling="log", default=default, when={"optimizer": name})
    if "sgd" in optimizers:
        hp.Float("optimizer.sgd.momentum", 0.8, 0.95, default=0.9, when={"optimizer": "sgd"})
    hp.Choice("schedule", train.schedules)
    hp.Choice("loss", train.losses)
    fitting = [
        size for size in sorted(train.batch_sizes) if size * MIN_STEPS_PER_EPOCH <= image.examples and size <= 128
    ]
    hp.Choice("batch_size", train.batch_sizes, default=fitting[-1] if fitting else min(train.batch_sizes))
    if train.imbalance != "auto":
        hp.Choice("imbalance", [train.imbalance])
    elif imbalance > IMBALANCED:
        means = ["class_weights", "balanced_sampling", "none"]
        # Thresholds make up for much of it where an image may have several labels.
        hp.Choice("imbalance", means[::-1] if image.task == "multilabel" else means)
    if train.weights != "none":
        hp.Choice("transfer.layers", [0, 10, 30, 100, 1000], default=30)
        hp.Float("transfer.lr", 1e-5, 1e-3, sampling="log", default=2e-4)
    return list(hp)


def _check_fixed(space: SearchSpace) -> None:
    known = {parameter.name: parameter for parameter in space.parameters}
    for name, value in space.fixed.items():
        where = f"search.fixed.{name}"
        if name == "architecture":
            raise RecipeError(
                "the architecture is not fixed here", where=where, hint="Name it in search.architectures."
            )
        if name not in known:
            hint = nearest(name, known) or "`automl-img plugins show NAME` says what can be set of a plugin."
            raise RecipeError("unknown hyperparameter", where=where, hint=hint)
        if not known[name].accepts(value):
            raise RecipeError("this value is not allowed", where=where, found=value, allowed=known[name].allowed())
