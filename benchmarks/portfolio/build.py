"""Finds out which architecture does best in a short time on data of several kinds, for searches on other data to begin with.

    python benchmarks/portfolio/build.py                       # 40 minutes; writes build/portfolio.json
    python benchmarks/portfolio/build.py --data emoji --ship   # one data set anew, and all into the first-party architectures
    python benchmarks/portfolio/leave_one_out.py               # how well each data set is foretold by the others

On each data set each architecture, at the size that a five-minute training would give it, trains for the same time with one thread: half of
what the final training of two minutes has, or where the data is easy that of a look. The time is the processor's, so that other work on the
machine changes little. The written file keeps what it has of the data sets that are not named.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from datasets import DATA_SETS  # noqa: E402
from training import open_data, train  # noqa: E402

SHIPPED = ROOT / "plugins" / "automl_img_architectures" / "experience.json"
FULL_SECONDS = 300.0  # of the training whose size each architecture gets
SECONDS = {"fashion": 100.0, "emoji": 100.0, "cifar10": 100.0}  # of training, for each architecture
LOOK_SECONDS = 25.0  # on other data


@dataclass(frozen=True)
class Task:
    data: str
    architecture: str
    seconds: float
    seed: int


def look(task: Task) -> Any:
    """Train one architecture, in a process of its own."""
    from automl_img.search.journal import TrialRow
    from automl_img.search.stages import wanted_seconds_per_image
    from automl_img.training.estimate import estimate_architectures
    from automl_img.training.hardware import Hardware
    from automl_img.training.spec import TrialFailure
    from automl_img.training.trial import TrialData, configure

    opened = open_data(task.data, task.seed)
    configure(1, opened.precision, task.seed)
    data, traits = opened.data, opened.data.store.traits
    members = opened.registry.get("architecture", task.architecture).members(traits)
    (found,) = estimate_architectures(
        [(task.architecture, tuple(opened.space.start(task.architecture, member) for member in members))],
        TrialData(data.store, data.splits, data.mean, data.std),
        opened.registry,
        hardware=Hardware.detect(),
        precision=opened.precision,
        seconds_per_image=wanted_seconds_per_image(FULL_SECONDS, opened.examples),
    )
    try:
        spec, result = train(opened, found.values, seconds=task.seconds, threads=1, seed=task.seed, processor_time=True)
    except TrialFailure as failure:
        return task, None, failure.message
    return task, TrialRow(1, "look", task.architecture, "done", "", "", spec, result), ""


def build(names: list[str], seed: int, out: Path) -> list[Any]:
    """Train everything, two at a time, and return the experience of each data set, that of an earlier run included."""
    from automl_img.search.experience import Circumstances, experience_of, read_experiences, write_experiences

    found = {one.data: one for one in read_experiences(out)} if out.exists() else {}
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        for name in names:
            opened = open_data(name, seed)
            print(name, flush=True)
            seconds, architectures = SECONDS.get(name, LOOK_SECONDS), opened.registry.names("architecture")
            tasks = [Task(name, architecture, seconds, seed) for architecture in architectures]
            rows = []
            for task, row, problem in pool.imap_unordered(look, tasks):
                if row is None:
                    print(f"  {task.architecture:16} {problem}", flush=True)
                    continue
                rows.append(row)
                result = row.result
                print(
                    f"  {task.architecture:16} F1 {result.f1:.4f}  {result.epochs:6.1f} epochs {result.steps:6} steps "
                    f"{result.parameters:10,} weights {result.megaflops:8.2f} MFLOP",
                    flush=True,
                )
            rows.sort(key=lambda row: row.architecture)
            store = opened.data.store
            found[name] = experience_of(rows, Circumstances(store.traits), store.fingerprint, name)
            write_experiences(out, list(found.values()))
    return list(found.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "portfolio.json")
    parser.add_argument("--ship", action="store_true", help="replace what the first-party architectures bring")
    arguments = parser.parse_args()
    found = build(arguments.data, arguments.seed, arguments.out)
    if arguments.ship:
        from automl_img.search.experience import write_experiences

        write_experiences(SHIPPED, found)


if __name__ == "__main__":
    main()
