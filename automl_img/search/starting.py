"""Where a search starts: the architectures in the order of their promise, each at the size that fits the budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from automl_img.errors import RecipeError
from automl_img.executors.tasks import Place
from automl_img.plugin import ImageTraits, Outcome
from automl_img.search import estimating
from automl_img.search.budget import Budget
from automl_img.search.learning import circumstances, experiences_for
from automl_img.search.preparation import PreparedData
from automl_img.search.prior import expected_errors
from automl_img.search.run import Run
from automl_img.search.space import MIN_STEPS_PER_EPOCH, SearchSpace
from automl_img.search.stages import most_looks, no_time_for_a_look, overhead_of
from automl_img.search.trials import Start
from automl_img.search.warm_start import Learned, learned_from
from automl_img.training.cost import Estimate
from automl_img.training.hardware import REFERENCE, Hardware

GPU_PIXELS = 2**19  # of a batch, up to which a GPU spends more time on starting kernels than in them
LOADING_SHARE = (
    0.5  # of the time that is left, in which pretrained weights must be there: an architecture without is skipped
)
SPARE = 1  # architectures that are estimated beyond those with time for a look: one may not fit, or fail


@dataclass(frozen=True)
class Starting:
    """Where a search starts.

    Attributes:
        starts: The starting points, the most promising first.
        estimates: What each architecture would cost.
        hopeless: Architectures that do not fit, with the reason.
        outcomes: What another search has found in this space.
        skipped: All architectures that get no trial: they cannot be built, do not fit, or are too little promising for the time that there
            is.
    """

    starts: list[Start]
    estimates: list[Estimate]
    hopeless: Mapping[str, str]
    outcomes: tuple[Outcome, ...]
    skipped: tuple[str, ...]


def find_starts(
    run: Run, data: PreparedData, space: SearchSpace, place: Place, *, seconds: float, left: float, affordable: float
) -> Starting | None:
    """Order the architectures by what earlier searches say of them, and choose the size of each by its estimate.

    Args:
        run: The search.
        data: Its data.
        space: Its space.
        place: Where child processes find both.
        seconds: Of the longest training that the budget allows.
        left: Seconds that all trials together may take.
        affordable: Longest wanted time of a training step on one image.

    Returns:
        None: the search was asked to end, or its time is over; it begins here again when it goes on.

    Raises:
        RecipeError: No architecture can have the pretrained weights that the recipe names.
    """
    recipe, traits, names = run.recipe, data.store.traits, space.architectures()
    budget = Budget.of(recipe.budget)
    experiences = experiences_for(run, data.store.fingerprint)
    expected = expected_errors(experiences, circumstances(run, traits), names)
    worth, others = _worth_an_estimate(run, names, expected, left)
    weights = recipe.train.weights
    if weights != "none" and not weights.endswith(".h5"):
        run.decided(
            f"{weights} weights are loaded before the first trial; those that this machine lacks are downloaded"
        )
    estimates = estimating.estimate_starts(
        worth,
        space,
        run.registry,
        place,
        seed_image=traits,
        hardware=_sized_for(run),
        precision=run.capacity.hardware.precision(recipe.train.precision),
        seconds_per_image=affordable,
        weights=weights,
        slots=Hardware.detect(gpus=0).slots("auto"),  # they are built by the processor
        parameter_limit=recipe.search.limits.parameters,
        deadline=budget.seconds_left(run.elapsed) * (1.0 if weights == "none" else LOADING_SHARE),
        stop_asked=lambda: run.interruption.asked,
    )
    if run.interruption.asked or not budget.seconds_left(run.elapsed):
        _tell_unknown(run, estimates)
        return None
    if weights != "none":
        _refuse_weights_of_none(weights, estimates)
    for name, reason in others.items():
        run.skip(name, reason)
    starts, hopeless = _starts(run, estimates, len(data.splits.train), seconds, expected)
    if run.capacity.hardware.gpus:
        starts = [replace(start, values=with_gpu_batch(start.values, space, traits)) for start in starts]
    learned = _warm(run, space, data.store.fingerprint)
    fitting = {found.architecture for found in estimates if found.cost is not None} - set(hopeless)
    skipped = tuple(name for name in names if name not in fitting)
    if learned is None:
        return Starting(starts, estimates, hopeless, (), skipped)
    first = [learned.start] if learned.start else []
    return Starting([*first, *starts], estimates, hopeless, learned.outcomes, skipped)


def _sized_for(run: Run) -> Hardware:
    """The machine that networks are sized for: this one, which predicts with them at the end.

    For deterministic searches on a processor it is always the same one: their results must not depend on its cores.
    """
    hardware = Hardware.detect()
    return REFERENCE if run.recipe.train.deterministic and not hardware.gpus else hardware


def _tell_unknown(run: Run, estimates: list[Estimate]) -> None:
    """Name the architectures without an estimate: one of them may be why there was no time for more."""
    names = ", ".join(sorted(found.architecture for found in estimates if found.cost is None))
    if names:
        run.decided(f"the search ends before these architectures are estimated: {names}")


def _refuse_weights_of_none(weights: str, estimates: list[Estimate]) -> None:
    """All members of pretrained networks are alike: where none can be built, all trials would fail."""
    if all(found.cost is None for found in estimates):
        reasons = "; ".join(f"{found.architecture}: {found.problem}" for found in estimates)
        problem = "no network can be trained with these weights and limits"
        raise RecipeError(problem, where="train.weights", found=weights, hint=reasons)


def _worth_an_estimate(
    run: Run, names: list[str], expected: Mapping[str, float], left: float
) -> tuple[list[str], dict[str, str]]:
    """Return the architectures to estimate, and those that there will be no time to look at, with the reason."""
    share, trials = run.recipe.search.final_share, run.recipe.budget.trials
    promising = sorted(names, key=lambda name: expected[name])
    overhead = overhead_of(run.capacity.hardware)
    if math.isinf(left) or share == 0 or trials is not None or not any(expected.values()):
        return promising, {}
    most = most_looks(left, run.capacity.slots, share, overhead)
    reason = no_time_for_a_look(most, overhead)
    return promising[: most + SPARE], dict.fromkeys(promising[most + SPARE :], reason)


def _starts(
    run: Run, estimates: list[Estimate], examples: int, share: float, expected: Mapping[str, float]
) -> tuple[list[Start], dict[str, str]]:
    """Return the starting points, and the architectures that do not fit with the reason; both kinds of misfits are skipped."""
    for found in estimates:
        if found.problem:
            run.skip(found.architecture, found.problem)
    starts, hopeless = estimating.starts_of(estimates, examples, share, expected)
    for architecture, reason in hopeless:
        run.skip(architecture, reason)
    return (starts if run.recipe.search.starts else []), dict(hopeless)


def with_gpu_batch(values: Mapping[str, Any], space: SearchSpace, image: ImageTraits) -> dict[str, Any]:
    """Return ``values`` with the largest batch that costs a GPU little more time than theirs, if the recipe allows a larger one.

    A training step on small images is a row of short kernels, which cost more to start than to run.
    """
    allowed = next(parameter.values for parameter in space.parameters if parameter.name == "batch_size")
    pixels, most = image.height * image.width, image.examples // MIN_STEPS_PER_EPOCH
    free = [int(size) for size in allowed if int(size) <= most and int(size) * pixels <= GPU_PIXELS]
    return space.complete({**values, "batch_size": max([int(values["batch_size"]), *free])})


def _warm(run: Run, space: SearchSpace, fingerprint: str) -> Learned | None:
    if run.recipe.search.warm_start is None:
        return None
    learned = learned_from(run.recipe.search.warm_start, space, fingerprint)
    run.decided(learned.sentence)
    return learned
