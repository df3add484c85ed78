"""Kills, crashes and hangs the processes of a search's trials at random instants, while a reader holds its journal open throughout.

    python tests/faults/kill_children.py --harms 20

Each trial must end with a result or with the kind of its failure, the search with a model, and the journal must be whole. The search is
asked to end some trials after the last harm. Prints one line for each harm and exits with 1 if anything is missing.
"""

import argparse
import contextlib
import csv
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PROGRAM = str(Path(sys.executable).parent / "automl-img")
PLUGINS = Path(__file__).parents[1] / "third_party" / "automl-img-plainnet"
SLOTS = 2
SETTINGS = (
    'plugins.modules=["automl_img_plainnet"]',
    'search.architectures=["plainnet"]',
    "train.epochs=20",
    "train.patience=20",
    f"compute.slots={SLOTS}",
    'search.limits.seconds="12s"',
)
HARMS = {signal.SIGKILL: "killed", signal.SIGSEGV: "crashed", signal.SIGSTOP: "hung"}
KINDS = {"out of memory", "crashed", "timeout"}  # a process that is killed from outside mostly was for its memory
LONGEST = 900  # seconds that the search may take
TRIALS = 1000  # more than there is time for
INTERRUPTED = 130  # exit code of a search that was asked to end
AFTERWARDS = 3  # trials that end after the last harm: nothing of it may reach them


def begin(run):
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    command = [PROGRAM, "search", "digits", "--trials", TRIALS, "--out", run, *settings]
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS), "COLUMNS": "160"}
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def children(pid):
    """The processes that a process has started."""
    found = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, tasks.read_text().split())
    return found


def trials_of(driver):
    """The processes of a driver's trials: the children of its fork server, or its own where it has none."""
    own = children(driver)
    return [pid for child in own for pid in children(child)] or [pid for pid in own if b"spawn_main" in words_of(pid)]


def words_of(pid):
    """What a process was started with."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


class Reader(threading.Thread):
    """Holds a transaction of the journal open, and begins another one each second."""

    def __init__(self, journal):
        super().__init__(daemon=True)
        self.journal, self.ended, self.counts, self.errors = journal, threading.Event(), [], []
        self.begun = threading.Event()  # the first trial has
        self.over = 0  # trials that have ended

    def run(self):
        while not self.ended.wait(1.0):
            if not self.journal.is_file():
                continue
            try:
                with contextlib.closing(sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True)) as database:
                    database.execute("BEGIN")
                    (count,) = database.execute("SELECT COUNT(*) FROM trials").fetchone()
                    self.counts.append(count)
                    (self.over,) = database.execute("SELECT COUNT(*) FROM trials WHERE status != 'running'").fetchone()
                    if count:
                        self.begun.set()
                    self.ended.wait(1.0)
                    if database.execute("SELECT COUNT(*) FROM trials").fetchone() != (count,):
                        self.errors.append("a transaction of a reader has seen two states of the journal")
            except sqlite3.OperationalError as error:
                if "no such table" not in str(error):  # the search has just made the file
                    self.errors.append(f"the reader was refused: {error}")


def harm(process, harms, chance):
    """Do so many harms to trials at random instants; returns how many were done."""
    done = 0
    while done < harms:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0.2, 3.0))
            return done
        victims = trials_of(process.pid)
        if victims:
            victim, sort = chance.choice(victims), chance.choice(list(HARMS))
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, sort)
                done += 1
                print(f"harm {done}: process {victim} {HARMS[sort]}", flush=True)
    return done


def end_after(process, reader, trials, run):
    """Ask the search to end when so many more trials have ended."""
    enough = reader.over + trials
    while reader.over < enough:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1.0)
            return
    subprocess.run([PROGRAM, "stop", str(run)], check=True, stdout=subprocess.DEVNULL)


def faults_of(run):
    """What is missing or wrong in what the search has left."""
    wrong = []
    with (run / "leaderboard.csv").open() as file:
        rows = {int(row["trial"]): row for row in csv.DictReader(file)}
    if not rows or sorted(rows) != list(range(1, len(rows) + 1)):
        wrong.append(f"the leaderboard has the trials {sorted(rows)}")
    with contextlib.closing(sqlite3.connect(run / "journal.sqlite")) as database:
        found = database.execute(
            "SELECT t.trial, t.status, t.kind, COUNT(*) FROM trials t JOIN attempts a ON a.trial = t.trial GROUP BY t.trial"
        ).fetchall()
        if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            wrong.append("the journal is damaged")
    for trial, status, kind, attempts in found:
        if status not in ("done", "failed", "stopped") or (status == "failed" and kind not in KINDS) or attempts > 2:
            wrong.append(f"trial {trial} is {status} ({kind or 'no kind'}) after {attempts} attempts")
    stopped = [trial for trial, status, *_ in found if status == "stopped"]
    if len(stopped) > SLOTS:
        wrong.append(f"more trials than run at once had no result when the search was asked to end: {stopped}")
    if not (run / "model" / "model.json").is_file():
        wrong.append("there is no model")
    done = sum(status == "done" for _, status, _, _ in found)
    retried = sum(attempts > 1 for *_, attempts in found)
    print(f"{done} of {len(found)} trials ended well, {retried} were tried again")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--harms", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        process, reader = begin(run), Reader(run / "journal.sqlite")
        reader.start()
        while process.poll() is None and not reader.begun.wait(1.0):
            pass  # what runs before are no trials
        done = harm(process, given.harms, random.Random(given.seed))
        end_after(process, reader, AFTERWARDS, run)
        _, errors = process.communicate(timeout=LONGEST)
        reader.ended.set()
        reader.join()
        wrong = [] if process.returncode == INTERRUPTED else [f"the search failed: {errors.strip()}"]
        wrong += reader.errors + (["the reader never read"] if not reader.counts else [])
        wrong += [f"the search ended by itself after {done} harms"] if done < given.harms else []
        wrong += faults_of(run)
    print("\n".join(wrong) or f"after {given.harms} harms and {len(reader.counts)} readings nothing is missing")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
