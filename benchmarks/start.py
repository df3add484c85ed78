"""How soon a search trains: what it takes to have TensorFlow and Keras in memory, and when each part of a search's start is done.

    python benchmarks/start.py                # five imports of each kind in turn, and the start of three searches over Fashion-MNIST

"keras" is a plain import of Keras and TensorFlow with all that they import where it is installed; "fork server" is what the fork server
imports, the training's own modules included. The searches are those of the command line; their seconds count from their first event on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTS = {"keras": "import keras, tensorflow; keras.layers", "fork server": "import automl_img.executors.preload"}
BUDGET = "1m"
PARTS = {"DataReady": "data", "Preflight": "plan", "TrialStarted": "first trial", "EpochEnded": "first measurement"}


def seconds_of(code: str) -> float:
    """Run ``code`` in a fresh interpreter."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL, env=environment())
    return time.monotonic() - begin


def environment() -> dict[str, str]:
    """That of a user, whose packages are compiled."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3"}


def started(folder: Path, seed: int) -> dict[str, float]:
    """Seconds since a search began at which each part of its start was done; it has no experience of its own machine."""
    command = [Path(sys.executable).parent / "automl-img", "search", ROOT / "recipes" / "fashion.toml"]
    command += ["--budget", BUDGET, "--seed", str(seed), "--out", folder, "--json"]
    variables = {**environment(), "AUTOML_IMG_EXPERIENCE": str(folder.parent / "experience")}
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
    seconds: dict[str, float] = {}
    for event in map(json.loads, filter(None, ran.stdout.splitlines())):
        if event["event"] in PARTS:
            seconds.setdefault(PARTS[event["event"]], event["elapsed"])
    return seconds


def main() -> None:
    """Print both tables."""
    given = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--searches", type=int, default=3)
    args = given.parse_args()
    for code in IMPORTS.values():
        seconds_of(code)  # from the disk into its cache
    taken = {name: [] for name in IMPORTS}
    for _ in range(args.rounds):
        for name, code in IMPORTS.items():
            taken[name].append(seconds_of(code))
    for name, seconds in taken.items():
        print(f"{name:12s} {statistics.median(seconds):5.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    ratios = [one / two for one, two in zip(*taken.values(), strict=True)]
    print(f"{'ratio':12s} {statistics.median(ratios):5.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")
    with tempfile.TemporaryDirectory() as folder:
        starts = [started(Path(folder) / str(seed), seed) for seed in range(args.searches)]
    for part in PARTS.values():
        seconds = [start[part] for start in starts]
        print(f"{part:18s} {statistics.median(seconds):5.1f} s ({min(seconds):.1f} to {max(seconds):.1f})")


if __name__ == "__main__":
    main()
