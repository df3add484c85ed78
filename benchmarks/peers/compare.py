"""This tool and others in turn on the same machine: the same images and split, the same wall time, the macro-F1 on the test images.

    python benchmarks/peers/compare.py --data fashion --minutes 2 10 --seeds 0 1 2
    python benchmarks/peers/compare.py --data fashion emoji --minutes 2 --peers automl-img expert keras-tuner
    python benchmarks/peers/compare.py --table               # benchmarks/peers/results.csv as a table
    python benchmarks/peers/compare.py --table --plot docs/images/peers.png     # and as a picture; needs matplotlib

Each peer is a script beside this one with a virtual environment of its own below build/peers, which is made when it is first needed. A
script gets the arrays of all splits, the seconds and a seed, and prints what it reached as JSON; its clock begins before its imports. What
is measured here is the wall time of the whole process. A peer that has no time budget of its own is stopped by a callback when the time is
up and answers with the best model that it has by then, as a user who waits so long would do.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import venv
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from reporting import fast_bfloat16

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent))
BUILD = ROOT / "build" / "peers"
RESULTS = HERE / "results.csv"
COLUMNS = (
    "date",
    "machine",
    "data",
    "minutes",
    "peer",
    "version",
    "seed",
    "wall_s",
    "test_f1",
    "test_accuracy",
    "notes",
)
CPU_INFO = Path("/proc/cpuinfo")
ZEN = {"25": "Zen 4", "26": "Zen 5"}  # AMD's, by family: Zen 4 multiplies vectors of 512 bits by halves
GRACE = 1.5  # times its budget after which a peer is killed

#: What each peer needs beside Python. An empty list: the environment that this script runs in.
PEERS: dict[str, list[str]] = {
    "automl-img": [],
    "expert": [],
    "keras-tuner": ["keras-tuner==1.4.8", "tensorflow==2.21.0", "tensorboard", "scikit-learn"],
    "autokeras": ["autokeras==3.0.0", "keras==3.12.0", "tensorflow==2.21.0", "tensorboard", "scikit-learn"],
    "ultralytics": ["ultralytics==8.4.190", "scikit-learn"],
}


def arrays_of(name: str, seed: int) -> Path:
    """Write the splits of a data set as every peer gets them, and return the file: uint8 images and integer labels."""
    from datasets import DATA_SETS

    from automl_img.plugin import discover
    from automl_img.recipe.reading import recipe_from_mapping
    from automl_img.search.preparation import load_dataset, prepare_data

    path = BUILD / "data" / f"{name}-{seed}.npz"
    if not path.exists():
        recipe = recipe_from_mapping({}, {"name": name, "seed": seed, **DATA_SETS[name](ROOT / "build" / "datasets")})
        data = prepare_data(recipe, load_dataset(recipe, discover()), lambda done, total: None)
        parts = {}
        for split, indices in (
            ("train", data.splits.train),
            ("val", data.splits.validation),
            ("test", data.splits.test),
        ):
            parts[f"x_{split}"], parts[f"y_{split}"] = data.store.images[indices], data.store.labels[indices]
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **parts)
    return path


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer, in an environment that is made if it is not there."""
    if not PEERS[peer]:
        return Path(sys.executable)
    folder = BUILD / peer
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        print(f"making the environment of {peer}", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", *PEERS[peer]]
        subprocess.run(command, check=True, env=_environment("PIP_CONSTRAINT"))
        (folder / "complete").touch()
    return python


def _environment(without: str) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != without}


def machine() -> str:
    """What this machine is called in the results: by what multiplies bfloat16, where that pays, and how fast it is."""
    info = CPU_INFO.read_text() if CPU_INFO.is_file() else ""
    unit = fast_bfloat16() or ("AVX2" if "avx512f" not in info and "avx2" in info else "float32")
    family = re.search(r"^cpu family\s*: (\d+)", info, re.MULTILINE)
    zen = ZEN.get(family[1]) if family and unit == "AVX-512 BF16" else None
    return ", ".join([f"{os.cpu_count()} cores {platform.machine()}", unit, *([zen] if zen else [])])


