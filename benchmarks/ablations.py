"""What a part of a training is worth: the same network after as many passes over the data, with and without it.

    python benchmarks/ablations.py --data cifar10 fashion --passes 8 16 --policies mirror shift erase
    python benchmarks/ablations.py --data cifar10 --policies shift --changes none random_filters weight_averaging --seeds 0 1
    python benchmarks/ablations.py --data fashion --architecture simple_cnn --member 3 --passes 25

A policy is what images are augmented by: nothing ("none"), mirror images, shifts beside them, and erasing beside both. A change is one of a
training as a search does it ("none"): its first convolution begins with random filters, or its weights are averaged. Two trainings run at
once, with one thread each. The validation images tell: their macro-F1 and cross-entropy at the end.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
from dataclasses import dataclass
from typing import Any

from datasets import DATA_SETS
from training import open_data, train, with_policy

POLICIES = {
    "none": (),
    "mirror": ("horizontal_flip",),
    "shift": ("horizontal_flip", "translation"),
    "erase": ("horizontal_flip", "translation", "erasing"),
}
RANDOM_FILTERS = "random_filters"
CHANGES: dict[str, dict[str, Any]] = {
    "none": {},
    RANDOM_FILTERS: {},
    "weight_averaging": {"regularizer.weight_averaging": True},
}


@dataclass(frozen=True)
class Task:
    data: str
    architecture: str
    member: int
    passes: float
    seed: int
    policy: str
    change: str


def train_one(task: Task) -> tuple[Task, Any]:
    """Train one network, in a process of its own."""
    opened = open_data(task.data, task.seed)
    values = with_policy(opened.start(task.architecture, task.member - 1), POLICIES[task.policy])
    if task.change == RANDOM_FILTERS:
        from automl_img.training import trial

        trial.begin_with_components = lambda *given: None
    _, result = train(opened, {**values, **CHANGES[task.change]}, epochs=task.passes, threads=1, seed=task.seed)
    return task, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=["fashion"])
    parser.add_argument("--architecture", default="resnet9")
    parser.add_argument("--member", type=int, default=2, help="place among the architecture's sizes, from 1 on")
    parser.add_argument("--passes", nargs="+", type=float, default=[8.0])
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=["mirror"])
    parser.add_argument("--changes", nargs="+", choices=CHANGES, default=["none"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    given = parser.parse_args()
    chosen = itertools.product(given.data, given.passes, given.seeds, given.policies, given.changes)
    tasks = [
        Task(data, given.architecture, given.member, passes, seed, policy, change)
        for data, passes, seed, policy, change in chosen
    ]
    print(
        f"{'data':14} {'passes':>6} {'seed':>4} {'policy':>8} {'change':>17} {'F1':>7} {'loss':>7} {'MFLOP':>7} {'seconds':>8}"
    )
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for task, result in pool.imap(train_one, tasks):
            print(
                f"{task.data:14} {task.passes:6g} {task.seed:4} {task.policy:>8} {task.change:>17} {result.f1:7.4f} "
                f"{result.val_loss:7.4f} {result.megaflops:7.1f} {result.training_seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
