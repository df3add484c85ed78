"""Bayesian optimisation that ends a trial in the middle when it falls behind the others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

from automl_img.plugin import Measurement, PluginError, Problem, SearchStrategy, hookimpl, whole_number
from automl_img_strategies.bayesian import BayesianSearch

WARM_UP = 0.3  # learning rates are high at first, and the order of the trials says little
LEAST_TRIALS = 5


class MedianStopping(BayesianSearch):
    """Suggests as "bayesian" does, and stops a trial whose best score so far lies below the median of the others' means so far.

    Compared are trials of the same fraction of a full training at the same progress, once enough of them have come as far. The others'
    means over their whole course are a mild standard: only a trial that is clearly worse falls below half of them. A stopped trial
    counts with the best that it had.

    Source:
        D. Golovin et al.: Google Vizier: A Service for Black-Box Optimization, KDD 2017, section 3.2.2.
    """

    name = "median_stopping"
    options = {
        **BayesianSearch.options,
        "warm_up": f"the share of a training before which no trial is stopped; default {WARM_UP}",
        "least_trials": f"trials that must have come as far before one is stopped; default {LEAST_TRIALS}",
    }

    def start(self, problem: Problem) -> None:
        """Begin a search of ``problem``."""
        super().start(problem)
        self._warm_up = _share(problem, "warm_up", WARM_UP)
        self._least = whole_number(problem, "least_trials", LEAST_TRIALS, 1)
        self._curves: dict[tuple[str, float], Curve] = {}

    def reason_to_stop(self, measurement: Measurement) -> str:
        """Return why the trial should end now, or an empty text."""
        own = self._added(measurement)
        if measurement.progress < self._warm_up or measurement.progress >= 1:
            return ""
        others = [
            mean
            for (key, fraction), curve in self._curves.items()
            if key != measurement.key and fraction == measurement.fraction
            if (mean := curve.mean_until(measurement.progress)) is not None
        ]
        if len(others) < self._least or own.best >= (median := statistics.median(others)):
            return ""
        done = f"after {measurement.progress:.0%} of its training"
        return f"its best F1 {done} is {own.best:.3f}, the median of {len(others)} others {median:.3f}"

    def remember(self, measurement: Measurement) -> None:
        """Take a measurement without comparing its trial with all others: with thousands of them, that would take many minutes."""
        self._added(measurement)

    def _added(self, measurement: Measurement) -> Curve:
        curve = self._curves.setdefault((measurement.key, measurement.fraction), Curve())
        curve.add(measurement)
        return curve


class Curve:
    """The measurements of one trial.

    Attributes:
        best: Highest score.
    """

    def __init__(self) -> None:
        self.best = -math.inf
        self._points: list[tuple[float, float]] = []

    def add(self, measurement: Measurement) -> None:
        """Add a measurement; another attempt at the trial may measure the same progress again."""
        self.best = max(self.best, measurement.score)
        self._points = [point for point in self._points if point[0] < measurement.progress]
        self._points.append((measurement.progress, measurement.score))

    def mean_until(self, progress: float) -> float | None:
        """Return the mean score up to ``progress``, or None if the trial has not come as far."""
        until = [score for at, score in self._points if at <= progress]
        return statistics.fmean(until) if until and self._points[-1][0] >= progress else None


def _share(problem: Problem, key: str, default: float) -> float:
    value = problem.options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise PluginError(
            "an option of the strategy has a wrong value",
            where=f"[search.options] {key}",
            found=value,
            allowed="a number of at least 0 and at most 1",
        )
    return float(value)


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "median_stopping"."""
    register(MedianStopping)
