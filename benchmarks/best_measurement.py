"""Which measurement's weights a training should keep: what each rule, which sees the validation images only, gives on the test images.

    python benchmarks/best_measurement.py                        # half an hour and more
    python benchmarks/best_measurement.py --data fashion --architectures simple_cnn --epochs 8 --seeds 0

Each training is measured after every pass, on validation and test. A rule goes through the measurements on validation in their order and
keeps one; what it costs is the best test F1 of any of the training's measurements less that of the kept one.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from datasets import DATA_SETS
from training import open_data, train, with_policy

from automl_img.tasks.scores import share_error

POLICY = ("horizontal_flip", "translation", "erasing")
SCHEDULES = ("one_cycle", "constant")


@dataclass(frozen=True)
class Measurement:
    """One measurement of a training: F1 and loss on validation, the standard error of that F1, and F1 on test."""

    f1: float
    loss: float
    error: float
    test: float


def highest(curve: Sequence[Measurement]) -> Measurement:
    return max(curve, key=lambda one: (one.f1, -one.loss))


def last(curve: Sequence[Measurement]) -> Measurement:
    return curve[-1]


def least_loss(curve: Sequence[Measurement]) -> Measurement:
    return min(curve, key=lambda one: one.loss)


def latest_near_the_highest(curve: Sequence[Measurement], errors: float) -> Measurement:
    best = highest(curve)
    return [one for one in curve if one.f1 >= best.f1 - errors * best.error][-1]


def least_loss_near_the_highest(curve: Sequence[Measurement], errors: float) -> Measurement:
    best = highest(curve)
    return least_loss([one for one in curve if one.f1 >= best.f1 - errors * best.error])


def smoothed(curve: Sequence[Measurement], width: int) -> Measurement:
    means = [statistics.mean(one.f1 for one in curve[max(0, i - width + 1) : i + 1]) for i in range(len(curve))]
    return curve[max(range(len(curve)), key=lambda i: (means[i], i))]


RULES: dict[str, Callable[[Sequence[Measurement]], Measurement]] = {
    "highest F1": highest,
    "last": last,
    "least loss": least_loss,
    "latest within 0.5 error": lambda curve: latest_near_the_highest(curve, 0.5),
    "latest within 1 error": lambda curve: latest_near_the_highest(curve, 1.0),
    "latest within 2 errors": lambda curve: latest_near_the_highest(curve, 2.0),
    "least loss within 1 error": lambda curve: least_loss_near_the_highest(curve, 1.0),
    "highest mean of five": lambda curve: smoothed(curve, 5),
}


def measured(case: tuple[str, str, tuple[str, ...], str, float, int]) -> list[Measurement]:
    """Train once and return all measurements."""
    data, architecture, policy, schedule, epochs, seed = case
    from automl_img.training import trial

    opened = open_data(data, seed)
    splits = opened.data.splits
    curve: list[Measurement] = []

    class Both(trial.Evaluation):  # type: ignore[name-defined,misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, logs)
            logits = self._scorer.logits(self._images, splits.test)
            test = self._task.score(opened.data.store.labels[splits.test], logits).f1
            error = share_error(logs["val_f1"], len(splits.validation))
            curve.append(Measurement(logs["val_f1"], logs["val_loss"], error, test))

    trial.Evaluation = Both  # type: ignore[misc]
    values = {"architecture": architecture, "schedule": schedule}
    train(opened, with_policy(values, policy), epochs=epochs, threads=1, seed=seed)
    return curve


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=["fashion-small", "digits"])
    parser.add_argument("--architectures", nargs="+", default=["simple_cnn", "resnet9"])
    parser.add_argument("--schedules", nargs="+", default=list(SCHEDULES))
    parser.add_argument("--epochs", type=float, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    policies: tuple[tuple[str, ...], ...] = ((), POLICY)
    cases = [
        (data, architecture, policy, schedule, arguments.epochs, seed)
        for data, seed, architecture, policy, schedule in itertools.product(
            arguments.data, arguments.seeds, arguments.architectures, policies, arguments.schedules
        )
    ]
    for data, seed in itertools.product(arguments.data, arguments.seeds):
        open_data(data, seed)  # prepared once, before several processes want it
    curves = []
    with multiprocessing.get_context("spawn").Pool(arguments.processes, maxtasksperchild=1) as pool:
        for case, curve in zip(cases, pool.imap(measured, cases, chunksize=1), strict=True):
            curves.append((case, curve))
            data, architecture, policy, schedule, _, seed = case
            kept = "  ".join(f"{rule(curve).test:.4f}" for rule in RULES.values())
            augmented = "augmented" if policy else "plain"
            print(f"{data:14} {architecture:11} {augmented:9} {schedule:10} {seed}  {kept}", flush=True)
    print_table(curves)


def print_table(curves: Sequence[tuple[tuple[Any, ...], Sequence[Measurement]]]) -> None:
    """Mean cost of each rule, by data set and in all, in percent of F1; and by how much validation flattered."""
    groups: dict[str, list[Sequence[Measurement]]] = defaultdict(list)
    for case, curve in curves:
        groups[case[0]].append(curve)
        groups[case[3]].append(curve)
    groups["all"] = [curve for _, curve in curves]
    print(f"\n{'lost on the test, % of F1':28} " + " ".join(f"{name:>14}" for name in groups) + f" {'val − test':>11}")
    for name, rule in RULES.items():
        cells = []
        for group in groups.values():
            lost = statistics.mean(max(one.test for one in curve) - rule(curve).test for curve in group)
            cells.append(f"{100 * lost:>14.2f}")
        flattered = statistics.mean(rule(curve).f1 - rule(curve).test for _, curve in curves)
        print(f"{name:28} " + " ".join(cells) + f" {100 * flattered:>11.2f}")


if __name__ == "__main__":
    main()
