"""By what few validation images should choose the networks that are averaged: by F1, or by cross-entropy.

    automl-img search recipes/fashion.toml --budget 10m --set 'output.keep="all"' --out RUN
    python benchmarks/choosing.py RUN

The networks of a run answer its test images, and some of these, drawn again and again, stand for a validation split: each rule chooses by
their answers to them, and is measured on all others.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.evaluation.selection import calibrated, greedy_ensemble
from automl_img.executors.local import attempt_folder
from automl_img.plugin import discover
from automl_img.search.journal import Journal
from automl_img.search.leaderboard import by_worth
from automl_img.search.run_folder import RunFolder
from automl_img.training.artifacts import WEIGHTS_FILE
from automl_img.training.network import NetworkPlan, build_network
from automl_img.training.scoring import Scorer

IMAGES = (150, 400, 1000, 3000)
MEMBERS, ROUNDS = 4, 12


def answers_of(run: RunFolder) -> tuple[Any, Any, Any]:
    """The task, the labels of the test images, and the logits of each network on them, shape (networks, n, classes)."""
    data = run.read("data.json")
    store, splits = PreparedStore.open(Path(data["store"])), SplitIndices.load(run.splits)
    journal, registry, logits = Journal(run.path), discover(), []
    for row in by_worth(journal.trials()):
        weights = attempt_folder(run.trials, row.spec) / WEIGHTS_FILE
        if weights.is_file():
            plan = NetworkPlan(row.spec.values, store.traits, tuple(data["mean"]), tuple(data["std"]), False)
            network = build_network(plan, registry).model
            network.load_weights(weights)
            logits.append(Scorer(network).logits(store.images, splits.test, mirrored=True))
    journal.close()
    return store.task, store.labels[splits.test], np.array(logits)


def by_f1(task: Any, labels: Any, logits: Any, first: int) -> dict[int, float]:
    """Greedy selection as ``greedy_ensemble`` does it, by F1."""
    answers = [task.probabilities(one) for one in logits]
    counts, total = {first: 1}, answers[first]
    kept, best = dict(counts), task.f1(labels, task.decide(total))
    for size in range(2, ROUNDS + 1):
        allowed = [place for place in range(len(logits)) if len({*counts, place}) <= MEMBERS]
        scores = {place: task.f1(labels, task.decide((total + answers[place]) / size)) for place in allowed}
        place = max(scores, key=lambda one: (scores[one], -one))
        counts[place] = counts.get(place, 0) + 1
        total = total + answers[place]
        if scores[place] > best:
            best, kept = scores[place], dict(counts)
    return {place: count / sum(kept.values()) for place, count in kept.items()}


RULES: dict[str, Callable[[Any, Any, Any, int], dict[int, float]]] = {
    "one, by F1": lambda task, labels, logits, first: {first: 1.0},
    "greedily by F1": by_f1,
    "greedily by cross-entropy": lambda task, labels, logits, first: greedy_ensemble(
        task, labels, [calibrated(labels, one) for one in logits], first=first, most=MEMBERS
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--draws", type=int, default=40)
    arguments = parser.parse_args()
    task, labels, logits = answers_of(RunFolder.open(arguments.run))
    rng = np.random.default_rng(0)
    print(json.dumps({"networks": len(logits), "images": len(labels)}))
    print(f"{'images':>7} " + " ".join(f"{name:>26}" for name in RULES))
    for images in (number for number in IMAGES if number <= len(labels) // 2):
        found = defaultdict(list)
        for _ in range(arguments.draws):
            order = rng.permutation(len(labels))
            seen, others = order[:images], order[images:]
            first = max(
                range(len(logits)),
                key=lambda one: task.f1(labels[seen], task.decide(task.probabilities(logits[one][seen]))),
            )
            for name, rule in RULES.items():
                shares = rule(task, labels[seen], logits[:, seen], first)
                mixed = task.mixed([logits[one][others] for one in shares], list(shares.values()))
                found[name].append(task.f1(labels[others], task.decide(task.probabilities(mixed))))
        print(f"{images:>7} " + " ".join(f"{statistics.mean(found[name]):>26.4f}" for name in RULES), flush=True)


if __name__ == "__main__":
    main()
