"""The plan of a search: how the time is divided, and the rules that all its trials share."""

from __future__ import annotations

import math
from dataclasses import asdict

from automl_img import events
from automl_img.executors.tasks import Place
from automl_img.plugin import Outcome
from automl_img.recipe import duration_text
from automl_img.search import preparation
from automl_img.search.budget import Budget
from automl_img.search.leaderboard import member_text
from automl_img.search.preparation import PreparedData
from automl_img.search.run import Run
from automl_img.search.scheduler import Scheduler
from automl_img.search.space import SearchSpace
from automl_img.search.stages import finish_seconds, overhead_of, prediction_seconds, wanted_seconds_per_image
from automl_img.search.starting import Starting, find_starts
from automl_img.search.trials import Rules, Start

BEFORE_REFIT = 0.6  # of the time, where the winner is trained once more afterwards
REPEATS_IF_TIME = 2  # trainings of the best configuration under other seeds, where time is left
SIDE_BY_SIDE = 2  # final trainings on the cores of one machine


def make_scheduler(run: Run, data: PreparedData, space: SearchSpace, place: Place) -> Scheduler:
    """Find the starting points, and plan the stages.

    Args:
        run: The search.
        data: Its data.
        space: Its space.
        place: Where child processes find both.
    """
    recipe = run.recipe
    budget, examples = Budget.of(recipe.budget), len(data.splits.train)
    capacity = run.capacity
    slots, precision = capacity.slots, capacity.hardware.precision(recipe.train.precision)
    affordable, longest = preparation.DEFAULT_SECONDS_PER_IMAGE, math.inf
    gpus, overhead = capacity.hardware.gpus > 0, overhead_of(capacity.hardware)
    finish = finish_seconds(budget.time or 0.0, gpus=gpus)
    left = _seconds_of_training(run, budget, finish + prediction_seconds(len(data.splits.test), affordable))
    if not math.isinf(left):
        part = recipe.search.final_share or 1.0
        part = part if budget.trials is None else min(part, slots / budget.trials)
        longest = part * left
        affordable = wanted_seconds_per_image(longest, examples)
    earlier = run.journal.meta("starts")
    found = None
    if earlier is None:
        found = find_starts(run, data, space, place, seconds=longest, left=left, affordable=affordable)
        starts, outcomes = found.starts, found.outcomes
    else:
        starts = [Start(**start) for start in earlier]
        outcomes = tuple(Outcome(**outcome) for outcome in run.journal.meta("outcomes") or ())
    dearest = max((start.seconds_per_image for start in starts), default=affordable)
    finals, evaluated = _finals_side_by_side(run), len(data.splits.test) + len(data.splits.validation)
    end = math.inf
    if budget.time is not None:
        end = budget.time - finish - prediction_seconds(evaluated, dearest, finals)
        if recipe.final.refit:
            end = run.elapsed + BEFORE_REFIT * (end - run.elapsed)
    limits, cores = recipe.search.limits, capacity.hardware.cores
    augmentations = list(run.registry.all("augmentation"))
    repeats = recipe.final.repeats
    known = {parameter.name for parameter in space.parameters}
    rules = Rules(
        seed=recipe.seed,
        epochs=recipe.train.epochs,
        patience=recipe.train.patience,
        examples=examples,
        slots=slots,
        end=end,
        final_share=recipe.search.final_share,
        precision=precision,
        deterministic=recipe.train.deterministic,
        weights=recipe.train.weights,
        probe=tuple(
            plugin.name
            for plugin in augmentations
            if plugin.recommended and f"augmentation.{plugin.name}" in known and not plugin.mixes_labels
        ),
        versions={f"{r.kind}/{r.name}": r.version for r in run.registry.records if not r.left_out},
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
        threads=1 if gpus else max(1, int(capacity.devices_each)),
        finals=finals,
        final_threads=0 if finals == 1 else max(1, cores // finals),
        overhead=overhead,
        evaluated=evaluated,
    )
    strategy = run.registry.get("strategy", recipe.search.strategy)()
    scheduler = Scheduler(space, starts, strategy, budget, rules, run.elapsed, run.decided, outcomes)
    if found is None:
        return scheduler
    _tell(run, found, scheduler, rules)
    for architecture, reason in scheduler.skipped:
        run.skip(architecture, reason)
    run.journal.set_meta("outcomes", [asdict(outcome) for outcome in outcomes])
    run.journal.set_meta("starts", [asdict(start) for start in starts])
    return scheduler


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
    by_time = math.inf if budget.time is None else max(0.0, budget.time - run.elapsed - finish)
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
    return (
        f"{plan.looks} of {starts} architectures get a look of {duration_text(plan.look_seconds)}, about {count} trials search on, "
        f"and {duration_text(plan.final_seconds)} go to {finals}"
    )
