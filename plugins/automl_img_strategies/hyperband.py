"""Hyperband: many short trainings, the best of which go on to longer ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from automl_img.plugin import OracleStrategy, Problem, SearchStrategy, hookimpl, whole_number
from automl_img.plugin.oracle import FAILED

ENDLESS = 10**9  # iterations; JSON has no infinity


class HyperbandSearch(OracleStrategy):
    """Trains many candidates for a few epochs and gives the best of each round several times as many.

    Starting points are not learned from: a round compares only what was trained equally long. A failed trial counts as
    the worst of its round, which therefore comes to its end, and is never continued.

    Source:
        L. Li, K. Jamieson et al.: Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization, JMLR 18
        (2018); keras-tuner's HyperbandOracle.
    """

    name = "hyperband"
    options = {
        "factor": "how many times longer the next round trains, and how many times fewer go on to it; default 3",
        "iterations": "how often the whole procedure runs; default as often as the budget allows",
    }
    learns_from_starting_points = False
    promotes = True
    least_epochs = 3  # or there are no rounds to promote from

    def make_oracle(self, keras_tuner: Any, hyperparameters: Any, problem: Problem) -> Any:
        """Return a HyperbandOracle whose rounds end in small spaces too."""
        factor = whole_number(problem, "factor", 3, 2)
        oracle = _oracle_class(keras_tuner)(
            hyperparameters=hyperparameters, seed=problem.seed, max_epochs=problem.epochs, factor=factor
        )
        oracle.hyperband_iterations = whole_number(problem, "iterations", ENDLESS, 1)
        return oracle

    def score_of_failure(self, scores: Sequence[float]) -> float | None:
        """Return a score that no other trial falls below."""
        return min(0.0, *scores) if scores else 0.0


def _oracle_class(keras_tuner: Any) -> Any:
    from keras_tuner.engine.trial import Trial

    class FillingOracle(keras_tuner.oracles.HyperbandOracle):  # type: ignore[misc]
        """keras-tuner's oracle, but a first round that the space is too small to fill still promotes its best."""

        def _random_trial(self, trial_id: str, bracket: Any) -> Any:
            response = super()._random_trial(trial_id, bracket)
            first = bracket["rounds"][0]
            if response["status"] == "RUNNING" or not first:
                return response
            worst = min([0.0, *(t.score for t in self.trials.values() if t.status == "COMPLETED")])
            for number in range(self._get_size(bracket["bracket_num"], 0) - len(first)):
                filler = Trial(self.trials[first[0]["id"]].hyperparameters.copy(), f"{trial_id}-{number}", "COMPLETED")
                filler.score, filler.message = worst, FAILED
                self.trials[filler.trial_id] = filler
                first.append({"past_id": None, "id": filler.trial_id})
            return self.populate_space(trial_id)

    return FillingOracle


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "hyperband"."""
    register(HyperbandSearch)
