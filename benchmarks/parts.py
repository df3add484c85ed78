"""What the cores give to one training: each batch in parts side by side, or each operation shared among all threads.

    python benchmarks/parts.py                                         # three networks on Fashion-MNIST, some minutes
    python benchmarks/parts.py --data emoji --architectures inception vgg --member 1

Images per second of wall time, measurements included, with one thread, with all cores and whole batches, and with all cores and parts; in
turn, so that other work on the machine harms all alike.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics

from datasets import DATA_SETS
from training import open_data, train, with_policy

AUGMENTATIONS = ("erasing", "horizontal_flip", "translation")
WAYS = {"one thread": (1, 1), "shared": (0, 1), "parts": (0, None)}  # threads, 0: all; the most parts, None: the usual


def speed(data: str, architecture: str, member: int, seconds: float, way: str) -> float:
    """Return the images per second of one training."""
    from automl_img.training import devices

    threads, most = WAYS[way]
    devices.MOST_PARTS = devices.MOST_PARTS if most is None else most
    opened = open_data(data)
    members = opened.registry.get("architecture", architecture).members(opened.data.store.traits)
    start = opened.space.start(architecture, members[min(member, len(members) - 1)])
    _, result = train(opened, with_policy(start, AUGMENTATIONS), seconds=seconds, threads=threads)
    return result.images_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", choices=DATA_SETS, default="fashion")
    parser.add_argument("--architectures", nargs="+", default=["simple_cnn", "resnet9", "inception"])
    parser.add_argument("--member", type=int, default=2, help="the size of each, from 0")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(
        f"{'architecture':16}" + "".join(f"{way:>12}" for way in WAYS) + f"{'parts / shared':>16}   images per second"
    )
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for architecture in arguments.architectures:
            speeds: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(arguments.rounds):
                for way, found in speeds.items():
                    task = (arguments.data, architecture, arguments.member, arguments.seconds, way)
                    found.append(pool.apply(speed, task))
            ratio = statistics.median(p / s for p, s in zip(speeds["parts"], speeds["shared"], strict=True))
            medians = "".join(f"{statistics.median(found):>12.0f}" for found in speeds.values())
            print(f"{architecture:16}{medians}{ratio:>16.2f}", flush=True)


if __name__ == "__main__":
    main()
