"""What the same seconds of a machine give as one network, or as the mean of several: macro-F1 on validation and on the test images.

    python benchmarks/ensembles.py --minutes 20 --networks 2 4
    python benchmarks/ensembles.py --minutes 7 --networks 1 2 4 --values simple_cnn.stem_stride=2

One network has all cores. Several train side by side, one on each core, each for its part of the time; they differ by their seeds. The time
is that of the training steps. An answer is the mean over an image and its mirror image, as in a search.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from training import loaded_network, logits_of, open_data, train, with_policy

AUGMENTATIONS = ("erasing", "horizontal_flip", "translation")


def trained(data: str, values: Mapping[str, Any], seconds: float, threads: int, seed: int) -> tuple[Any, Any, float]:
    """Train one network; returns its logits on the validation and the test images, and the passes over the data."""
    opened = open_data(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = with_policy(values, AUGMENTATIONS)
        _, result = train(opened, chosen, seconds=seconds, threads=threads, seed=seed, folder=folder)
        from automl_img.training.artifacts import WEIGHTS_FILE

        logits = logits_of(opened, loaded_network(opened, chosen, folder / WEIGHTS_FILE))
    return (*logits, result.epochs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default="fashion")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--networks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--architecture", default="simple_cnn")
    parser.add_argument("--values", nargs="*", default=["simple_cnn.stem_stride=1"], help="other than the defaults")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    values = {"architecture": given.architecture}
    values |= {name: json.loads(value) for name, value in (one.split("=") for one in given.values)}
    data = open_data(given.data).data
    store, splits = data.store, data.splits
    cores = len(os.sched_getaffinity(0))
    print("| networks | passes of each | validation F1 of each | of their mean | test F1 of each | of their mean |")
    print("|---|---|---|---|---|---|", flush=True)
    for count in given.networks:
        together = min(count, cores)
        seconds, threads = 60 * given.minutes * together / count, 0 if count == 1 else 1
        with multiprocessing.get_context("spawn").Pool(together, maxtasksperchild=1) as pool:
            tasks = [(given.data, values, seconds, threads, given.seed + number) for number in range(count)]
            *logits, passes = zip(*pool.starmap(trained, tasks, chunksize=1), strict=True)
        cells = [str(count), ", ".join(f"{one:.1f}" for one in passes)]
        for found, part in zip(logits, (splits.validation, splits.test), strict=True):
            truth, mean = store.labels[part], store.task.mixed(list(found), [1 / count] * count)
            cells += [", ".join(f"{store.task.score(truth, one).f1:.4f}" for one in found)]
            cells += [f"{store.task.score(truth, np.asarray(mean)).f1:.4f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
