"""How well training speed is predicted before anything is compiled: predicted against measured images per second.

    python benchmarks/cost_model.py                                   # the smallest three of each architecture, on Fashion-MNIST
    python benchmarks/cost_model.py --data cifar10 --only resnet9 vgg --members 5

Each network trains for some seconds as a final training does: on all cores, with the optimizer and the batches of the recipe.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
from dataclasses import dataclass

from datasets import DATA_SETS
from training import open_data, train

from automl_img.training.cost import Cost, count_cost
from automl_img.training.hardware import Hardware


@dataclass(frozen=True)
class Task:
    data: str
    architecture: str
    member: int
    seconds: float


def predict(task: Task) -> Cost:
    """Return what a network is predicted to cost."""
    from automl_img.training.network import NetworkPlan, build_network
    from automl_img.training.trial import configure

    opened = open_data(task.data)
    configure(1, opened.precision, 0)
    data, values = opened.data, opened.start(task.architecture, task.member)
    network = build_network(NetworkPlan(values, data.store.traits, data.mean, data.std), opened.registry).model
    return count_cost(network, Hardware.detect(), opened.precision)


def measure(task: Task) -> float:
    """Return the images that a network trains in a second."""
    opened = open_data(task.data)
    return train(opened, opened.start(task.architecture, task.member), seconds=task.seconds)[1].images_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", choices=DATA_SETS, default="fashion")
    parser.add_argument("--members", type=int, default=3, help="of each architecture, from the smallest on")
    parser.add_argument("--only", nargs="*", help="names of architectures")
    parser.add_argument("--seconds", type=float, default=5.0, help="of training, for each")
    given = parser.parse_args()
    opened = open_data(given.data)
    print(f"{'architecture':16}{'member':>7}{'weights':>12}{'MFLOP':>8}{'layers':>8}{'predicted':>11}{'measured':>10}")
    ratios = []
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for plugin in opened.registry.all("architecture"):
            if given.only and plugin.name not in given.only:
                continue
            for member in range(min(given.members, len(plugin.members(opened.data.store.traits)))):
                task = Task(given.data, plugin.name, member, given.seconds)
                cost, measured = pool.apply(predict, (task,)), pool.apply(measure, (task,))
                ratios.append(1 / cost.seconds / measured)
                print(
                    f"{plugin.name:16}{member + 1:>7}{cost.parameters:>12,}{cost.flops / 1e6:>8.1f}{cost.layers:>8}"
                    f"{1 / cost.seconds:>11.0f}{measured:>10.0f}",
                    flush=True,
                )
    near = sum(abs(math.log(ratio)) <= math.log(1.35) for ratio in ratios)
    print(
        f"predicted over measured: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}; "
        f"{near} of {len(ratios)} within 35%"
    )


if __name__ == "__main__":
    main()
