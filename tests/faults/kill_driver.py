"""Kills the driver of a search at random instants, resumes it each time, and compares it with the search that nobody disturbed.

    python tests/faults/kill_driver.py --kills 20

The search is deterministic and runs one trial at a time, so that its leaderboard must be the same to the last digit. Prints one line for
each kill and exits with 1 if anything differs, a finished trial ran twice, or a trial is missing.
"""

import argparse
import csv
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
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


def attempts_of_finished(run):
    """Trial → how many attempts began after it had ended well; 0 is right."""
    database = sqlite3.connect(run / "journal.sqlite")
    found = database.execute(
        "SELECT t.trial, COUNT(*), json_extract(t.result, '$.seconds') FROM trials t JOIN attempts a ON a.trial = t.trial "
        "WHERE t.status = 'done' GROUP BY t.trial"
    ).fetchall()
    database.close()
    return {trial: count for trial, count, _ in found}


def finished_trials(run):
    """The trials that had ended well when the driver was killed, with their number of attempts."""
    return attempts_of_finished(run) if (run / "journal.sqlite").is_file() and _has_tables(run) else {}


def _has_tables(run):
    database = sqlite3.connect(run / "journal.sqlite")
    try:
        return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchone())
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()


def disturbed(run, trials, instants):
    """Search with a kill at each of ``instants``, in seconds of the search's own time; yields what was found at each."""
    process = begin(run, trials)
    for instant in instants:
        began = time.monotonic()
        try:
            process.wait(timeout=instant)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        before = finished_trials(run)
        yield instant, time.monotonic() - began, before
        process = resume(run) or begin(run, trials)
    errors = finish(process)
    if errors and "budget spent" not in errors:  # a kill may have come after the end
        raise SystemExit(f"the last resume failed: {errors}")


def compare(trials, kills, seed, folder):
    quiet, run = folder / "undisturbed", folder / "disturbed"
    began = time.monotonic()
    errors = finish(begin(quiet, trials))
    if errors:
        raise SystemExit(f"the undisturbed search failed: {errors}")
    length = time.monotonic() - began
    wrong = []
    chance = random.Random(seed)
    instants = [chance.uniform(0.3, 0.6 * length) for _ in range(kills)]
    known = {}
    for number, (instant, _, finished) in enumerate(disturbed(run, trials, instants), 1):
        again = {trial for trial in known if finished.get(trial) != known[trial]}
        wrong += [f"trial {trial} had ended and was begun again" for trial in sorted(again)]
        known = finished
        print(f"kill {number} after {instant:.1f} s: {len(finished)} trials had ended", flush=True)
    same = rows(quiet) == rows(run)
    if not same:
        wrong.append(
            f"the leaderboards differ:\n{json.dumps(rows(quiet), indent=1)}\n{json.dumps(rows(run), indent=1)}"
        )
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = compare(given.trials, given.kills, given.seed, Path(folder))
    print("\n".join(wrong) or f"the leaderboard after {given.kills} kills is that of the undisturbed search")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
