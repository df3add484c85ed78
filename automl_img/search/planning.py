"""The plan of a search: how the time is divided, and the rules that all its trials share."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from automl_img import events
from automl_img.executors.tasks import Place
from automl_img.plugin import Augmentation, Outcome, Problem, SearchStrategy
from automl_img.recipe import duration_text
from automl_img.search.budget import Budget
from automl_img.search.checking import refuse_space
from automl_img.search.estimating import DEFAULT_SECONDS_PER_IMAGE
from automl_img.search.leaderboard import member_text
from automl_img.search.preparation import PreparedData
from automl_img.search.refitting import MARGIN, RESERVE
from automl_img.search.run import Run
from automl_img.search.scheduler import Scheduler
from automl_img.search.space import SearchSpace
from automl_img.search.stages import (
    SHORTEST_LOOK,
    figures_seconds,
    finish_seconds,
    overhead_of,
    prediction_seconds,
    wanted_seconds_per_image,
)
from automl_img.search.starting import Starting, find_starts
from automl_img.search.suggesting import FEW
from automl_img.search.trials import Rules, Start

PLANNED = "planned"  # key in the journal of the seconds after which the time was divided, from which a search that goes on divides it too
SKIPPED = "without"  # key in the journal of the architectures that were left out of the space for good
REPEATS_IF_TIME = 2  # trainings of the best configuration under other seeds, where time is left
MEASURED_APART = 3.0  # seconds to build a model that was to be trained again once more, and to measure it
SIDE_BY_SIDE = 2  # final trainings on the cores of one machine


def make_scheduler(run: Run, data: PreparedData, space: SearchSpace, place: Place) -> Scheduler:
    """Find the starting points, and plan the stages.

    Args:
        run: The search.
        data: Its data.
        space: Its space.
        place: Where child processes find both.

    Raises:
        PluginError: The strategy refuses the space.
    """
    budget = Budget.of(run.recipe.budget)
    means = _means(run, budget, data)
    earlier = run.journal.meta("starts")
    found: Starting | None = None
    starts: list[Start] = []
    outcomes: tuple[Outcome, ...] = ()
    without: list[str] = run.journal.meta(SKIPPED) or []
    if earlier is not None:
        starts = [Start(**start) for start in earlier]
        outcomes = tuple(Outcome(**outcome) for outcome in run.journal.meta("outcomes") or ())
    elif found := find_starts(
        run, data, space, place, seconds=means.longest, left=means.left, affordable=means.seconds_per_image
    ):
        starts, outcomes, without = found.starts, found.outcomes, list(found.skipped)
    dearest = max((start.seconds_per_image for start in starts), default=means.seconds_per_image)
    planned = run.journal.meta(PLANNED)
    if planned is None or run.journal.meta("state") == "ended":  # what it is given now is divided anew
        planned = run.elapsed
        run.journal.set_meta(PLANNED, planned)
    rules = _rules(run, data, space, _end(run, budget, data, dearest, planned))
    strategy = run.registry.get("strategy", run.recipe.search.strategy)
    space = space.without(without)
    scheduler = Scheduler(space, starts, strategy(), budget, rules, run.elapsed, run.decided, outcomes)
    if found is None:
        return scheduler
    if scheduler.plan is None:
        _refuse_with_the_strategy(strategy, space, budget.trials_left - rules.repeats - len(starts), rules)
    _tell(run, found, scheduler, rules)
    for architecture, reason in scheduler.skipped:
        run.skip(architecture, reason)
    run.journal.set_meta("outcomes", [asdict(outcome) for outcome in outcomes])
    run.journal.set_meta(SKIPPED, without)
    run.journal.set_meta("starts", [asdict(start) for start in starts])
    return scheduler


def _refuse_with_the_strategy(
    strategy: type[SearchStrategy], space: SearchSpace, suggestions: float, rules: Rules
) -> None:
    """See that the strategy takes the space, where it will search all of it and there is a trial left for it after the starting points.

    Raises:
        PluginError: It does not.
    """
    if suggestions >= 1 and space.architectures():
        trials = FEW if math.isinf(suggestions) else int(suggestions)
        refuse_space(strategy, Problem(space.free(), rules.seed, trials, rules.epochs, dict(rules.options)))


@dataclass(frozen=True)
class _Means:
    """What trainings may take.

    Attributes:
        left: Seconds for all of them; infinite without a budget of time or of devices.
        longest: Seconds for the longest.
        seconds_per_image: The step time with which that sees the images often enough.
    """

    left: float
    longest: float
    seconds_per_image: float


def _means(run: Run, budget: Budget, data: PreparedData) -> _Means:
    recipe, typical = run.recipe, DEFAULT_SECONDS_PER_IMAGE
    finish = _finish(run, budget, data) + prediction_seconds(len(data.splits.test), typical)
    left = _seconds_of_training(run, budget, finish)
    left *= _share_before_refit(run, data)
    if math.isinf(left):
        return _Means(left, math.inf, typical)
    part = recipe.search.final_share or 1.0
    longest = left * (part if budget.trials is None else min(part, run.capacity.slots / budget.trials))
    return _Means(left, longest, wanted_seconds_per_image(longest, len(data.splits.train)))


def _finish(run: Run, budget: Budget, data: PreparedData) -> float:
    figures = figures_seconds(_evaluated(data), data.store.task.classes)
    return finish_seconds(budget.time or 0.0, gpus=run.capacity.hardware.gpus > 0) + figures


def _end(run: Run, budget: Budget, data: PreparedData, dearest: float, planned: float) -> float:
    """When all training must have ended, but for that of the winner on all images.

    Args:
        run: The search.
        budget: What it may spend.
        data: Its data.
        dearest: The largest step time per image of the networks that may be predicted with.
        planned: Seconds of the budget that had gone when the time was divided first.
    """
    if budget.time is None:
        return math.inf
    predictions = prediction_seconds(_evaluated(data), dearest, _finals_side_by_side(run))
    end = budget.time - _finish(run, budget, data) - predictions
    if not run.recipe.final.refit:
        return end
    overhead = overhead_of(run.capacity.hardware)
    before = (end - planned - RESERVE - MARGIN * overhead) * _share_before_refit(run, data)
    return planned + before if before > SHORTEST_LOOK + overhead else end - MEASURED_APART  # there is no time for both


def _share_before_refit(run: Run, data: PreparedData) -> float:
    """Of the time for training, so that the winner can be trained once more even if its first training had all of it."""
    if not run.recipe.final.refit:
        return 1.0
    train, validation = len(data.splits.train), len(data.splits.validation)
    return 1 / (1 + MARGIN * (train + validation) / train)


def _evaluated(data: PreparedData) -> int:
    return len(data.splits.test) + len(data.splits.validation)


def _rules(run: Run, data: PreparedData, space: SearchSpace, end: float) -> Rules:
    recipe, capacity = run.recipe, run.capacity
    limits, repeats, finals = recipe.search.limits, recipe.final.repeats, _finals_side_by_side(run)
    hardware, probed = capacity.hardware, _probed(run, space)
    return Rules(
        seed=recipe.seed,
        epochs=recipe.train.epochs,
        patience=recipe.train.patience,
        examples=len(data.splits.train),
        slots=capacity.slots,
        end=end,
        final_share=recipe.search.final_share,
        precision=hardware.precision(recipe.train.precision),
        deterministic=recipe.train.deterministic,
        weights=recipe.train.weights,
        probe=tuple(one.name for one in probed),
        least_passes={one.name: one.least_passes for one in probed},
        natural_affinity={one.name: one.natural_affinity for one in probed},
        versions=run.registry.versions,
        parameter_limit=limits.parameters,
        seconds_limit=limits.seconds,
        latency_limit=limits.latency,
        memory_limit=capacity.memory,
        memory_alone=capacity.memory_alone,
        options=recipe.search.options,
        repeats=0 if repeats == "auto" else repeats,
        repeats_if_time=REPEATS_IF_TIME if repeats == "auto" else repeats,
        device_seconds=_device_seconds(run),
        devices=capacity.devices,
        devices_each=capacity.devices_each,
        devices_alone=capacity.devices_alone,
        threads=1 if hardware.gpus else max(1, int(capacity.devices_each)),
        finals=finals,
        final_threads=0 if finals == 1 else max(1, hardware.cores // finals),
        overhead=overhead_of(hardware),
        evaluated=_evaluated(data),
        validated=len(data.splits.validation),
        local=recipe.compute.executor == "local",
    )


def _probed(run: Run, space: SearchSpace) -> tuple[Augmentation, ...]:
    """The augmentations that trainings begin with if they suit the images, which the first network measures."""
    known = {parameter.name for parameter in space.parameters}
    plugins = run.registry.all("augmentation")
    suiting = (one for one in plugins if one.recommended and not one.mixes_labels)
    return tuple(one for one in suiting if f"augmentation.{one.name}" in known)


def _finals_side_by_side(run: Run) -> int:
    """How many final trainings may share the cores; whether they do is told by the speed of the one that is chosen.

    A bound on latency, or training again on all images, wants one network.
    """
    recipe, capacity = run.recipe, run.capacity
    apart = recipe.compute.executor != "local" or capacity.hardware.gpus or capacity.slots < SIDE_BY_SIDE
    single = recipe.final.ensemble < SIDE_BY_SIDE or recipe.final.refit or recipe.search.limits.latency is not None
    return 1 if apart or single else SIDE_BY_SIDE


def _device_seconds(run: Run) -> float | None:
    hours = run.recipe.budget.device_hours
    return None if hours is None else 3600.0 * hours


def _seconds_of_training(run: Run, budget: Budget, finish: float) -> float:
    """Seconds from now that trials may take, by the time and the device time that there are; infinite without either, 0 if all has gone."""
    by_time = max(0.0, budget.seconds_left(run.elapsed) - finish)
    device_seconds = _device_seconds(run)
    by_devices = math.inf if device_seconds is None else device_seconds / run.capacity.devices
    return min(by_time, by_devices)


def _tell(run: Run, starting: Starting, scheduler: Scheduler, rules: Rules) -> None:
    rows = []
    for found in starting.estimates:
        if found.cost is None:
            continue
        epoch = found.cost.seconds * rules.examples
        size = member_text(dict(found.values)) if found.values else ""
        fits = f"size {found.member + 1} of {found.members}"
        verdict = "does not fit" if found.architecture in starting.hopeless else fits
        rows.append(
            events.ArchitectureEstimate(
                found.architecture,
                size,
                found.cost.parameters,
                round(found.cost.flops / 1e6, 2),
                round(epoch, 2),
                verdict,
            )
        )
    run.say(
        events.Preflight,
        _forecast(run, scheduler, len(rows) - len(starting.hopeless), rules.finals),
        tuple(rows),
        precision=rules.precision,
        slots=rules.slots,
    )


def _forecast(run: Run, scheduler: Scheduler, starts: int, together: int) -> str:
    plan = scheduler.plan
    finals = (
        "the final training of the best" if together == 1 else "the final training of the best, or of two side by side"
    )
    if plan is None:
        trials = run.recipe.budget.trials
        return f"{trials} full trainings" if trials else "full trainings, one after the other, until the budget ends"
    if scheduler.trains_at_once:
        return f"there is time for one training, of {duration_text(max(0.0, plan.end - run.elapsed))}, of the most promising"
    searched = max(0.0, plan.search_end - run.elapsed) * run.capacity.slots
    count = int(max(0.0, searched - plan.looks * plan.look_slot) / plan.search_slot)
    looks = f"{plan.looks} of {starts} architectures get a look of {duration_text(plan.look_seconds)}"
    search = f", about {count} trials search on," if count else ""
    return f"{looks}{search} and {duration_text(plan.final_seconds)} go to {finals}"
