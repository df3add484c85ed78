"""Runs a search on a disk of a few megabytes that is filled and freed while it runs. Needs the right to mount a tmpfs.

    sudo python tests/faults/full_disk.py

The search must say that it waits, lose no trial, go on when there is room, and leave whole files. Exits with 1 if it does not.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = str(Path(sys.executable).parent / "automl-img")
PLUGINS = Path(__file__).parents[1] / "third_party" / "automl-img-plainnet"
SETTINGS = (
    'plugins.modules=["automl_img_plainnet"]',
    'search.architectures=["plainnet"]',
    "train.epochs=3",
    "output.keep=all",
)


UNABLE = 77  # exit code where the disk cannot be made


def lines(run, trials):
    """Start a search and yield its process, then its events."""
    settings = [part for setting in SETTINGS for part in ("--set", setting)]
    process = subprocess.Popen(
        [PROGRAM, "search", "digits", "--trials", str(trials), "--out", str(run), "--json", *settings],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
    )
    yield process
    for line in process.stdout:
        yield json.loads(line)
    process.wait()


def disturb(disk, trials):
    """Fill the disk when the second trial has ended, free it when the search says that it waits."""
    run, filling = disk / "run", disk / "filling"
    events = lines(run, trials)
    process = next(events)
    ended, said = 0, []
    for event in events:
        if event["event"] == "TrialEnded":
            ended += 1
            if ended == 2:
                free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
                filling.write_bytes(bytes(max(0, free - 2_000_000)))
        if event["event"] == "Decided" and "disk" in event["what"]:
            said.append(event["what"])
            filling.unlink(missing_ok=True)
    wrong = [] if process.returncode == 0 else [f"the search ended with exit code {process.returncode}"]
    if len(said) != 2:
        wrong.append(f"it should say that it waits, and that it goes on; it said {said}")
    with (run / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    if [row["status"] for row in rows] != ["done"] * trials:
        wrong.append(f"trials were lost: {[(row['trial'], row['status'], row['note']) for row in rows]}")
    json.loads((run / "metrics.json").read_text())
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--megabytes", type=int, default=50)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mounting = ["mount", "-t", "tmpfs", "-o", f"size={given.megabytes}m", "tmpfs", folder]
        mounted = subprocess.run(mounting, capture_output=True, text=True)
        if mounted.returncode:
            print(f"no small disk can be made here: {mounted.stderr.strip()}")
            return UNABLE
        try:
            wrong = disturb(Path(folder), given.trials)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    print("\n".join(wrong) or "the search waited while the disk was full, and lost nothing")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
