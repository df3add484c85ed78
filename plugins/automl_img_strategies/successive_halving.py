"""Asynchronous successive halving: many short trainings, of which the best go on for longer as soon as they are known."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from automl_img.plugin import (
    DONE,
    WAIT,
    Outcome,
    Problem,
    SearchStrategy,
    Signal,
    Suggestion,
    check_options,
    hookimpl,
    whole_number,
)
from automl_img_strategies.random import RandomSearch

RANDOM, TRAINING = "random ", "training "  # the beginnings of the names of entries in the state


@dataclass
class Training:
    """One suggestion.

    Attributes:
        values: Its hyperparameter values.
        rung: How often it was promoted, from 0.
        ended: Whether its outcome is known.
        score: What came of it; None while it runs, and if it failed.
        promoted: Whether another one continues it.
    """

    values: dict[str, Any]
    rung: int
    ended: bool = False
    score: float | None = None
    promoted: bool = False


class SuccessiveHalving(SearchStrategy):
    """Trains random configurations for a small part of a full training, and promotes the best third of each rung to the next.

    A trial is promoted as soon as it is among the best third of those that have ended in its rung; nobody waits for a rung to be
    complete, so that no slot is idle. It goes on from its checkpoint. Starting points are not learned from: rungs compare only what
    was trained equally long.

    Source:
        L. Li, K. Jamieson et al.: A System for Massively Parallel Hyperparameter Tuning (ASHA), MLSys 2020.
    """

    name = "successive_halving"
    options = {
        "factor": "one in so many trials of a rung goes on to the next, and trains so many times longer; default 3",
        "rungs": "how many rungs there are, the full training included; default 3, or fewer with few epochs",
    }
    promotes = True

    def start(self, problem: Problem) -> None:
        """Begin a search of ``problem``."""
        check_options(self, problem)
        self._factor = whole_number(problem, "factor", 3, 2)
        rungs = whole_number(problem, "rungs", 3, 1)
        fractions = [self._factor ** (rung - rungs + 1) for rung in range(rungs)]
        self._fractions = [fraction for fraction in fractions if fraction * problem.epochs >= 1] or [1]
        self._random = RandomSearch()
        self._random.start(Problem(problem.parameters, problem.seed, problem.trials, problem.epochs))
        self._trainings: dict[str, Training] = {}
        self._unsaved: dict[str, None] = {}

    def ask(self) -> Suggestion | Signal:
        """Return a promotion if one is due, else a new configuration; at the end of a small space its best goes on to the top."""
        return self._promotion(self._factor) or self._new() or self._promotion(1) or DONE

    def _promotion(self, factor: int) -> Suggestion | None:
        """Promote the best of the highest rung that has one among the first of every ``factor`` that ended."""
        for rung in range(len(self._fractions) - 2, -1, -1):
            ended = [(key, t) for key, t in self._trainings.items() if t.rung == rung and t.ended]
            good = [(key, t) for key, t in ended if t.score is not None]
            good.sort(key=lambda pair: -float(pair[1].score or 0.0))
            places = len(ended) // factor if factor > 1 else int(not any(t.promoted for _, t in good))
            for key, training in good[:places]:
                if not training.promoted:
                    training.promoted = True
                    self._unsaved[key] = None
                    return self._begin(Training(training.values, rung + 1), continues=key)
        return None

    def _new(self) -> Suggestion | Signal | None:
        suggestion = self._random.ask()
        if isinstance(suggestion, Suggestion):
            # It only draws: what comes of it is not its business.
            self._random.tell(Outcome(suggestion.key, suggestion.values, 0.0))
            return self._begin(Training(dict(suggestion.values), 0))
        return WAIT if any(not training.ended for training in self._trainings.values()) else None

    def _begin(self, training: Training, continues: str | None = None) -> Suggestion:
        key = f"{self.name}-{len(self._trainings)}"
        self._trainings[key] = training
        self._unsaved[key] = None
        return Suggestion(key, dict(training.values), self._fractions[training.rung], continues)

    def tell(self, outcome: Outcome) -> None:
        """Learn what came of a suggestion; what it did not suggest, and what it knows, is ignored."""
        training = self._trainings.get(outcome.key)
        if training is None or training.ended:
            return
        training.ended = True
        self._unsaved[outcome.key] = None
        # Comparisons with NaN are all false: such a trial would stand anywhere.
        finite = outcome.score is not None and abs(outcome.score) < float("inf")
        training.score = outcome.score if finite else None

    def state(self) -> dict[str, Any]:
        """Return all trainings and the state of the random draws, each training as an entry of its own."""
        return copy.deepcopy(self._entries(self._trainings, self._random.state()))

    def changes(self) -> dict[str, Any] | None:
        """Return the trainings that have begun, ended or been promoted, and what has changed of the random draws."""
        entries = self._entries(self._unsaved, self._random.changes() or {})
        self._unsaved.clear()
        return entries

    def _entries(self, keys: Iterable[str], random: Mapping[str, Any]) -> dict[str, Any]:
        trainings = {f"{TRAINING}{key}": asdict(self._trainings[key]) for key in keys}
        return {**trainings, **{f"{RANDOM}{name}": entry for name, entry in random.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state``."""
        self._random.restore(_below(RANDOM, state))
        self._trainings = {key: Training(**copy.deepcopy(saved)) for key, saved in _below(TRAINING, state).items()}


def _below(prefix: str, state: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(prefix): entry for name, entry in state.items() if name.startswith(prefix)}


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "successive_halving"."""
    register(SuccessiveHalving)
