"""What to do with the data: which size, which task, which changes are safe, how long to search, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automl_img.data.analysis import propose_size
from automl_img.data.inspection.changes import ChangeAdvice, Effect
from automl_img.recipe import SearchSettings

EPOCHS = 15  # of the final training
IMAGES_PER_SECOND = 2_100  # of 28×28, trained by a small residual network on two cores
BUDGETS = {"2m": 120, "5m": 300, "10m": 600, "20m": 1200, "30m": 1800, "1h": 3600, "2h": 7200, "4h": 14400}
WEIGHTS_HELP = 1.5  # imbalance from which the search tries weights
TEST_SHARE = 0.1  # of the images, where the source brings no test

WHY_TASK = {
    "binary": "there are two classes",
    "multiclass": "each image has one of {} classes",
    "multilabel": "an image may have any number of {} labels",
    "hierarchical": "the names of the {} classes are paths in a tree",
}
EFFECTS: dict[Effect, str] = {"safe": "Safe", "unsafe": "Unsafe", "open": "Open"}


@dataclass(frozen=True)
class Point:
    """One piece of advice.

    Attributes:
        topic: What it is about, in a word or two.
        answer: What to do.
        reason: Why.
    """

    topic: str
    answer: str
    reason: str


@dataclass(frozen=True)
class Advice:
    """What to do, with the reasons.

    Attributes:
        task: What the labels mean.
        height, width, channels: What networks should get.
        budget: A sensible wall time, as a recipe takes it.
        test: Share of the images to keep for the test; 0 where the source brings test images.
        changes: Which changes of the images look safe.
        points: All of it in words.
    """

    task: str
    height: int
    width: int
    channels: int
    budget: str
    test: float
    changes: tuple[ChangeAdvice, ...]
    points: tuple[Point, ...]

    def point(self, topic: str) -> Point:
        """Return the piece of advice on ``topic``."""
        return next(point for point in self.points if point.topic == topic)

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return it as keys of a recipe."""
        data = {"image_size": [self.height, self.width], "channels": self.channels, "task": self.task}
        return {
            "data": {**data, **({"test": self.test} if self.test else {})},
            "budget": {"time": self.budget},
        }


def advise(
    *,
    task: str,
    classes: int,
    images: int,
    with_test: bool,
    median: tuple[int, int],
    channels: int,
    imbalance: float,
    changes: Sequence[ChangeAdvice],
) -> Advice:
    """Say what to do with a data set.

    Args:
        task: What its labels mean.
        classes: Number of classes.
        images: Number of training images.
        with_test: Whether it brings test images.
        median: (height, width) in pixels.
        channels: 1 if all images are grey, else 3.
        imbalance: Training images of the largest class for each one of the smallest.
        changes: What :func:`automl_img.data.inspection.changes.judge_changes` found.
    """
    height, width = propose_size(*median)
    budget, seconds = propose_budget(images, height * width)
    points = (
        Point("task", task, WHY_TASK.get(task, "").format(f"{classes:,}")),
        _size(median, (height, width), channels),
        *_changes(changes),
        _balance(imbalance),
        _test(with_test),
        _budget(budget, seconds),
    )
    test = 0.0 if with_test else TEST_SHARE
    return Advice(task, height, width, channels, budget, test, tuple(changes), points)


def propose_budget(images: int, pixels: int) -> tuple[str, float]:
    """Return a wall time for a search, as a recipe takes it, and the seconds that it was rounded from.

    A rule of thumb: the time of a training grows with the pixels, and the final one gets its share of the search, ``search.final_share``.

    Args:
        images: Number of training images.
        pixels: Of each.
    """
    seconds = images * EPOCHS * (pixels / 784) / IMAGES_PER_SECOND / SearchSettings().final_share
    nearest = min(BUDGETS, key=lambda name: abs(math.log(BUDGETS[name] / max(1.0, seconds))))
    return nearest, seconds


def _size(median: tuple[int, int], size: tuple[int, int], channels: int) -> Point:
    answer = f"{size[0]}×{size[1]}, {'grey' if channels == 1 else 'colour'}"
    if size == median:
        return Point("image size", answer, "the median of the images")
    return Point("image size", answer, f"the median is {median[0]}×{median[1]}, brought to a size that trains well")


def _changes(changes: Sequence[ChangeAdvice]) -> list[Point]:
    if all(change.effect == "open" for change in changes):
        reason = changes[0].reason if changes else "nothing was compared"
        return [Point("augmentation", "left to the search", f"thumbnails do not say: {reason}")]
    return [Point(change.change, EFFECTS[change.effect].lower(), change.reason) for change in changes]


def _balance(imbalance: float) -> Point:
    if imbalance > WEIGHTS_HELP:
        ratio = f"the largest class has {imbalance:.1f} times the images of the smallest"
        return Point("class weights", "try them", ratio)
    return Point("class weights", "none", "the classes are of like size")


def _test(with_test: bool) -> Point:
    if with_test:
        return Point("test", "as given", "the source has test images")
    return Point("test", f"keep {TEST_SHARE:.0%}", "none were set apart, and validation picks the model")


def _budget(budget: str, seconds: float) -> Point:
    epochs = EPOCHS * BUDGETS[budget] / max(1.0, seconds)
    if epochs >= 2 * EPOCHS:
        return Point("budget", budget, "so few pixels need little; more time finds a little more")
    enough = f"enough for about {epochs:.0f} epochs of the final training on two cores"
    if epochs < EPOCHS / 1.5:
        return Point(
            "budget", budget, f"{enough if epochs >= 1 else 'not enough for one epoch on two cores'}: use a GPU"
        )
    return Point("budget", budget, enough)
