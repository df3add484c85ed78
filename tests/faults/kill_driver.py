"""Kills the driver of a search at random instants, resumes it each time, and compares it with the search that nobody disturbed.

    python tests/faults/kill_driver.py --kills 20

The search is deterministic and runs one trial at a time, so that its leaderboard must be the same to the last digit. Prints one line for
each kill and exits with 1 if anything differs, a finished trial ran twice, or a trial is missing.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = str(Path(sys.executable).parent / "automl-img")
PLUGINS = Path(__file__).parents[1] / "third_party" / "automl-img-plainnet"
SETTINGS = (
    'plugins.modules=["automl_img_plainnet"]',
    'search.architectures=["plainnet"]',
    "train.deterministic=true",
    "train.epochs=3",
    "compute.slots=1",
    "output.keep=all",
)
COMPARED = ("trial", "stage", "architecture", "size", "status", "f1", "val_loss", "epochs", "parameters")
LONGEST = 600  # seconds that a search may take


def start(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "COLUMNS": "160"}
    return subprocess.Popen(
        [PROGRAM, "search", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def begin(run, trials):
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    return start("digits", "--trials", trials, "--out", run, *settings)


def resume(run):
    return start("--resume", run) if (run / "recipe.json").is_file() else None


def finish(process):
    """Let a search end; its errors are the answer."""
    _, errors = process.communicate(timeout=LONGEST)
    return "" if process.returncode == 0 else errors.strip() or f"exit code {process.returncode}"


def rows(run):
    with (run / "leaderboard.csv").open() as file:
        return sorted(
            ({key: row[key] for key in COMPARED} for row in csv.DictReader(file)), key=lambda row: row["trial"]
        )


def finished_trials(run):
    """The trials that have ended well, with the number of their attempts."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{run / 'journal.sqlite'}?mode=ro", uri=True)) as database:
            return dict(
                database.execute(
                    "SELECT t.trial, COUNT(*) FROM trials t JOIN attempts a ON a.trial = t.trial "
                    "WHERE t.status = 'done' GROUP BY t.trial"
                )
            )
    except sqlite3.OperationalError:  # killed before it had a journal, or tables in it
        return {}


def disturbed(run, trials, kills, longest, chance):
    """Search with so many kills at random instants; yields the instant and the finished trials after each."""
    process = begin(run, trials)
    for _ in range(kills):
        instant = chance.uniform(0.3, longest)
        try:
            process.wait(timeout=instant)
            raise SystemExit("the search ended before it was killed often enough: give it more --trials")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        yield instant, finished_trials(run)
        process = resume(run) or begin(run, trials)
    errors = finish(process)
    if errors:
        raise SystemExit(f"the last resume failed: {errors}")


def compare(given, folder):
    quiet, run = folder / "undisturbed", folder / "disturbed"
    errors = finish(begin(quiet, given.trials))
    if errors:
        raise SystemExit(f"the undisturbed search failed: {errors}")
    wrong, known = [], {}
    instants = disturbed(run, given.trials, given.kills, given.longest, random.Random(given.seed))
    for number, (instant, finished) in enumerate(instants, 1):
        again = [trial for trial in known if finished.get(trial) != known[trial]]
        wrong += [f"trial {trial} had ended and was begun again" for trial in again]
        known = finished
        print(f"kill {number} after {instant:.1f} s: {len(finished)} of {given.trials} trials had ended", flush=True)
    if rows(quiet) != rows(run):
        wrong.append(
            f"the leaderboards differ:\n{json.dumps(rows(quiet), indent=1)}\n{json.dumps(rows(run), indent=1)}"
        )
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--longest", type=float, default=12.0, help="seconds that a process lives at most")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = compare(given, Path(folder))
    print("\n".join(wrong) or f"the leaderboard after {given.kills} kills is that of the undisturbed search")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
