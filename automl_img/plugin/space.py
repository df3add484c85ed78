"""How a plugin declares its hyperparameters: with the calls that Keras people know from keras-tuner, but apart from building."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from automl_img.errors import PluginError

Value = bool | int | float | str
Kind = Literal["int", "float", "choice", "boolean"]

LARGEST_NUMBER = 2**31  # of a hyperparameter: a model's description holds none beyond it


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter as data.

    Attributes:
        name: Its name; inside a plugin short ("filters"), in a search space in full ("simple_cnn.filters").
        kind: "int", "float", "choice" or "boolean".
        default: The value that is used until a search says otherwise.
        values: The values of a choice, in their order.
        low, high: The bounds of an int or a float, both included.
        step: The distance between two values of an int (or of a float; None: any value). With ``sampling="log"`` a factor.
        sampling: "linear" or "log".
        when: Conditions, all of which must hold for the hyperparameter to be active: pairs of a name and its allowed values.
    """

    name: str
    kind: Kind
    default: Value
    values: tuple[Value, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    sampling: Literal["linear", "log"] = "linear"
    when: tuple[tuple[str, tuple[Value, ...]], ...] = ()

    def accepts(self, value: object) -> bool:
        """Whether ``value`` is one that this hyperparameter may take."""
        if self.kind == "boolean":
            return isinstance(value, bool)
        if self.kind == "choice":
            return value in self.values
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        return self.low <= value <= self.high and (self.kind == "float" or float(value).is_integer())

    def typed(self, value: Any) -> Any:
        """Return ``value`` in the type that was declared, such as 3 for 3.0; one that is not accepted stays as it is."""
        value = plain(value)
        if self.kind == "int" and self.accepts(value):
            return int(value)
        listed = (one for one in self.values if one == value and isinstance(one, bool) == isinstance(value, bool))
        return next(listed, value)

    def allowed(self) -> str:
        """The allowed values in words."""
        if self.kind == "boolean":
            return "true, false"
        if self.kind == "choice":
            return ", ".join(map(repr, self.values))
        return f"{'a whole number' if self.kind == 'int' else 'a number'} from {self.low:g} to {self.high:g}"

    def prefixed(self, prefix: str, *conditions: tuple[str, tuple[Value, ...]]) -> Parameter:
        """The same hyperparameter under a plugin's full name, active only when ``conditions`` hold too."""
        own = tuple((f"{prefix}.{name}", values) for name, values in self.when)
        return replace(self, name=f"{prefix}.{self.name}", when=(*conditions, *own))


def plain(value: Any) -> Any:
    """Return a scalar of NumPy's as Python's own, which JSON can hold; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def is_scalar(value: object) -> bool:
    """Whether a hyperparameter may have this value: the journal and the model's description can hold it."""
    if isinstance(value, int | float):
        return -LARGEST_NUMBER <= value <= LARGEST_NUMBER
    return value is None or isinstance(value, str)


def check_range(parameter: Parameter) -> None:
    """See that a number has values to choose from.

    Raises:
        PluginError: Its bounds, its step and its sampling leave none.
    """
    if parameter.kind not in ("int", "float"):
        return
    where, low, high, step = parameter.name, parameter.low, parameter.high, parameter.step
    log = parameter.sampling == "log"
    if parameter.sampling not in ("linear", "log"):
        problem = "the sampling of a hyperparameter is unknown"
        raise PluginError(problem, where=where, found=parameter.sampling, allowed="linear, log")
    if not -LARGEST_NUMBER <= low <= high <= LARGEST_NUMBER:
        problem = "the bounds of a hyperparameter leave no range"
        allowed = "two numbers up to 2**31, the lower one first"
        raise PluginError(problem, where=where, found=(low, high), allowed=allowed)
    if log and low <= 0:
        raise PluginError("a hyperparameter with log sampling must be above 0", where=where, found=low)
    if step is not None and step <= (1 if log else 0):
        allowed = "a factor above 1" if log else "a number above 0"
        raise PluginError("the step of a hyperparameter is too small", where=where, found=step, allowed=allowed)


class Space:
    """Collects the hyperparameters that a plugin declares.

    Example:
        >>> hp = Space()
        >>> hp.Int("blocks", 1, 4, default=3)
        >>> hp.Choice("pooling", ["average", "flatten"])
        >>> hp.Int("units", 32, 256, step=32, when={"pooling": "flatten"})
        >>> hp.defaults()
        {'blocks': 3, 'pooling': 'average', 'units': 32}
    """

    def __init__(self) -> None:
        self._parameters: dict[str, Parameter] = {}

    def Int(
        self,
        name: str,
        min_value: int,
        max_value: int,
        *,
        step: int | None = None,
        sampling: Literal["linear", "log"] = "linear",
        default: int | None = None,
        when: Mapping[str, Value | Sequence[Value]] | None = None,
    ) -> None:
        """Declare a whole number from ``min_value`` to ``max_value``, both included."""
        start = min_value if default is None else default
        jump = step if step is not None else (2 if sampling == "log" else 1)
        self._add(Parameter(name, "int", start, (), min_value, max_value, jump, sampling, _conditions(when)))

    def Float(
        self,
        name: str,
        min_value: float,
        max_value: float,
        *,
        step: float | None = None,
        sampling: Literal["linear", "log"] = "linear",
        default: float | None = None,
        when: Mapping[str, Value | Sequence[Value]] | None = None,
    ) -> None:
        """Declare a number from ``min_value`` to ``max_value``, both included."""
        start = min_value if default is None else default
        self._add(Parameter(name, "float", start, (), min_value, max_value, step, sampling, _conditions(when)))

    def Choice(
        self,
        name: str,
        values: Sequence[Value],
        *,
        default: Value | None = None,
        when: Mapping[str, Value | Sequence[Value]] | None = None,
    ) -> None:
        """Declare one of ``values``; the first is the default unless ``default`` says otherwise."""
        values = [plain(value) for value in values]
        if not values:
            raise PluginError("a choice needs at least one value", where=name)
        for value in values:
            if not is_scalar(value):
                problem, allowed = "a choice cannot have this value", "True, False, a number up to 2**31, a text, None"
                raise PluginError(problem, where=name, found=value, allowed=allowed, hint="Let a text name it.")
        start = values[0] if default is None else default
        self._add(Parameter(name, "choice", start, tuple(values), when=_conditions(when)))

    def Boolean(
        self, name: str, *, default: bool = False, when: Mapping[str, Value | Sequence[Value]] | None = None
    ) -> None:
        """Declare a switch."""
        self._add(Parameter(name, "boolean", default, when=_conditions(when)))

    def _add(self, given: Parameter) -> None:
        numbers = {name: plain(getattr(given, name)) for name in ("default", "low", "high", "step")}
        parameter = replace(given, **numbers)
        if parameter.name in self._parameters:
            raise PluginError("a hyperparameter is declared twice", where=parameter.name)
        check_range(parameter)
        if not parameter.accepts(parameter.default):
            raise PluginError(
                "the default of a hyperparameter is not allowed",
                where=parameter.name,
                found=parameter.default,
                allowed=parameter.allowed(),
            )
        unknown = [name for name, _ in parameter.when if name not in self._parameters]
        if unknown:
            raise PluginError(
                "a condition names a hyperparameter that is not declared before", where=parameter.name, found=unknown[0]
            )
        self._parameters[parameter.name] = parameter

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __len__(self) -> int:
        return len(self._parameters)

    def defaults(self) -> dict[str, Any]:
        """Return every hyperparameter's default by name."""
        return {parameter.name: parameter.default for parameter in self}


def _conditions(when: Mapping[str, Value | Sequence[Value]] | None) -> tuple[tuple[str, tuple[Value, ...]], ...]:
    listed = ((name, plain(values)) for name, values in (when or {}).items())
    return tuple(
        (name, (values,) if isinstance(values, bool | int | float | str) else tuple(map(plain, values)))
        for name, values in listed
    )
