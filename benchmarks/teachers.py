"""What else the passes of one training can buy: an ensemble of its snapshots, or a network that learns from another's answers.

    python benchmarks/teachers.py --data fashion-small --architecture simple_cnn --passes 30 --seeds 0 1 2

Each line is a way to spend passes over the data, with one architecture and one augmentation, and tells what is predicted with at the end:

- "one": a training as a search does it; "3 times as long": the same with so many times the passes.
- "two": the mean answer of two trainings of all the passes each; "two halves": of half of the passes each.
- "snapshots": the learning rate goes through several cycles in one training; the mean answer of the networks at their ends (G. Huang et
  al., "Snapshot Ensembles", ICLR 2017). "last of": the last of them alone.
- "taught by half": half of the passes train a teacher, and half a new network that learns from its answers to the same augmented images
  as well as from the labels (L. Beyer et al., "Knowledge distillation: a good teacher is patient and consistent", CVPR 2022).
- "taught by two": a new network learns for all the passes from the mean answer of "two".

"cost" is in trainings of the first line; a teacher's answer costs a third of a training step. Two trainings run at once, with one thread
each.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import DATA_SETS
from training import loaded_network, logits_of, open_data, train, with_policy

ANSWER_COST = 1 / 3  # of a training step: the forward pass alone
ANOTHER = 1000  # between the seeds of networks of one ensemble
SNAPSHOT = "snapshot"


@dataclass(frozen=True)
class Task:
    """One training, whose weights go into a folder of its own.

    Attributes:
        values: Hyperparameters.
        passes: Over the data.
        cycles: Of the learning rate; the weights at the end of each are kept, too.
        teachers: Weights of networks of the same kind, from whose mean answer it learns.
        share: Of that answer in the targets; the rest are the labels.
    """

    data: str
    values: Mapping[str, Any]
    passes: float
    seed: int
    folder: Path
    cycles: int = 1
    teachers: tuple[Path, ...] = ()
    share: float = 0.0


def train_one(task: Task) -> float:
    """Train one network, in a process of its own; returns the seconds of its steps."""
    opened = open_data(task.data)
    from automl_img.training import trial

    if task.cycles > 1:
        _in_cycles(task)
    if task.teachers:
        trial.Augment = _taught(trial.Augment, opened, task)
    task.folder.mkdir(parents=True)
    _, result = train(opened, task.values, epochs=task.passes, threads=1, seed=task.seed, folder=task.folder)
    return float(result.training_seconds)


def _in_cycles(task: Task) -> None:
    """Let this process train in cycles of the learning rate, and keep the weights at the end of each."""
    import keras

    from automl_img.training import schedules, trial

    class Snapshots(keras.callbacks.Callback):
        taken = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if int(self.params["progress"]() * task.cycles) > self.taken:
                self.taken += 1
                self.model.network.save_weights(task.folder / f"{SNAPSHOT}-{self.taken}.weights.h5")

    schedules.SCHEDULES["one_cycle"] = lambda progress: schedules.one_cycle(progress * task.cycles % 1)
    trial._Training._regularizer_callbacks = lambda training: [Snapshots()]


def _taught(augment: Any, opened: Any, task: Task) -> Any:
    """Return a class like ``augment`` whose targets are in part what the teachers answer to the augmented images."""
    from keras import ops

    class Taught(augment):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self._teachers = [loaded_network(opened, task.values, path) for path in task.teachers]

        def __call__(self, images: Any, targets: Any) -> tuple[Any, Any]:
            images, targets = super().__call__(images, targets)
            answers = [ops.softmax(teacher(images, training=False)) for teacher in self._teachers]
            taught = sum(answers) / len(answers)
            return images, (1 - task.share) * ops.cast(targets, "float32") + task.share * ops.stop_gradient(taught)

    return Taught


def figures_of(given: tuple[str, Mapping[str, Any], tuple[Path, ...]]) -> list[float]:
    """Return macro-F1 and cross-entropy on the validation images, and both on the test images, of the mean answer of networks."""
    data, values, weights = given
    opened = open_data(data)
    store, splits = opened.data.store, opened.data.splits
    logits = zip(*(logits_of(opened, loaded_network(opened, values, path)) for path in weights), strict=True)
    figures: list[float] = []
    for found, part in zip(logits, (splits.validation, splits.test), strict=True):
        score = store.task.score(store.labels[part], store.task.mixed(list(found), [1 / len(weights)] * len(weights)))
        figures += [score.f1, score.loss]
    return figures


@dataclass(frozen=True)
class Line:
    """One way to spend passes, and the networks that it ends with."""

    name: str
    cost: float
    seed: int
    weights: tuple[Path, ...]


def planned(
    given: argparse.Namespace, values: Mapping[str, Any], seed: int, place: Path
) -> tuple[list[Task], list[Task], list[Line]]:
    """Return the trainings of one seed, those that learn from others apart, and what is made of them; weights go below ``place``."""
    from automl_img.training.artifacts import WEIGHTS_FILE

    first: list[Task] = []
    taught: list[Task] = []
    lines: list[Line] = []

    def trained(tasks: list[Task], kind: str, passes: float, shift: int = 0, **more: Any) -> Path:
        tasks.append(Task(given.data, values, passes, seed + shift * ANOTHER, place / kind, **more))
        return place / kind / WEIGHTS_FILE

    def line(name: str, cost: float, *weights: Path) -> None:
        lines.append(Line(name, cost, seed, weights))

    whole, half = given.passes, given.passes / 2
    pair = (trained(first, "one", whole), trained(first, "other", whole, 1))
    halves = (trained(first, "half", half), trained(first, "other half", half, 1))
    line("one", 1.0, pair[0])
    line("two", 2.0, *pair)
    line("two halves", 1.0, *halves)
    for times in given.longer:
        line(f"{times:g} times as long", times, trained(first, f"long-{times}", times * whole))
    for cycles in given.cycles:
        folder = trained(first, f"cycles-{cycles}", whole, cycles=cycles).parent
        taken = [folder / f"{SNAPSHOT}-{number}.weights.h5" for number in range(1, cycles + 1)]
        line(f"{cycles} snapshots", 1.0, *taken)
        line(f"last of {cycles} snapshots", 1.0, taken[-1])
    for share in given.shares:
        pupil = trained(taught, f"pupil-{share}", whole, 2, share=share, teachers=pair)
        second = trained(taught, f"second-{share}", half, 2, share=share, teachers=halves[:1])
        line(f"taught by two, {share:g}", 3.0 + 2 * ANSWER_COST, pupil)
        line(f"taught by half, {share:g}", 1.0 + ANSWER_COST / 2, second)
    return first, taught, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", choices=DATA_SETS, default="fashion-small")
    parser.add_argument("--architecture", default="simple_cnn")
    parser.add_argument("--member", type=int, default=2, help="place among the architecture's sizes, from 1 on")
    parser.add_argument("--augmentations", nargs="*", default=["horizontal_flip"])
    parser.add_argument("--passes", type=float, default=30.0)
    parser.add_argument("--longer", nargs="*", type=float, default=[3.0], help="times the passes")
    parser.add_argument("--cycles", nargs="*", type=int, default=[2, 3])
    parser.add_argument(
        "--shares", nargs="*", type=float, default=[0.5, 0.9], help="of the teacher's answer in the targets"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    given = parser.parse_args()
    values = with_policy(open_data(given.data).start(given.architecture, given.member - 1), given.augmentations)
    with (
        tempfile.TemporaryDirectory() as name,
        multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool,
    ):
        plans = [planned(given, values, seed, Path(name) / str(seed)) for seed in given.seeds]
        first, taught, lines = (list(itertools.chain(*parts)) for parts in zip(*plans, strict=True))
        for tasks in (first, taught):
            for done, seconds in zip(tasks, pool.imap(train_one, tasks, chunksize=1), strict=True):
                print(f"# {done.folder.parent.name} {done.folder.name}: {seconds:.0f} s", flush=True)
        print("| | cost | seed | validation F1 | cross-entropy | test F1 | cross-entropy |")
        print("|---|---|---|---|---|---|---|")
        lines.sort(key=lambda line: (line.name, line.seed))
        asked = [(given.data, values, line.weights) for line in lines]
        for line, figures in zip(lines, pool.imap(figures_of, asked, chunksize=1), strict=True):
            cells = (line.name, f"{line.cost:.2f}", str(line.seed), *(f"{figure:.4f}" for figure in figures))
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
