"""Learning-rate schedules as functions of how much of the training is done."""

from __future__ import annotations

import math
from collections.abc import Callable

WARM_UP = 0.15  # share of the training in which one-cycle and cosine rise to the peak
COOL_DOWN = 0.2  # share of the training in which the others fall to zero, and any where it is ended early

Schedule = Callable[[float], float]


def one_cycle(progress: float) -> float:
    """Rise linearly for the first part, then fall linearly to zero (Smith & Topin, 2018)."""
    return progress / WARM_UP if progress < WARM_UP else (1 - progress) / (1 - WARM_UP)


def cosine(progress: float) -> float:
    """Rise linearly over a short warm-up, then fall as half a cosine to zero (Loshchilov & Hutter, 2017)."""
    warm_up = WARM_UP / 3
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


def constant(progress: float) -> float:
    """Rise quickly, stay, and fall linearly to zero at the end (Hägele et al., 2024)."""
    return min(1.0, progress / (WARM_UP / 3), (1 - progress) / COOL_DOWN)


#: Schedule by name. "reduce_on_plateau" is "constant" with its level lowered by what the validation F1 does.
SCHEDULES: dict[str, Schedule] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "constant": constant,
    "reduce_on_plateau": constant,
}


def level(schedule: str, progress: float) -> float:
    """The learning rate as a share of its peak, at ``progress`` from 0 to 1."""
    return max(0.0, SCHEDULES[schedule](min(1.0, max(0.0, progress))))
