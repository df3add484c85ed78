"""Which hyperparameters mattered, by the trials of a search."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST_TRIALS = 12  # with a score, below which nothing can be said
TREES, REPEATS = 100, 5  # a second for a dozen trials of sixty hyperparameters: it counts in the budget
SHOWN = 10


@dataclass(frozen=True)
class Importance:
    """How much a hyperparameter mattered.

    Attributes:
        name: Its full name.
        share: Of the explained differences of F1, 0 to 1; over all hyperparameters together 1.
    """

    name: str
    share: float


def importance(
    trials: Sequence[tuple[Mapping[str, Any], float, float]], seed: int = 0
) -> tuple[list[Importance], float]:
    """Return the hyperparameters by how much of the differences of F1 goes with them, and how well all of them explain it.

    A random forest learns F1 from the hyperparameters and from how long each trial was trained; then the values of one hyperparameter
    at a time are shuffled among the trials, and what the forest loses by it is its importance. How long a trial was trained explains
    much, and is no hyperparameter: it is learned, and not listed.

    Args:
        trials: Of each its hyperparameters by full name, its passes over the images, and its F1.
        seed: Of the forest and the shuffling.

    Returns:
        The hyperparameters, the most important first, and the forest's R² on trials that each of its trees has not seen, at most 1;
        nothing and 0 where there are too few trials or where nothing differs.

    Source:
        L. Breiman: Random Forests, Machine Learning 45 (2001), by scikit-learn's ``permutation_importance``; after the idea of F. Hutter
        et al., "An Efficient Approach for Assessing Hyperparameter Importance", ICML 2014.
    """
    columns = _columns([values for values, _, _ in trials])
    if len(trials) < LEAST_TRIALS or not columns:
        return [], 0.0
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    names = list(columns)
    passes = [math.log(max(1e-3, epochs)) for _, epochs, _ in trials]
    x = np.column_stack([*(columns[name] for name in names), passes])
    y = np.array([f1 for *_, f1 in trials])
    if np.ptp(y) == 0:
        return [], 0.0
    forest = RandomForestRegressor(TREES, min_samples_leaf=2, oob_score=True, random_state=seed).fit(x, y)
    lost = permutation_importance(forest, x, y, n_repeats=REPEATS, random_state=seed).importances_mean
    mine = np.maximum(0.0, lost[: len(names)])
    if not mine.sum():
        return [], float(forest.oob_score_)
    shares = mine / mine.sum()
    order = np.argsort(-shares, kind="stable")[:SHOWN]
    return [Importance(names[place], float(shares[place])) for place in order if shares[place] > 0], float(
        forest.oob_score_
    )


def _columns(trials: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Each hyperparameter that differs, as numbers; where a trial does not have it, a number that no trial has."""
    names = dict.fromkeys(name for values in trials for name in values)
    found = {}
    for name in names:
        column = [values.get(name) for values in trials]
        if len({str(value) for value in column}) > 1:
            found[name] = _numbers(column)
    return found


def _numbers(column: Sequence[Any]) -> list[float]:
    given = [value for value in column if value is not None]
    if all(isinstance(value, int | float) for value in given):
        low, high = min(given), max(given)
        logarithmic = low > 0 and high / low > 20
        numbers = [None if value is None else (math.log(value) if logarithmic else float(value)) for value in column]
        absent = min(number for number in numbers if number is not None) - 1.0
        return [absent if number is None else number for number in numbers]
    kinds = {str(value): float(place) for place, value in enumerate(sorted({str(value) for value in given}))}
    return [kinds.get(str(value), -1.0) for value in column]
