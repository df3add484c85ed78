"""What the driver's part of a search costs as its trials grow many: simulated trials through the scheduler and a real journal, no training.

    python benchmarks/driver_scale.py                            # 100, 500, 2000 and 5000 trials with the strategy "random"
    python benchmarks/driver_scale.py --strategy hyperband --trials 100 500 2000

A trial is asked for, measures itself twice and ends: four transactions. Time (of the processor) and bytes are those of the last fifty
trials, so that they are the cost of one more trial when there are so many. Bytes are all that the process hands to the file system, the
journal's write-ahead log and the copying of its pages included. What is kept are Python objects, as tracemalloc counts them, in a run of
its own.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

MIB, KIB, PAGE = 2**20, 2**10, 4096
WARM, LAST = 30, 50  # trials before memory is compared, and trials at the end whose cost is counted
MEASUREMENTS = 2


def simulate(trials: int, strategy: str, *, traced: bool) -> dict[str, float]:
    """Search in this process; returns the cost of a trial at the end, and what was kept of each."""
    from automl_img.plugin import ImageTraits, Signal, discover
    from automl_img.recipe.reading import read_recipe
    from automl_img.search.budget import Budget
    from automl_img.search.journal import Journal
    from automl_img.search.scheduler import Scheduler
    from automl_img.search.space import build_space
    from automl_img.search.trials import Rules
    from automl_img.training.spec import EpochReport, TrialResult

    registry = discover()
    recipe = read_recipe(Path(__file__).parent.parent / "recipes" / "digits.toml")
    space = build_space(recipe, registry, ImageTraits(height=8, width=8, channels=1, classes=10, examples=1400))
    rules = Rules(1, 9, 5, 1400, slots=1, end=math.inf, final_share=0, precision="float32")
    scheduler = Scheduler(space, [], registry.get("strategy", strategy)(), Budget(trials=trials), rules, 0.0)
    found: dict[str, float] = {}
    chance = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), create=True)
        for number in range(trials):
            if number == WARM:
                gc.collect()
                resident = _resident()
                if traced:
                    tracemalloc.start()
            if number == trials - LAST:
                begun, written = time.process_time(), _written()
            spec = scheduler.next(float(number))
            if isinstance(spec, Signal):
                sys.exit(f"the strategy {strategy!r} has nothing more to suggest after {number} trials")
            journal.begin(spec, scheduler.changes())
            f1 = float(chance.uniform(0.3, 0.9))
            for turn in range(1, MEASUREMENTS + 1):
                report = EpochReport(float(turn), 10 * turn, 0.5, 0.5, f1, turn / MEASUREMENTS, 100.0)
                journal.epoch(spec.trial, spec.attempt, report)
                scheduler.measured(spec.trial, report)
            result = TrialResult(f1, 0.5, 2.0, 2.0, 20, 1000, 1.0, 1.0, 0.5, 100.0, "epochs", "a" * 64)
            scheduler.freed(spec.trial, number + 0.5)
            scheduler.record(spec.trial, result)
            journal.done(spec.trial, result, scheduler.changes())
        found["milliseconds"] = (time.process_time() - begun) / LAST * 1000
        found["written KiB"] = (_written() - written) / LAST / KIB
        gc.collect()
        found["resident KiB"] = (_resident() - resident) / (trials - WARM) / KIB
        if traced:
            found["kept KiB"] = tracemalloc.get_traced_memory()[0] / (trials - WARM) / KIB
        journal.close()
        found["journal MiB"] = sum(file.stat().st_size for file in Path(folder).iterdir()) / MIB
    return found


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def _written() -> int:
    """Bytes that this process has handed to the file system so far."""
    return int(dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())["wchar"])


def measure(trials: int, strategy: str) -> dict[str, float]:
    """Search in two processes of their own: one whose memory is traced, which takes time, and one whose time counts."""
    command = [sys.executable, __file__, "--strategy", strategy, "--simulate", str(trials)]
    found: dict[str, float] = {}
    for more in (["--traced"], []):
        ran = subprocess.run([*command, *more], stdout=subprocess.PIPE, text=True, check=True)
        found |= json.loads(ran.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 500, 2000, 5000])
    parser.add_argument("--strategy", default="random")
    parser.add_argument("--simulate", type=int, metavar="TRIALS", help=argparse.SUPPRESS)
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.simulate:
        print(json.dumps(simulate(arguments.simulate, arguments.strategy, traced=arguments.traced)))
        return
    columns = ("milliseconds", "written KiB", "kept KiB", "resident KiB")
    print(f"{'trials':>8}" + "".join(f"{column:>14}" for column in columns) + f"{'journal MiB':>14}", flush=True)
    rows = []
    for trials in arguments.trials:
        found = measure(trials, arguments.strategy)
        rows.append(found)
        print(f"{trials:>8}" + "".join(f"{found[name]:>14.2f}" for name in (*columns, "journal MiB")), flush=True)
    if len(rows) > 1:
        logs = np.log(arguments.trials)
        slopes = [np.polyfit(logs, np.log([max(row[name], 1e-9) for row in rows]), 1)[0] for name in columns[:3]]
        print(f"{'exponent':>8}" + "".join(f"{slope:>14.2f}" for slope in slopes))
        print("an exponent of 0: a trial costs the same however many there are; of 1: as much more as there are more")


if __name__ == "__main__":
    main()
