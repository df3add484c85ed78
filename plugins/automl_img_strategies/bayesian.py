"""Bayesian optimisation: a Gaussian process learns from all trials where the next one promises most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from automl_img.plugin import OracleStrategy, Problem, SearchStrategy, hookimpl
from automl_img.plugin.oracle import whole_number


class BayesianSearch(OracleStrategy):
    """Tries what a Gaussian process fitted to all trials so far finds most promising, after a few random trials.

    A failed trial counts like the worst one so far, or else the process would come back to the same place for ever.

    Source:
        J. Snoek, H. Larochelle, R. P. Adams: Practical Bayesian Optimization of Machine Learning Algorithms, NeurIPS
        2012; keras-tuner's BayesianOptimizationOracle.
    """

    name = "bayesian"
    options = {
        "num_initial_points": "random trials before the first fit, starting points included; default a quarter of all"
    }

    def make_oracle(self, keras_tuner: Any, hyperparameters: Any, problem: Problem) -> Any:
        """Return a BayesianOptimizationOracle whose suggestions follow from its trials alone."""
        points = whole_number(problem, "num_initial_points", max(3, problem.trials // 4), 1)
        oracle = _oracle_class(keras_tuner)
        return oracle(hyperparameters=hyperparameters, seed=problem.seed, num_initial_points=points)

    def score_of_failure(self, scores: Sequence[float]) -> float | None:
        """Return the worst score so far."""
        return min(scores, default=0.0)


def _oracle_class(keras_tuner: Any) -> Any:
    import numpy as np
    from threadpoolctl import threadpool_limits

    class RepeatableOracle(keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]
        """keras-tuner's oracle without the state that its get_state leaves out: the random state and the last fit."""

        trials: dict[str, Any]

        def populate_space(self, trial_id: str) -> Any:
            if not self._nonfixed_space():
                return self._random_populate_space()
            self._random_state = np.random.RandomState([self.seed, len(self.trials)])
            try:
                # More threads make the many small solves five times slower.
                with threadpool_limits(1):
                    self._fit_completed()
                    response = super().populate_space(trial_id)
            except np.linalg.LinAlgError:
                return self._random_populate_space()
            repeated = response["values"] is not None and self._duplicate(response["values"])
            return self._random_populate_space() if repeated else response

        def _fit_completed(self) -> None:
            # Running trials are given the score that the last fit foresees, so that none is chosen twice.
            self.gpr = self._make_gpr()
            trials, completed = self.trials, {k: t for k, t in self.trials.items() if t.status == "COMPLETED"}
            if not self.ongoing_trials or len(completed) < self.num_initial_points:
                return
            self.trials = completed
            try:
                self.gpr.fit(*self._vectorize_trials())
            finally:
                self.trials = trials

    return RepeatableOracle


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "bayesian"."""
    register(BayesianSearch)