def run(peer: str, data: str, minutes: float, seed: int) -> dict[str, object]:
    """Run one peer once and return its row."""
    script = HERE / f"{peer.replace('-', '_')}_peer.py"
    python, arrays = python_of(peer), arrays_of(data, seed)
    command = [python, script, arrays, "--seconds", str(60 * minutes), "--seed", str(seed)]
    log = BUILD / "logs" / f"{peer}-{data}-{minutes:g}-{seed}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    begin, notes, answer = time.monotonic(), "", {}
    with log.open("w") as output:
        try:
            ran = subprocess.run(
                command,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                timeout=GRACE * 60 * minutes + 60,
                check=False,
                env=_environment("PYTHONDONTWRITEBYTECODE"),  # all run compiled, as what pip has installed does
            )
            lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
            answer = json.loads(lines[-1]) if lines else {}
            notes = answer.get("notes", "") if lines else f"failed with exit code {ran.returncode}"
        except subprocess.TimeoutExpired:
            notes = "did not end"
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "data": data,
        "minutes": f"{minutes:g}",
        "peer": peer,
        "version": answer.get("version", ""),
        "seed": seed,
        "wall_s": f"{time.monotonic() - begin:.1f}",
        "test_f1": f"{answer['test_f1']:.4f}" if "test_f1" in answer else "",
        "test_accuracy": f"{answer['test_accuracy']:.4f}" if "test_accuracy" in answer else "",
        "notes": notes,
    }


def keep(row: dict[str, object]) -> None:
    """Add a row to the results; one of the same peer, data, minutes and seed is replaced."""
    rows = read()
    same = ("machine", "data", "minutes", "peer", "seed")
    rows = [old for old in rows if any(str(old[name]) != str(row[name]) for name in same)]
    rows.append({name: str(row[name]) for name in COLUMNS})
    rows.sort(key=lambda one: (one["machine"], one["data"], float(one["minutes"]), one["peer"], int(one["seed"])))
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read() -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def table() -> str:
    """Return the results as a table: the median of the seeds, and their range where there are several."""
    rows = read()
    minutes = sorted({float(row["minutes"]) for row in rows})
    cells: dict[tuple[str, str, str], dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells[row["machine"], row["data"], row["peer"]][float(row["minutes"])].append(float(row["test_f1"] or "nan"))
    times = " | ".join(f"{one:g} min" for one in minutes)
    lines = [f"| machine | data | | {times} |", "|---|---|---|" + "---|" * len(minutes)]
    for place in sorted(cells, key=lambda place: (*place[:2], list(PEERS).index(place[2]))):
        figures = (_cell(cells[place].get(one, [])) for one in minutes)
        lines.append(f"| {' | '.join((*place, *figures))} |")
    return "\n".join(lines)


def plot(path: Path) -> None:
    """Draw the results of the machine with the most: a panel for each data set and time that several peers have, a dot for each seed."""
    from matplotlib.figure import Figure

    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    machines = Counter(row["machine"] for row in read())
    for row in read():
        if row["test_f1"] and row["machine"] == max(machines, key=machines.__getitem__):
            found[row["data"], row["minutes"]][row["peer"]].append(float(row["test_f1"]))
    panels = {place: peers for place, peers in found.items() if len(peers) > 1}
    figure = Figure(figsize=(3.1 * len(panels), 2.6), layout="constrained")
    for axes, ((data, minutes), peers) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for peer, reached in peers.items():
            ours, place, middle = peer == "automl-img", len(PEERS) - list(PEERS).index(peer), statistics.median(reached)
            axes.plot(
                reached,
                [place] * len(reached),
                "o",
                color="#0b7a75" if ours else "#7a8290",
                markersize=8 if ours else 6,
                alpha=0.8,
            )
            axes.annotate(
                f"{middle:.3f}", (middle, place), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=8
            )
        axes.set_title(f"{data}, {float(minutes):g} min", fontsize=10)
        axes.set_yticks(
            [len(PEERS) - place for place in range(len(PEERS))], list(PEERS) if axes is figure.axes[0] else []
        )
        axes.set_ylim(0.5, len(PEERS) + 0.8)
        axes.margins(x=0.18)
        axes.grid(visible=True, axis="x", alpha=0.2)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
    figure.supxlabel("test macro-F1", fontsize=9)
    figure.savefig(path, dpi=150)


def _cell(values: list[float]) -> str:
    known = [value for value in values if value == value]
    if not values:
        return ""
    if not known:
        return "no model"
    middle = f"{statistics.median(known):.4f}"
    if len(values) == 1:
        return f"{middle} (one seed)"
    failed = f", {len(values) - len(known)} without a model" if len(known) < len(values) else ""
    return f"{middle} ({min(known):.4f} to {max(known):.4f}{failed})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["fashion"])
    parser.add_argument("--minutes", nargs="+", type=float, default=[2.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--table", action="store_true", help="only print what was measured before")
    parser.add_argument("--plot", type=Path, help="draw the results as a PNG")
    arguments = parser.parse_args()
    if not arguments.table:
        for data in arguments.data:
            for minutes in arguments.minutes:
                for seed in arguments.seeds:
                    for peer in arguments.peers:  # in turn, so that a machine that slows down slows all of them
                        row = run(peer, data, minutes, seed)
                        keep(row)
                        print(*(row[name] for name in COLUMNS[2:]), sep="  ", flush=True)
    print(table())
    if arguments.plot:
        plot(arguments.plot)


if __name__ == "__main__":
    main()
