"""What architectures would cost where they would train, and which of them a search may begin with."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from automl_img.errors import named_reason_of
from automl_img.executors.process import TaskDone, TaskFailed
from automl_img.executors.running import LOST, run_tasks
from automl_img.executors.tasks import EstimateArgument, Place, estimate
from automl_img.plugin import PluginRegistry
from automl_img.recipe import duration_text
from automl_img.search.space import SearchSpace
from automl_img.search.stages import LEAST_EPOCHS
from automl_img.search.trials import Start
from automl_img.training.cost import Estimate
from automl_img.training.hardware import Hardware

#: A step's time per image that is called affordable where no time budget says otherwise, in seconds.
DEFAULT_SECONDS_PER_IMAGE = 1e-3
CERTAINLY = 2.0  # a prediction this far over the share is sure enough to skip an architecture without a timed step


def estimate_starts(
    names: Sequence[str],
    space: SearchSpace,
    registry: PluginRegistry,
    place: Place,
    *,
    seed_image: Any,
    hardware: Hardware,
    precision: str,
    seconds_per_image: float,
    weights: str,
    slots: int,
    parameter_limit: int | None = None,
    deadline: float = math.inf,
    stop_asked: Callable[[], bool] = lambda: False,
) -> list[Estimate]:
    """Estimate architectures in child processes and choose the member of each that fits.

    Args:
        names: The architectures.
        space: The search space.
        registry: The plugins.
        place: Where the children find data and plugins.
        seed_image: Traits of the images.
        hardware: The machine that they are sized for.
        precision: Keras dtype policy.
        seconds_per_image: Wanted time of a training step, divided by the batch size.
        weights: "none" or pretrained weights.
        slots: Child processes at once.
        parameter_limit: The most weights that a network may have, or None.
        deadline: Seconds after which children that have not answered are given up, with all that they were to estimate.
        stop_asked: Whether to give all of them up now.
    """
    estimates: list[Estimate] = []
    candidates = []
    for name in names:
        try:
            members = [dict(member) for member in registry.get("architecture", name).members(seed_image)] or [{}]
            values = tuple(space.start(name, member) for member in (members[-1:] if weights != "none" else members))
            candidates.append((name, values))
        except Exception as error:
            estimates.append(Estimate(name, -1, 0, {}, None, named_reason_of(error)))
    shares = [tuple(candidates[i::slots]) for i in range(slots)]
    if weights != "none":  # a slow download shall cost no other architecture its estimate
        shares = [(one,) for one in candidates]
    arguments = [
        EstimateArgument(place, share, hardware, precision, seconds_per_image, weights, parameter_limit)
        for share in shares
        if share
    ]
    return estimates + _run_all(arguments, slots, deadline, stop_asked)


def _run_all(
    arguments: Sequence[EstimateArgument], slots: int, deadline: float, stop_asked: Callable[[], bool]
) -> list[Estimate]:
    """Estimate each share in a process of its own.

    Where a process is lost, each of its architectures is tried once more by itself: mostly one of them is to blame.
    """
    end = time.monotonic() + deadline
    estimates: list[Estimate] = []
    waiting = [(argument, True) for argument in arguments]
    while waiting:
        now, waiting = waiting[:slots], waiting[slots:]
        left = max(0.0, end - time.monotonic())
        for (argument, first), answer in zip(now, _answers([one for one, _ in now], left, stop_asked), strict=True):
            if isinstance(answer, TaskDone):
                estimates += answer.value
            elif first and answer.kind in LOST and time.monotonic() < end and not stop_asked():
                waiting += [(replace(argument, candidates=(one,)), False) for one in argument.candidates]
            else:
                problem = f"its estimate failed: {answer.message}"
                estimates += [Estimate(name, -1, 0, {}, None, problem) for name, _ in argument.candidates]
    return estimates


def _answers(
    arguments: Sequence[EstimateArgument], deadline: float, stop_asked: Callable[[], bool]
) -> list[TaskDone | TaskFailed]:
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{i}.txt" for i in range(len(arguments))]
        return run_tasks(estimate, arguments, logs, deadline=deadline, stop_asked=stop_asked, most=1)


def starts_of(
    estimates: Sequence[Estimate], examples: int, share: float, expected: Mapping[str, float]
) -> tuple[list[Start], list[tuple[str, str]]]:
    """Return the starting points, the most promising first, and the architectures that have no chance, with the reason.

    Args:
        estimates: What each architecture would cost.
        examples: Training images.
        share: Seconds of the longest training that the budget allows.
        expected: What earlier searches say of each; among equals the cheapest comes first.
    """
    usable = [(found, found.cost) for found in estimates if found.cost is not None]
    usable.sort(key=lambda pair: (pair[1].seconds, pair[0].architecture))
    starts: list[Start] = []
    hopeless: list[tuple[str, str]] = []
    for found, cost in usable:
        epoch = cost.seconds * examples
        if starts and LEAST_EPOCHS * epoch > CERTAINLY * share:
            size = f"even at its smallest an epoch takes about {duration_text(epoch)}"
            hopeless.append((found.architecture, f"{size}; its share of the budget is {duration_text(share)}"))
        else:
            size = f"{found.member + 1} of {found.members}"
            promise = expected.get(found.architecture, 0.0)
            starts.append(Start(found.architecture, found.values, cost.seconds, size, promise))
    return sorted(starts, key=lambda start: start.expected), hopeless
