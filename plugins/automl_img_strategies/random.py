"""Random search: each trial drawn anew, none drawn twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automl_img.plugin import OracleStrategy, Problem, SearchStrategy, hookimpl


class RandomSearch(OracleStrategy):
    """Draws each trial at random and never the same one twice; done when the space is exhausted.

    Source:
        J. Bergstra, Y. Bengio: Random Search for Hyper-Parameter Optimization, JMLR 13 (2012); keras-tuner's
        RandomSearchOracle.
    """

    name = "random"

    def make_oracle(self, keras_tuner: Any, hyperparameters: Any, problem: Problem) -> Any:
        """Return a RandomSearchOracle."""
        return keras_tuner.oracles.RandomSearchOracle(hyperparameters=hyperparameters, seed=problem.seed)


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "random"."""
    register(RandomSearch)
