"""Kills the driver of a search at random instants, resumes it each time, and compares it with the search that nobody disturbed.

    python tests/faults/kill_driver.py --kills 20

The search is deterministic and runs one trial at a time, so that its leaderboard must be the same to the last digit. Each process lives
until it has ended a trial, and a random time longer, so that it is killed in the middle of another one; the first, and every third after
it, is killed at a random instant of its beginning. Prints one line for each kill and exits with 1 if anything differs, a finished trial
ran twice, a trial is missing, or no kill met a trial that ran.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
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
BEGINNING = 6.0  # seconds that a process takes to begin, about
LOOK_SECONDS = 0.1  # between two looks at the journal


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


def go_on(run, trials):
    """Resume a search; one that was killed before it had a recipe is begun again."""
    if (run / "recipe.json").is_file():
        return start("--resume", run)
    shutil.rmtree(run, ignore_errors=True)
    return begin(run, trials)


def finish(process):
    """Let a search end; its errors are the answer."""
    _, errors = process.communicate(timeout=LONGEST)
    return "" if process.returncode == 0 else errors.strip() or f"exit code {process.returncode}"


def rows(run):
    with (run / "leaderboard.csv").open() as file:
        return sorted(
            ({key: row[key] for key in COMPARED} for row in csv.DictReader(file)), key=lambda row: row["trial"]
        )


def asked(run, question):
    """What the journal answers to a question in SQL."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{run / 'journal.sqlite'}?mode=ro", uri=True)) as database:
            return database.execute(question).fetchall()
    except sqlite3.OperationalError:  # killed before it had a journal, or tables in it
        return []


def finished_trials(run):
    """The trials that have ended well, with the number of their attempts."""
    return dict(
        asked(
            run,
            "SELECT t.trial, COUNT(*) FROM trials t JOIN attempts a ON a.trial = t.trial "
            "WHERE t.status = 'done' GROUP BY t.trial",
        )
    )


def running_trials(run):
    """The trials that have begun and not ended."""
    return [trial for (trial,) in asked(run, "SELECT trial FROM trials WHERE status = 'running'")]


def live(process, seconds):
    """Let a search go on for so long."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return
    raise SystemExit("the search ended before it was killed often enough: give it more --trials")


def disturbed(run, trials, kills, longest, chance):
    """Search with so many kills; yields what each one met, in words, and the finished trials after it."""
    process, finished = begin(run, trials), {}
    for number in range(1, kills + 1):
        if number % 3 == 1:
            live(process, instant := chance.uniform(0.3, BEGINNING))
            met = f"a process of {instant:.1f} s"
        else:
            while len(finished_trials(run)) <= len(finished) or not running_trials(run):
                live(process, LOOK_SECONDS)
            live(process, chance.uniform(0.0, longest))
            met = ""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        finished = finished_trials(run)
        running = running_trials(run)
        yield met or (f"trial {running[0]}" if running else "no trial"), finished
        process = go_on(run, trials)
    errors = finish(process)
    if errors:
        raise SystemExit(f"the last resume failed: {errors}")


def begun_again(known, finished):
    """What is wrong with finished trials that have another number of attempts than when they were known."""
    again = [trial for trial in known if finished.get(trial) != known[trial]]
    return [f"trial {trial} had ended and was begun again" for trial in again]


def compare(given, folder):
    quiet, run = folder / "undisturbed", folder / "disturbed"
    errors = finish(begin(quiet, given.trials))
    if errors:
        raise SystemExit(f"the undisturbed search failed: {errors}")
    wrong, known, kinds = [], {}, []
    kills = disturbed(run, given.trials, given.kills, given.longest, random.Random(given.seed))
    for number, (met, finished) in enumerate(kills, 1):
        wrong += begun_again(known, finished)
        known = finished
        kinds.append(met.split()[0])
        print(f"kill {number} met {met}: {len(finished)} of {given.trials} trials had ended", flush=True)
    wrong += begun_again(known, finished_trials(run))
    if "trial" not in kinds:
        wrong.append("no kill met a trial that ran: give it more --kills, or another --longest")
    if rows(quiet) != rows(run):
        wrong.append(
            f"the leaderboards differ:\n{json.dumps(rows(quiet), indent=1)}\n{json.dumps(rows(run), indent=1)}"
        )
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument(
        "--longest",
        type=float,
        default=2.0,
        help="seconds that a process lives at most after its first trial, from when the next one runs",
    )
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = compare(given, Path(folder))
    print("\n".join(wrong) or f"the leaderboard after {given.kills} kills is that of the undisturbed search")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
