"""Bayesian optimisation: a Gaussian process learns from all trials where the next one promises most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from automl_img.plugin import OracleStrategy, Problem, SearchStrategy, hookimpl, whole_number
from automl_img_strategies.candidates import NEAR, NEIGHBOURS, climb

TURNS = 8  # in which candidates are sought beside the most promising
STEP = 0.2  # between neighbours, of a hyperparameter's range


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
            done = sum(trial.status == "COMPLETED" for trial in self.trials.values())
            if not self._nonfixed_space() or done < self.num_initial_points:
                return self._random_populate_space()
            try:
                # More threads make the many small solves five times slower.
                with threadpool_limits(1):
                    self._fit_completed()
                    values = self._most_promising(np.random.RandomState([self.seed, len(self.trials)]))
            except np.linalg.LinAlgError:
                return self._random_populate_space()
            return self._random_populate_space() if self._duplicate(values) else {"status": "RUNNING", "values": values}

        def _most_promising(self, random: Any) -> Any:
            """The lowest confidence bound among many candidates, foreseen all at once.

            keras-tuner's own descent foresees them one at a time, for a gradient one for each hyperparameter: 10 to 40 seconds a
            suggestion with the 98 of all our plugins.
            """
            points, losses = self._vectorize_trials()
            self.gpr.fit(points, losses)

            def promise(candidates: Any) -> Any:
                mean, spread = self.gpr.predict(candidates, return_std=True)
                return self.beta * spread - mean

            best = points[np.argsort(losses, kind="stable")[:NEAR]]
            candidates, promises = climb(promise, best, _beside, random, turns=TURNS)
            return self._vector_to_values(candidates[np.argmax(promises)])

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


def _beside(points: Any, random: Any) -> Any:
    """Return so many points beside each, with about two of their coordinates moved."""
    import numpy as np

    near = np.repeat(points, NEIGHBOURS, axis=0)
    moved = random.random_sample(near.shape) < 2 / near.shape[1]
    return np.where(moved, np.clip(near + STEP * random.standard_normal(near.shape), 0, 1), near)


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "bayesian"."""
    register(BayesianSearch)
