"""Search strategies at equal cost on the recorded trials of a run: no training, so that many searches fit into minutes.

    automl-img search digits --trials 240 --out RUN --set 'search.strategy="random"' --set search.starts=false --set train.epochs=3
    python benchmarks/strategies.py RUN
    python benchmarks/strategies.py RUN --strategies forest bayesian --trials 20 40 --seeds 10

Two models of other kinds than any strategy's own, gradient boosted trees and the mean of the nearest neighbours, stand for the world: each
is fitted to all trials of the run, and answers what a configuration would have scored (Eggensperger et al., Efficient Benchmarking of
Hyperparameter Optimizers via Surrogates, AAAI 2015). The table says how well each of them foresees trials that it has not seen, what the
best configuration that a strategy tried scores there (the mean over the seeds, and how far that is from the best of all recorded ones),
and the processor time of one suggestion.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from automl_img.plugin import Outcome, Parameter, Problem, Suggestion, discover
from automl_img.recipe.reading import recipe_from_mapping
from automl_img.search import run_folder
from automl_img.search.journal import Journal
from automl_img.search.preparation import reopened_store
from automl_img.search.run_folder import RunFolder
from automl_img.search.space import build_space

LEAST = 50  # trials with which a world can be fitted


class World:
    """What configurations score, learned from recorded trials."""

    def __init__(self, name: str, model: Any, parameters: Sequence[Parameter], points: Any, scores: Any) -> None:
        self.name, self._parameters = name, parameters
        folds = KFold(5, shuffle=True, random_state=0)
        self.foreseen = float(np.corrcoef(cross_val_predict(model, points, scores, cv=folds), scores)[0, 1])
        self._model = model.fit(points, scores)
        self.top = float(self._model.predict(points).max())

    def score(self, values: dict[str, Any]) -> float:
        return float(self._model.predict([vector(self._parameters, values)])[0])


def vector(parameters: Sequence[Parameter], values: dict[str, Any]) -> list[float]:
    """A configuration as numbers: a column for each value of a choice, the logarithm of what is sampled so; -1 where not active."""
    row: list[float] = []
    for one in parameters:
        if one.kind == "choice":
            row += [float(values.get(one.name) == value) for value in one.values]
        elif one.name not in values:
            row.append(-1.0)
        elif one.kind == "boolean":
            row.append(float(values[one.name]))
        else:
            low, high, value = (
                np.log([one.low, one.high, values[one.name]])
                if one.sampling == "log"
                else (one.low, one.high, values[one.name])
            )
            row.append(float((value - low) / (high - low)) if high > low else 0.5)
    return row


def worlds_of(folder: Path) -> tuple[tuple[Parameter, ...], list[World]]:
    """Return the space of a run, and the worlds that its trials speak of."""
    run = RunFolder.open(folder)
    recipe = recipe_from_mapping(run.read(run_folder.RECIPE_FILE))
    registry = discover(modules=recipe.plugins.modules, only=recipe.plugins.only, block=recipe.plugins.block)
    traits = reopened_store(recipe, run.read(run_folder.DATA_FILE), run.path).traits
    parameters = build_space(recipe, registry, traits).free()
    journal = Journal(run.path)
    rows = [row for row in journal.trials() if row.result is not None]
    journal.close()
    if len(rows) < LEAST:
        raise SystemExit(f"{folder} has {len(rows)} trials that ended well; a world needs {LEAST}")
    points = np.array([vector(parameters, dict(row.spec.values)) for row in rows])
    scores = np.array([row.result.f1 for row in rows if row.result is not None])
    print(f"{len(rows)} trials, F1 {scores.min():.3f} to {scores.max():.3f}, {len(parameters)} hyperparameters")
    boosted = HistGradientBoostingRegressor(max_iter=200, learning_rate=0.05, min_samples_leaf=5, random_state=0)
    neighbours = make_pipeline(StandardScaler(), KNeighborsRegressor(5, weights="distance"))
    models = {"boosted trees": boosted, "neighbours": neighbours}
    return parameters, [World(name, model, parameters, points, scores) for name, model in models.items()]


def search(
    strategy: Any, parameters: Sequence[Parameter], world: World, trials: int, seed: int
) -> tuple[list[float], float]:
    """Play one search; returns the best score after each trial, and the processor seconds of a suggestion."""
    strategy.start(Problem(parameters, seed, trials, epochs=9))
    best: list[float] = []
    spent = 0.0
    for _ in range(trials):
        begun = time.process_time()
        suggestion = strategy.ask()
        spent += time.process_time() - begun
        if not isinstance(suggestion, Suggestion):
            break
        score = world.score(dict(suggestion.values))
        best.append(max(score, best[-1] if best else score))
        strategy.tell(Outcome(suggestion.key, suggestion.values, score, suggestion.fraction))
    return best, spent / max(1, len(best))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of a random search")
    parser.add_argument("--strategies", nargs="+", default=["random", "bayesian", "forest"])
    parser.add_argument("--trials", nargs="+", type=int, default=[10, 20, 40])
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    parameters, worlds = worlds_of(given.run)
    registry = discover()
    asks: dict[str, list[float]] = defaultdict(list)
    print(f"| world | strategy | {' | '.join(f'{n} trials' for n in given.trials)} |")
    print("|---|---|" + "---|" * len(given.trials))
    for world in worlds:
        for name in given.strategies:
            found = defaultdict(list)
            for seed in range(given.seeds):
                best, ask = search(registry.get("strategy", name)(), parameters, world, max(given.trials), seed)
                asks[name].append(ask)
                for trials in given.trials:
                    found[trials].append(best[min(trials, len(best)) - 1])
            means = [statistics.fmean(found[trials]) for trials in given.trials]
            cells = " | ".join(f"{mean:.4f} ({mean - world.top:+.4f})" for mean in means)
            print(f"| {world.name} | {name} | {cells} |", flush=True)
    print("\n".join(f"{world.name}: correlation with unseen trials {world.foreseen:.2f}" for world in worlds))
    print(
        "\n".join(
            f"{name}: {statistics.fmean(spent):.3f} processor seconds a suggestion" for name, spent in asks.items()
        )
    )


if __name__ == "__main__":
    main()
