"""What a search costs beside its training: the driver's time for each trial, what a second slot gains, and the driver's memory.

    python benchmarks/overhead.py                 # 40 tiny trials with one slot, and with two
    python benchmarks/overhead.py --memory 500    # 500 tiny trials, and the driver's memory along the way

A tiny trial is one epoch of a small network on scikit-learn's digits, with one thread. Its process measures itself from the moment at which
the driver hands it over until it has its result: start, opening the data, building, compiling, training. The rest of the wall time is the
driver's: asking the strategy, the journal's transactions, hearing, and waiting for the process to be gone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

MIB, PAGE = 2**20, 4096
FIRST = 20  # trials after which the driver's memory is compared with the end's
#: TensorFlow's own switches: a trial that runs alone would otherwise take all cores.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
SETTINGS = {
    "search.strategy": "random",
    "search.architectures": ["simple_cnn"],
    "search.augmentations": [],
    "search.regularizers": [],
    "search.starts": False,
    "search.final_share": 0,
    "search.fixed.simple_cnn.filters": 8,
    "train.epochs": 1,
}


def search(trials: int, slots: int, executor: str) -> None:
    """Search in this process, and print what was measured as JSON."""
    import automl_img
    from automl_img import events
    from automl_img.search.journal import Journal

    ended: list[float] = []
    memory: list[float] = []

    def hear(event: events.Event) -> None:
        if isinstance(event, events.TrialEnded):
            ended.append(time.monotonic())
            memory.append(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / MIB)

    settings = {**SETTINGS, "compute.slots": slots}
    if executor != "local":
        settings |= {"compute.executor": executor, "compute.address": "local"}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        automl_img.fit("digits", trials=trials, settings=settings, out=run, listener=hear)
        journal = Journal(run)
        results = [row.result for row in journal.trials() if row.result]
        journal.close()
    seconds, training = [one.seconds for one in results], [one.training_seconds for one in results]
    print(json.dumps({"ended": ended, "seconds": seconds, "training": training, "memory": memory}))


def measure(trials: int, slots: int, executor: str) -> dict[str, list[float]]:
    """Search in a process of its own, each trial with one thread."""
    command = [sys.executable, __file__, "--search", str(trials), "--slots", str(slots), "--executor", executor]
    ran = subprocess.run(command, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(ran.stdout.splitlines()[-1])


def compare_slots(trials: int, executor: str) -> None:
    """Print what a trial costs with one slot and with two."""
    print(f"{'slots':>5} {'trials':>6} {'wall s':>7} {'a trial':>8} {'process':>8} {'training':>9} {'driver':>7}")
    rates = []
    for slots in (1, 2):
        found = measure(trials, slots, executor)
        wall = found["ended"][-1] - found["ended"][0]  # the first trial waits for the fork server
        count = len(found["ended"]) - 1
        process, training = (float(np.mean(found[name][1:])) for name in ("seconds", "training"))
        driver = wall * slots / count - process
        rates.append(count / wall)
        print(
            f"{slots:>5} {count:>6} {wall:>7.1f} {wall / count:>8.3f} {process:>8.3f} {training:>9.3f} {driver:>7.3f}",
            flush=True,
        )
    print(f"two slots finish {rates[1] / rates[0]:.2f} times the trials of one")


def watch_memory(trials: int, executor: str) -> None:
    """Print the driver's resident memory along a long search."""
    memory = measure(trials, 2, executor)["memory"]
    for trial in sorted({1, FIRST, *np.linspace(FIRST, len(memory), 9).round().astype(int).tolist()}):
        print(f"after {trial:>4} trials {memory[trial - 1]:>8.1f} MiB")
    slope = np.polyfit(np.arange(FIRST, len(memory)), memory[FIRST:], 1)[0]
    print(f"growth {1024 * slope:.1f} KiB a trial after the first {FIRST}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--memory", type=int, metavar="TRIALS", help="watch the driver's memory over so many trials")
    parser.add_argument("--executor", default="local", choices=["local", "ray"])
    parser.add_argument("--search", type=int, metavar="TRIALS", help=argparse.SUPPRESS)
    parser.add_argument("--slots", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search:
        search(arguments.search, arguments.slots, arguments.executor)
    elif arguments.memory:
        watch_memory(arguments.memory, arguments.executor)
    else:
        compare_slots(arguments.trials, arguments.executor)


if __name__ == "__main__":
    main()
