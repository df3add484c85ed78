"""Grid search: every combination of values once, numbered and not listed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from automl_img.plugin import (
    DONE,
    Levels,
    Outcome,
    Parameter,
    PluginError,
    Problem,
    SearchStrategy,
    Signal,
    Suggestion,
    check_options,
    hookimpl,
    whole_number,
)
from automl_img.plugin.oracle import digest_of

#: Which value a parent has: its index if a condition names the value, else OTHER.
Known = tuple[tuple[str, int], ...]
OTHER = -1


class Group:
    """Hyperparameters that conditions link with one another; its points are counted and numbered without listing them.

    Attributes:
        size: The number of points: of different values of the active hyperparameters.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._parameters = parameters
        self._levels = {parameter.name: Levels(parameter) for parameter in parameters}
        self._conditions = [self._indices(parameter) for parameter in parameters]
        self._last_use = {name: position for position, conditions in enumerate(self._conditions) for name in conditions}
        self._counts: dict[tuple[int, Known], int] = {}
        self.size = self._count(0, ())

    def _indices(self, parameter: Parameter) -> dict[str, set[int]]:
        conditions: dict[str, set[int]] = {}
        for name, allowed in parameter.when:
            indices = {index for index in map(self._levels[name].exact, allowed) if index is not None}
            conditions[name] = conditions.get(name, indices) & indices
        return conditions

    def _is_active(self, position: int, known: Known) -> bool:
        values = dict(known)
        return all(values.get(name, OTHER) in allowed for name, allowed in self._conditions[position].items())

    def _runs(self, position: int, known: Known) -> Iterator[tuple[int, int, Known]]:
        """Runs of values of the hyperparameter at ``position`` that mean the same for all later ones.

        Yields the run's start and stop, and what is known after it.
        """
        name = self._parameters[position].name
        count = self._levels[name].count
        kept = tuple(pair for pair in known if self._last_use[pair[0]] > position)
        if name not in self._last_use:
            yield 0, count, kept
            return
        named = sorted(set().union(*(conditions.get(name, set()) for conditions in self._conditions)))
        start = 0
        for index in [*named, count]:
            if index > start:
                yield start, index, (*kept, (name, OTHER))
            if index < count:
                yield index, index + 1, (*kept, (name, index))
            start = index + 1

    def _count(self, position: int, known: Known) -> int:
        if position == len(self._parameters):
            return 1
        if not self._is_active(position, known):
            return self._count(position + 1, known)
        if (position, known) not in self._counts:
            runs = self._runs(position, known)
            self._counts[position, known] = sum((b - a) * self._count(position + 1, after) for a, b, after in runs)
        return self._counts[position, known]

    def point(self, number: int) -> dict[str, Any]:
        """Return the active hyperparameters of the point ``number``, from 0 to ``size`` - 1."""
        values: dict[str, Any] = {}
        known: Known = ()
        for position, parameter in enumerate(self._parameters):
            if not self._is_active(position, known):
                continue
            for start, stop, after in self._runs(position, known):
                each = self._count(position + 1, after)
                if number < (stop - start) * each:
                    values[parameter.name] = self._levels[parameter.name][start + number // each]
                    number, known = number % each, after
                    break
                number -= (stop - start) * each
        return values

    def find(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the point that has these values, defaults for those left out, or None if the grid does not hold it."""
        point: dict[str, Any] = {}
        for parameter, conditions in zip(self._parameters, self._conditions, strict=True):
            levels = self._levels
            if not all(name in point and levels[name].exact(point[name]) in ok for name, ok in conditions.items()):
                continue
            index = levels[parameter.name].exact(values.get(parameter.name, parameter.default))
            if index is None:
                return None
            point[parameter.name] = levels[parameter.name][index]
        return point


class GridSearch(SearchStrategy):
    """Tries every combination of values once, in an order that spreads over the grid; done when all are tried.

    So a budget that ends before the grid does has seen every region of it, and not one corner.
    Ints and floats with a step take all their values, floats without one ``points`` values from bound to bound, evenly
    spaced (evenly in the logarithm with log sampling). Starting points that lie on the grid are not tried again.
    """

    name = "grid"
    options = {
        "points": "how many values a float without a step takes; default 3",
        "max_size": "refuse a grid of more combinations than this; default 10000",
    }

    def start(self, problem: Problem) -> None:
        """Count the grid."""
        check_options(self, problem)
        points = whole_number(problem, "points", 3, 1)
        limit = whole_number(problem, "max_size", 10_000, 1)
        self._names = [parameter.name for parameter in problem.parameters]
        stepped = [_stepped(parameter, points) for parameter in problem.parameters]
        self._digest = digest_of(stepped)
        self._groups = [Group(group) for group in _linked(stepped)]
        self._size = math.prod(group.size for group in self._groups)
        self._stride = _coprime(self._size)
        self._next = 0
        self._tried: set[str] = set()
        if self._size > limit:
            size = f"{self._size:,}" if self._size < 10**15 else f"10^{math.log10(self._size):.0f}"
            raise PluginError(
                f"the grid has {size} combinations, more than max_size = {limit:,}",
                where="[search] strategy",
                hint="Fix hyperparameters under [search.fixed], use fewer plugins, or take another strategy.",
            )

    def ask(self) -> Suggestion | Signal:
        """Return the next combination, or :data:`DONE`."""
        while self._next < self._size:
            number = self._next
            self._next += 1
            values = self._point(number)
            if _text(values) not in self._tried:
                return Suggestion(f"{self.name}-{number}", values)
        return DONE

    def _point(self, number: int) -> dict[str, Any]:
        number = number * self._stride % self._size
        values: dict[str, Any] = {}
        for group in reversed(self._groups):
            number, within = divmod(number, group.size)
            values.update(group.point(within))
        return {name: values[name] for name in self._names if name in values}

    def tell(self, outcome: Outcome) -> None:
        """Remember a starting point; the outcomes of suggestions change nothing."""
        name, _, number = outcome.key.rpartition("-")
        if name == self.name and number.isdecimal() and int(number) < self._next:
            return
        values: dict[str, Any] = {}
        for group in self._groups:
            point = group.find(outcome.values)
            if point is None:
                return
            values.update(point)
        self._tried.add(_text(values))

    def state(self) -> dict[str, Any]:
        """Return the number of the next combination and the starting points on the grid."""
        return {"space": self._digest, "next": self._next, "size": self._size, "tried": sorted(self._tried)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        # States of earlier versions tell the size alone.
        if state["size"] != self._size or state.get("space", self._digest) != self._digest:
            raise PluginError(f"the saved state of the strategy {self.name!r} belongs to another search space")
        self._next = int(state["next"])
        self._tried = set(state["tried"])


def _coprime(size: int) -> int:
    """A step near the golden ratio of ``size`` with which counting round and round meets each number below it once."""
    step = max(1, size * 618 // 1000)
    while math.gcd(step, size) != 1:
        step += 1
    return step


def _stepped(parameter: Parameter, points: int) -> Parameter:
    """``parameter`` with a step, if it is a float that has none."""
    if parameter.kind != "float" or parameter.step is not None:
        return parameter
    low, high = parameter.low, parameter.high
    if points == 1 or low == high:
        return replace(parameter, kind="choice", values=(parameter.default,))
    if parameter.sampling == "log":
        return replace(parameter, step=(high / low) ** (1 / (points - 1)) if low > 0 else 2)
    return replace(parameter, step=(high - low) / (points - 1))


def _linked(parameters: Sequence[Parameter]) -> list[list[Parameter]]:
    """The hyperparameters in groups that no condition crosses, each in its order."""
    groups: list[list[Parameter]] = []
    for parameter in parameters:
        parents = {name for name, _ in parameter.when}
        linked = [group for group in groups if parents & {member.name for member in group}]
        missing = parents - {member.name for group in linked for member in group}
        if missing:
            raise PluginError(
                "a condition names a hyperparameter that is not in the search space", where=sorted(missing)[0]
            )
        groups = [group for group in groups if group not in linked]
        groups.append([*(member for member in parameters if any(member in group for group in linked)), parameter])
    return groups


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "grid"."""
    register(GridSearch)
