"""From how many passes over the data on shifts and erasing pay beside mirror images.

    python benchmarks/policies.py --data cifar10 fashion --passes 8 16
    python benchmarks/policies.py --data fashion --architecture simple_cnn --member 3 --passes 25

Trains one network for so many passes without augmentation ("none"), with mirror images, with shifts beside them, and with erasing beside
both; two trainings at once, with one thread each. The validation images tell: their macro-F1 and cross-entropy at the end.
"""

from __future__ import annotations

import argparse
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


@dataclass(frozen=True)
class Task:
    data: str
    architecture: str
    member: int
    passes: float
    policy: str
    seed: int


def train_one(task: Task) -> tuple[Task, Any]:
    """Train one network, in a process of its own."""
    opened = open_data(task.data, task.seed)
    values = with_policy(opened.start(task.architecture, task.member - 1), POLICIES[task.policy])
    _, result = train(opened, values, epochs=task.passes, threads=1, seed=task.seed)
    return task, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=["fashion"])
    parser.add_argument("--architecture", default="resnet9")
    parser.add_argument("--member", type=int, default=2, help="place among the architecture's sizes, from 1 on")
    parser.add_argument("--passes", nargs="+", type=float, default=[16.0])
    parser.add_argument("--policies", nargs="+", choices=POLICIES, default=["mirror", "shift", "erase"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    given = parser.parse_args()
    tasks = [
        Task(data, given.architecture, given.member, passes, policy, seed)
        for data in given.data
        for passes in given.passes
        for seed in given.seeds
        for policy in given.policies
    ]
    print(f"{'data':14} {'passes':>6} {'seed':>4} {'policy':>8} {'F1':>7} {'loss':>7} {'MFLOP':>7} {'seconds':>8}")
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for task, result in pool.imap(train_one, tasks):
            print(
                f"{task.data:14} {task.passes:6g} {task.seed:4} {task.policy:>8} {result.f1:7.4f} {result.val_loss:7.4f} "
                f"{result.megaflops:7.1f} {result.training_seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
