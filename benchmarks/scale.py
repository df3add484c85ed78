"""What the parts of a search cost as there are more images, or more classes; as a table with fitted exponents, and as a picture.

    python benchmarks/scale.py                      # Fashion-MNIST: 10%, 30%, 100% of the images; 10, 100, 1,000 classes of 20,000 images
    python benchmarks/scale.py --plot docs/images/scale.png

One trial of one epoch of a small simple_cnn, each search in a process of its own. "Data" is all before the first trial: reading, looking
for what is wrong, preparing, splitting; "step" the training steps; "beside it" the rest of the trial; "end" the comparison, the test
images and the report. The classes are the ten of the data set cut into numbers: what is measured is what more of them cost, not how well
they are told apart. An exponent of 1: twice as many cost twice as much; of 0: they cost no more.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PARTS = ("data", "step", "beside it", "end")
SHARES, CLASSES = (0.1, 0.3, 1.0), (10, 100, 1000)
IMAGES_BY_CLASS = 20_000
TEST = 5_000
SETTINGS = {
    "search.architectures": ["simple_cnn"],
    "search.starts": False,
    "search.fixed.simple_cnn.filters": 16,
    "search.fixed.batch_size": 128,
    "search.strategy": "random",
    "search.augmentations": [],
    "search.regularizers": [],
    "train.epochs": 1,
}


def search(images: int, classes: int) -> dict[str, float]:
    """Search in this process; returns the seconds of each part."""
    import automl_img
    from automl_img import events
    from automl_img.plugin import ImageDataset, Split, discover
    from automl_img.search.journal import Journal

    given = discover().get("source", "fashion_mnist").load(None, {"task": "auto"})
    assert given.test is not None

    def cut(split: Split, count: int) -> Split:
        labels = np.asarray(split.labels[:count]).astype(np.int64)
        return Split(np.asarray(split.images[:count]), labels * (classes // 10) + np.arange(count) % (classes // 10))

    names = tuple(f"{name} {number}" for name in given.class_names for number in range(classes // 10))
    data = ImageDataset("scale", names, train=cut(given.train, images), test=cut(given.test, TEST))
    heard: list[events.Event] = []
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        os.environ["AUTOML_IMG_CACHE"] = folder
        automl_img.fit(data, trials=1, settings=SETTINGS, out=run, listener=heard.append)
        journal = Journal(run)
        (result,) = [row.result for row in journal.trials() if row.result]
        journal.close()
    begun, ended, over = (
        next(event.elapsed for event in heard if isinstance(event, kind))
        for kind in (events.TrialStarted, events.TrialEnded, events.SearchEnded)
    )
    step = result.training_seconds
    return dict(zip(PARTS, (begun, step, ended - begun - step, over - ended), strict=True))


def measure(images: int, classes: int, rounds: int) -> dict[str, float]:
    """Search in processes of their own; the median of each part."""
    command = [sys.executable, __file__, "--search", str(images), str(classes)]
    found = []
    for _ in range(rounds):
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found.append(json.loads(ran.stdout.splitlines()[-1]))
    return {part: float(np.median([one[part] for one in found])) for part in PARTS}


def show(of: str, numbers: Sequence[int], rounds: int) -> list[dict[str, float]]:
    """Measure and print one table."""
    print(f"| {of} | " + " | ".join(PARTS) + " |\n|---|" + "---|" * len(PARTS), flush=True)
    rows = []
    for number in numbers:
        images, classes = (number, 10) if of == "images" else (IMAGES_BY_CLASS, number)
        rows.append(measure(images, classes, rounds))
        print(f"| {number:,} | " + " | ".join(f"{rows[-1][part]:.2f} s" for part in PARTS) + " |", flush=True)
    slopes = [np.polyfit(np.log(numbers), np.log([row[part] for row in rows]), 1)[0] for part in PARTS]
    print("| fitted exponent | " + " | ".join(f"{slope:.2f}" for slope in slopes) + " |\n", flush=True)
    return rows


def plot(tables: dict[str, tuple[Sequence[int], list[dict[str, float]]]], path: Path) -> None:
    """Draw the tables, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, (of, (numbers, rows)) in zip(figure.subplots(1, len(tables), sharey=True), tables.items(), strict=True):
        for part in PARTS:
            axes.loglog(numbers, [row[part] for row in rows], marker="o", label=part)
        axes.set(xlabel=of)
        axes.minorticks_off()
        axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
        axes.grid(visible=True, which="both", alpha=0.2)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set(ylabel="seconds")
    figure.axes[-1].legend(frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="draw a PNG; needs matplotlib")
    parser.add_argument("--search", type=int, nargs=2, metavar=("IMAGES", "CLASSES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search:
        print(json.dumps(search(*arguments.search)))
        return
    numbers = {"images": [round(share * 60_000) for share in SHARES], "classes": list(CLASSES)}
    tables = {of: (values, show(of, values, arguments.rounds)) for of, values in numbers.items()}
    if arguments.plot:
        plot(tables, arguments.plot)


if __name__ == "__main__":
    main()
