"""The clock of a trial: how much is done, by time or by steps, whichever is further; the learning rate follows it."""

from __future__ import annotations

import time
from collections.abc import Callable

from automl_img.training.schedules import COOL_DOWN, level


class TrainingClock:
    """Measures the progress of a training that ends at a time or after a number of steps, whichever comes first.

    Args:
        total_steps: Steps of the whole training.
        now: Tells the time in seconds; another clock in tests.

    Attributes:
        steps: Those that are done.
        cooling_from: The progress at which an early end began; None: the training goes on to its end.
    """

    def __init__(self, total_steps: int, now: Callable[[], float] = time.monotonic) -> None:
        self.total_steps = total_steps
        self.steps = 0
        self.cooling_from: float | None = None
        self._now = now
        self._begin = now()
        self._end: float | None = None

    def start(self, seconds: float | None, before: float = 0.0) -> None:
        """Begin now; the time ends after ``seconds``, or never. ``before`` seconds were trained in another process."""
        now = self._now()
        self._begin = now - before
        self._end = None if seconds is None else now + max(seconds, 1e-3)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._now() - self._begin

    @property
    def out_of_time(self) -> bool:
        """Whether the time is up."""
        return self._end is not None and self._now() >= self._end

    def progress(self) -> float:
        """How much is done, from 0 to 1."""
        by_steps = self.steps / self.total_steps
        by_time = 0.0 if self._end is None else self.elapsed / (self._end - self._begin)
        return min(1.0, max(by_steps, by_time))

    def cool_down(self) -> None:
        """Begin an early end: the learning rate falls linearly to zero, for as much of the training as it would have taken at its end.

        A training that stops at a high rate has not become what it has learned (Hägele et al., 2024).
        """
        if self.cooling_from is None:
            self.cooling_from = self.progress()

    @property
    def is_cool(self) -> bool:
        """Whether an early end is over."""
        return self.cooling_from is not None and self.progress() >= self._cool_at(self.cooling_from)

    @staticmethod
    def _cool_at(begun: float) -> float:
        return min(1.0, begun / (1 - COOL_DOWN))

    def learning_rate(self, schedule: str, peak: float, per_execution: int) -> float:
        """The learning rate of the next ``per_execution`` steps: the schedule at their middle."""
        middle = min(1.0, self.progress() + 0.5 * per_execution / self.total_steps)
        begun = self.cooling_from
        if begun is None:
            return peak * level(schedule, middle)
        left = (self._cool_at(begun) - middle) / max(1e-9, self._cool_at(begun) - begun)
        return peak * level(schedule, begun) * max(0.0, left)
