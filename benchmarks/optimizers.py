"""What each optimizer reaches after the same number of passes over the data, and what its steps cost.

    python benchmarks/optimizers.py                                  # resnet9 on Fashion-MNIST, two passes, ten minutes
    python benchmarks/optimizers.py --data emoji --epochs 30

Passes are counted and processor time is measured, so that other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from typing import Any

from datasets import DATA_SETS
from training import open_data, train, with_policy

OPTIMIZERS = ("muon", "adamw", "adam", "sgd", "rmsprop")


def measured(data: str, optimizer: str, values: dict[str, Any], epochs: float, seed: int) -> tuple[float, float]:
    """Return the validation F1 and the processor's seconds for a thousand images."""
    opened = open_data(data)
    begin = time.process_time()
    _, result = train(opened, {**values, "optimizer": optimizer}, epochs=epochs, seed=seed)
    return result.f1, 1000 * (time.process_time() - begin) / (result.epochs * opened.examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", choices=DATA_SETS, default="fashion")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--architecture", default="resnet9")
    parser.add_argument("--optimizers", nargs="+", choices=OPTIMIZERS, default=list(OPTIMIZERS))
    parser.add_argument("--augmentations", nargs="*", default=["horizontal_flip", "translation", "erasing"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    arguments = parser.parse_args()
    values = with_policy({"architecture": arguments.architecture}, arguments.augmentations)
    print(f"{'optimizer':10} {'seed':>4} {'validation F1':>14} {'processor s / 1000 images':>26}")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for seed in arguments.seeds:
            for optimizer in arguments.optimizers:
                f1, cost = pool.apply(measured, (arguments.data, optimizer, values, arguments.epochs, seed))
                print(f"{optimizer:10} {seed:>4} {f1:>14.4f} {cost:>26.3f}", flush=True)


if __name__ == "__main__":
    main()
