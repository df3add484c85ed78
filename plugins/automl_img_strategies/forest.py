"""Model-based search with a random forest, which takes unordered and conditional hyperparameters as they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automl_img.plugin import Levels, OracleStrategy, Parameter, Problem, SearchStrategy, hookimpl, whole_number
from automl_img_strategies.candidates import NEAR, NEIGHBOURS, climb

TREES = 64
TURNS = 4  # in which candidates are sought beside the most promising
SMALL_STEP = 0.15  # of a hyperparameter's range
SURPRISE = 8  # each so many trials one is drawn at random: the forest knows nothing where it has seen nothing


class ForestSearch(OracleStrategy):
    """Tries what a random forest fitted to all trials so far expects to improve most on the best, after a few random trials.

    A forest splits choices by their values and leaves out what is not active, where a Gaussian process sees one space of numbers with
    defaults in place of what is not there. A suggestion takes a tenth of a second after tens of trials, and less than one after a
    thousand. Scores count by their ranks, so that a trial that failed to learn says no more than that it was the worst.

    Source:
        F. Hutter, H. Hoos, K. Leyton-Brown: Sequential Model-Based Optimization for General Algorithm Configuration, LION 2011.
    """

    name = "forest"
    options = {
        "num_initial_points": "random trials before the first fit, starting points included; default a quarter of all, at most 10"
    }

    def make_oracle(self, keras_tuner: Any, hyperparameters: Any, problem: Problem) -> Any:
        """Return an oracle that suggests by a forest."""
        points = whole_number(problem, "num_initial_points", max(3, min(10, problem.trials // 4)), 1)
        oracle = _oracle_class(keras_tuner)(hyperparameters=hyperparameters, seed=problem.seed)
        oracle.num_initial_points, oracle.coding = points, Coding(problem.parameters, self._levels, hyperparameters)
        return oracle

    def score_of_failure(self, scores: Sequence[float]) -> float | None:
        """Return the worst score so far."""
        return min(scores, default=0.0)


class Coding:
    """Points of a search space as rows of numbers, many at a time.

    A *position* lies from 0 to 1 on each axis, whether the hyperparameter is active or not. A *code* is what the oracle knows: the index
    of a value, or the position of a float without a step; -1 where the hyperparameter is not active.

    Args:
        parameters: The space.
        levels: The values of each by index.
        hyperparameters: The same space as the oracle has it.
    """

    def __init__(self, parameters: Sequence[Parameter], levels: Mapping[str, Levels], hyperparameters: Any) -> None:
        import numpy as np

        known = {one.name: one for one in hyperparameters.space}
        self._known = [known[one.name] for one in parameters]
        self.axes = len(parameters)
        self._counts = np.array([levels[one.name].count for one in parameters])
        self._unordered = [one.kind == "choice" and any(isinstance(v, str) for v in one.values) for one in parameters]
        places = {one.name: place for place, one in enumerate(parameters)}
        self._conditions = [
            [(places[name], self._allowed(levels[name], allowed)) for name, allowed in one.when] for one in parameters
        ]

    @staticmethod
    def _allowed(levels: Levels, allowed: Sequence[Any]) -> list[float]:
        if not levels.count:  # a float without a step, which practically never has just one of these values
            return []
        return [index for index in map(levels.exact, allowed) if index is not None]

    def codes(self, positions: Any) -> Any:
        """Return the codes of positions, each an array of shape ``(points, axes)``."""
        import numpy as np

        indices = np.minimum(np.floor(positions * self._counts), self._counts - 1)
        codes = np.where(self._counts > 0, indices, positions)
        for place, conditions in enumerate(self._conditions):
            for parent, allowed in conditions:
                codes[~np.isin(codes[:, parent], allowed), place] = -1
        return codes

    def features(self, codes: Any) -> Any:
        """Return codes as a forest takes them: an axis from 0 to 1 each, a column for each value of an unordered choice; -1 is apart."""
        import numpy as np

        columns = []
        for place, count in enumerate(self._counts):
            column = codes[:, place]
            if self._unordered[place]:
                columns += [np.where(column < 0, -1.0, column == index) for index in range(count)]
            else:
                columns.append(np.where(column < 0, -1.0, column / max(1, count - 1)))
        return np.stack(columns, axis=1).astype(np.float32)

    def neighbours(self, positions: Any, random: Any) -> Any:
        """Return so many positions beside each, with one or two active hyperparameters moved a little or drawn anew."""
        import numpy as np

        near = np.repeat(positions, NEIGHBOURS, axis=0)
        active = self.codes(near) >= 0
        for turn in range(2):
            # The largest of random numbers is a fair choice among the active.
            moved = np.argmax(random.random_sample(near.shape) * active, axis=1)
            rows = np.flatnonzero(random.random_sample(len(near)) < (1.0 if turn == 0 else 0.3))
            axes = moved[rows]
            anew = random.random_sample(len(rows))
            small = np.clip(near[rows, axes] + SMALL_STEP * random.standard_normal(len(rows)), 0, 1)
            ordered = ~np.array(self._unordered)[axes]
            near[rows, axes] = np.where(ordered & (random.random_sample(len(rows)) < 0.5), small, anew)
        return near

    def values(self, codes: Any) -> dict[str, float]:
        """Return one row of codes as the oracle's values of the active hyperparameters."""
        rows = zip(self._known, self._counts, codes, strict=True)
        return {
            known.name: int(code) if count else known.prob_to_value(float(code))
            for known, count, code in rows
            if code >= 0
        }

    def positions(self, values: Mapping[str, float]) -> list[float]:
        """Return the oracle's values as positions; what is not active is put at the middle."""
        return [
            self._position(known, count, values[known.name]) if known.name in values else 0.5
            for known, count in zip(self._known, self._counts, strict=True)
        ]

    @staticmethod
    def _position(known: Any, count: int, value: float) -> float:
        return (value + 0.5) / count if count else float(known.value_to_prob(value))


