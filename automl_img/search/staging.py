"""The stages of one search: whether it has any, and what there is time for in them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from automl_img.search.stages import StagePlan, no_time_for_a_look, plan_stages
from automl_img.search.trials import Rules, Start

#: Looks that each trial of a budget of trials would have time for, beyond which all are full trainings.
LOOKS_TO_PLAN = 3


def planned(rules: Rules, starts: Sequence[Start], trials_left: float, elapsed: float, end: float) -> StagePlan | None:
    """Divide the time into stages.

    Args:
        rules: What all trials share.
        starts: Starting points.
        trials_left: Trials left in the budget; infinite without a limit.
        elapsed: Seconds since the search began.
        end: When all training must have ended; infinite without a time budget.

    Returns:
        The plan; None: each trial is a full training, as there is no time to divide, or so much for each of few trials.
    """
    if math.isinf(end) or rules.final_share == 0 or rules.deterministic or not starts:
        return None
    plan = plan_stages(
        elapsed=elapsed,
        end=end,
        starts=max(1, int(min(len(starts), trials_left - 1))),  # one is kept for the final training
        slots=rules.slots,
        final_share=rules.final_share,
        full_seconds=statistics.median(rules.epochs * epoch_seconds(rules, start) for start in starts) * rules.slots,
        overhead=rules.overhead,
    )
    share = (end - elapsed) * rules.slots / trials_left
    return None if share > LOOKS_TO_PLAN * plan.look_slot and not math.isinf(trials_left) else plan


def looks(
    plan: StagePlan | None, starts: Sequence[Start], overhead: float
) -> tuple[list[Start], list[tuple[str, str]]]:
    """Return the starting points that are tried, and the architectures of those that there is no time for, with the reason."""
    tried = len(starts) if plan is None else plan.looks
    reason = no_time_for_a_look(tried, overhead)
    return list(starts[:tried]), [(start.architecture, reason) for start in starts[tried:]]


def expected_suggestions(plan: StagePlan, slots: int, elapsed: float) -> int:
    """How many trials the search stage has time for from ``elapsed`` on, the seconds since the search began."""
    return int(max(0.0, plan.search_end - elapsed) * slots / plan.search_slot)


def epoch_seconds(rules: Rules, start: Start) -> float:
    """Predicted seconds of a pass over the training images."""
    return rules.examples * start.seconds_per_image
