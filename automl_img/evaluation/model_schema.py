"""What ``model.json`` may hold. It may come from anybody: what is not described here is refused before anything is built from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from automl_img.data.labels import LONGEST_NAME
from automl_img.evaluation.decision import Cost
from automl_img.plugin.space import LARGEST_NUMBER
from automl_img.recipe.models import MODULE_NAME
from automl_img.tasks import KINDS

FORMAT = 5
READABLE = (2, 3, 4, 5)  # 2 had no temperature, 3 one network and no decision, 4 a cost for every pair of classes
COSTS_OF_PAIRS = 5  # from which on only mistakes that were given a cost have one
LARGEST_SIDE = 4096  # pixels; recipes end at 1024

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ModuleName = Annotated[str, Field(pattern=MODULE_NAME, max_length=200)]
ClassName = Annotated[str, Field(max_length=LONGEST_NAME)]
Whole = Annotated[int, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Real = Annotated[float, Field(ge=-LARGEST_NUMBER, le=LARGEST_NUMBER)]
Value = bool | Whole | Real | str | None


class Described(BaseModel):
    """Base of all parts: no unknown key, no other type, no number that is none."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class ImageDescription(Described):
    """The images, see :class:`automl_img.plugin.ImageTraits`."""

    height: int = Field(ge=1, le=LARGEST_SIDE)
    width: int = Field(ge=1, le=LARGEST_SIDE)
    channels: Literal[1, 3]
    classes: int = Field(ge=1, le=1_000_000)
    examples: int = Field(ge=0)
    task: str = "multiclass"

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.task not in KINDS:
            raise ValueError(f"there is no task {self.task[:40]!r}")
        return self


class PlanDescription(Described):
    """A network, see :class:`automl_img.training.network.NetworkPlan`."""

    values: dict[str, Value]
    image: ImageDescription
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pretrained: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not isinstance(self.values.get("architecture"), str):
            raise ValueError("it names no architecture")
        if not len(self.mean) == len(self.std) == self.image.channels:
            raise ValueError("mean and std do not fit the channels")
        return self


class MemberDescription(Described):
    """A further network, see :class:`automl_img.evaluation.model_file.Member`."""

    plan: PlanDescription
    file: str
    weights_sha256: Sha256
    share: float = Field(gt=0, lt=1)


class DecisionDescription(Described):
    """See :class:`automl_img.evaluation.decision.Decision`; before format 5 ``costs`` had a row for each class."""

    costs: tuple[tuple[float, ...], ...] = ()
    factors: tuple[float, ...] = ()
    least_confidence: float = 0.0
    least_energy: float | None = None
    least_share: float | None = None


class ModelDescription(Described):
    """The whole file, see :class:`automl_img.evaluation.model_file.ModelCard`."""

    format: int
    plan: PlanDescription
    class_names: tuple[ClassName, ...]
    plugins: dict[str, str]
    plugin_modules: tuple[ModuleName, ...]
    temperature: float = Field(1.0, gt=0)
    thresholds: tuple[float, ...]
    mirrored: bool
    weights_sha256: Sha256
    trained: dict[str, JsonValue]
    versions: dict[str, str]
    decision: DecisionDescription = Field(default_factory=DecisionDescription)
    others: tuple[MemberDescription, ...] = Field((), max_length=100)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        classes, decision = len(self.class_names), self.decision
        if any(plan.image != self.plan.image for plan in (member.plan for member in self.others)):
            raise ValueError("its networks are for other images")
        if self.plan.image.classes != classes or len(set(self.class_names)) != classes:
            raise ValueError("class_names are not one for each class")
        if len(self.thresholds) not in (0, classes) or len(decision.factors) not in (0, classes):
            raise ValueError("thresholds or factors are not one for each class")
        if self.format < COSTS_OF_PAIRS:
            if any(len(row) != classes for row in decision.costs) or len(decision.costs) not in (0, classes):
                raise ValueError("costs are not one for each pair of classes")
        elif not _are_costs(decision.costs, classes):
            raise ValueError("costs are not each of two different classes, and of no pair twice")
        return self

    def costs(self) -> tuple[Cost, ...]:
        """What mistakes cost, as :class:`automl_img.evaluation.decision.Decision` has it."""
        rows = self.decision.costs
        if self.format < COSTS_OF_PAIRS:
            pairs = ((true, answered, cost) for true, row in enumerate(rows) for answered, cost in enumerate(row))
            return tuple((true, answered, cost) for true, answered, cost in pairs if true != answered and cost != 1)
        return tuple((int(true), int(answered), cost) for true, answered, cost in rows)


def _are_costs(rows: Sequence[Sequence[float]], classes: int) -> bool:
    """Whether each is of a pair of classes: true class, answered class, cost."""
    if any(len(row) != 3 or not all(0 <= place < classes and place.is_integer() for place in row[:2]) for row in rows):
        return False
    pairs = {(true, answered) for true, answered, _ in rows if true != answered}
    return len(pairs) == len(rows)


class UnreadableVersionError(ValueError):
    """The file was written by another version."""


def described(text: str) -> ModelDescription:
    """Return what a ``model.json`` says.

    Raises:
        UnreadableVersionError: It is of another version.
        ValueError: It says something else, or is no JSON; the message is one line.
    """
    try:
        content: Any = json.loads(text, parse_constant=_no_number)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict) or content.get("format") not in READABLE:
        raise UnreadableVersionError
    try:
        return ModelDescription.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))[:100]
        raise ValueError(f"{place}: {first['msg']}" if place else str(first["msg"])) from error


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")
