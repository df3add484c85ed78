"""The recipe for Fashion-MNIST as a user runs it, on several seeds: test macro-F1 and wall time of the whole command.

usage: python benchmarks/fashion.py [--budget 10m] [--seeds 0 1 2] [--out runs/benchmark] [--recipe recipes/fashion.toml]

Prints one row for each seed and a summary; the search's own log of each run lies beside its run folder. Where the wall time went: "steps"
is the share of training steps, "measured" that of the measurements on the validation images between them, of a trial beside others its
slot's part; "evaluated" is that of the end, when the trials are compared and the test images are predicted.
"""

import argparse
import importlib.metadata
import json
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from automl_img.search.journal import Journal
from automl_img.training.hardware import Hardware

ROOT = Path(__file__).resolve().parent.parent


def run(recipe, budget, seed, out):
    folder = out / f"{recipe.stem}-{budget}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    command = [Path(sys.executable).parent / "automl-img", "search", recipe, "--budget", budget, "--seed", str(seed)]
    begin = time.monotonic()
    with (out / f"{folder.name}.log").open("w") as log:
        subprocess.run([*command, "--out", folder], check=True, stdout=log, stderr=subprocess.STDOUT)
    wall = time.monotonic() - begin
    metrics = json.loads((folder / "metrics.json").read_text())
    steps, measuring = seconds_of_training(folder)
    return metrics, wall, (steps / wall, measuring / wall, metrics["evaluation_s"] / wall)


def seconds_of_training(folder):
    """Wall time in training steps and in the measurements between them; that of a trial with one core of several counts by its part.

    Trainings are of one phase each, as all are that begin from random weights.
    """
    images, slots = len(np.load(folder / "splits.npz")["train"]), Hardware.detect().slots("auto")
    steps = measuring = 0.0
    journal = Journal(folder)
    try:
        for row in journal.trials():
            if row.result is None:
                continue
            part = 1 / slots if row.spec.threads else 1
            # A promoted trial takes over the passes and the seconds of the one that it goes on from.
            before, trained = row.result.epochs_before, 0.0
            own = row.result.training_seconds * (1 - before / row.result.epochs)
            for report in journal.epochs(row.trial):
                trained += images * (report["epoch"] - before) / report["images_per_second"]
                before = report["epoch"]
            steps += part * trained
            measuring += part * (own - trained)
    finally:
        journal.close()
    return steps, measuring


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    args.add_argument("--budget", default="10m")
    args.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args.add_argument("--out", type=Path, default=ROOT / "runs" / "benchmark")
    args.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "fashion.toml")
    args = args.parse_args()

    hardware = Hardware.detect()
    print(
        f"{hardware.cores} cores, {hardware.memory >> 30} GiB, {hardware.gpus} GPUs, bfloat16 {hardware.bfloat16}, "
        f"{platform.machine()}, Python {platform.python_version()}, "
        f"TensorFlow {importlib.metadata.version('tensorflow')}, Keras {importlib.metadata.version('keras')}"
    )
    print(
        f"{'seed':>4} {'wall s':>7} {'steps':>6} {'measured':>9} {'evaluated':>10} "
        f"{'validation F1':>14} {'test F1':>8} {'test accuracy':>14} {'trials':>7}  best"
    )
    scores = []
    for seed in args.seeds:
        metrics, wall, (steps, measuring, evaluating) = run(args.recipe, args.budget, seed, args.out)
        test = metrics["test"]
        scores.append(test["f1_macro"])
        print(
            f"{seed:>4} {wall:>7.1f} {steps:>6.1%} {measuring:>9.1%} {evaluating:>10.1%} "
            f"{metrics['validation']['f1_macro']:>14.4f} {test['f1_macro']:>8.4f} {test['accuracy']:>14.4f} "
            f"{metrics['trials']:>7}  {metrics['best']['architecture']}",
            flush=True,
        )
    print(f"test F1: median {statistics.median(scores):.4f}, from {min(scores):.4f} to {max(scores):.4f}")


if __name__ == "__main__":
    main()