def _oracle_class(keras_tuner: Any) -> Any:
    import numpy as np
    from keras_tuner.engine.trial import TrialStatus

    class ForestOracle(keras_tuner.Oracle):  # type: ignore[misc]
        """Suggests by a forest. All that it knows are its trials, so that it goes on after a restart as if there had been none."""

        trials: dict[str, Any]
        num_initial_points: int
        coding: Coding

        def populate_space(self, trial_id: str) -> Any:
            done = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
            surprise = len(self.trials) % SURPRISE == SURPRISE - 1
            if len(done) >= self.num_initial_points and self.coding.axes and not surprise:
                running = [trial for trial in self.trials.values() if trial.status == "RUNNING"]
                random = np.random.RandomState([self.seed, len(self.trials)])
                values = _suggested(self.coding, done, running, random)
                if values is not None:
                    return {"status": TrialStatus.RUNNING, "values": values}
            values = self._random_values()
            return {"status": TrialStatus.STOPPED if values is None else TrialStatus.RUNNING, "values": values}

    return ForestOracle


def _suggested(coding: Coding, done: Sequence[Any], running: Sequence[Any], random: Any) -> dict[str, float] | None:
    """Return the values with the largest expected improvement, or None if no candidate is new."""
    import numpy as np

    known = np.array([coding.positions(trial.hyperparameters.values) for trial in (*done, *running)])
    tried, count = coding.codes(known), len(done)
    features, scores = coding.features(tried), _by_rank([trial.score for trial in done])
    trees = _forest(features[:count], scores, random)
    if running:  # with what is expected of them, so that nobody tries the same beside them
        scores = np.concatenate([scores, _predictions(trees, features[count:]).mean(axis=0)])
        trees = _forest(features, scores, random)
    best = scores[:count].max()
    old = {row.tobytes() for row in tried}

    def improvement(positions: Any) -> Any:
        return _expected_improvement(_predictions(trees, coding.features(coding.codes(positions))), best)

    incumbents = known[:count][np.argsort(-scores[:count], kind="stable")[:NEAR]]
    candidates, promise = climb(improvement, incumbents, coding.neighbours, random, turns=TURNS)
    codes = coding.codes(candidates)
    place = next((p for p in np.argsort(-promise, kind="stable") if codes[p].tobytes() not in old), None)
    return None if place is None else coding.values(codes[place])


def _by_rank(scores: Sequence[float]) -> Any:
    """Scores as normal quantiles of their ranks; equal ones share the mean of theirs."""
    import numpy as np
    from scipy import stats

    return stats.norm.ppf((stats.rankdata(np.array(scores)) - 0.5) / len(scores))


def _forest(features: Any, scores: Any, random: Any) -> list[Any]:
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(TREES, max_features=0.6, bootstrap=True, random_state=random)
    return [tree.tree_ for tree in forest.fit(features, scores).estimators_]


def _predictions(trees: Sequence[Any], features: Any) -> Any:
    """Return what each tree foresees, shape ``(trees, points)``."""
    import numpy as np

    return np.stack([tree.predict(features)[:, 0] for tree in trees])


def _expected_improvement(predictions: Any, best: float) -> Any:
    import numpy as np
    from scipy import stats

    mean, spread = predictions.mean(axis=0), np.maximum(predictions.std(axis=0), 1e-6)
    distance = (mean - best) / spread
    return spread * (distance * stats.norm.cdf(distance) + stats.norm.pdf(distance))


@hookimpl
def register_strategies(register: Callable[[type[SearchStrategy]], None]) -> None:
    """Offer the strategy "forest"."""
    register(ForestSearch)
