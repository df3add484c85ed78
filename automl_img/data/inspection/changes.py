"""Judges by thumbnails which changes of an image leave it in its class: mirrored shoes are shoes, mirrored digits are not.

A change is asked of images whose nearest neighbour among the thumbnails of other images has their label. What is kept is the share of them
of which that still holds when they are changed: the affinity of Gontijo-Lopes et al., "Tradeoffs in Data Augmentation" (2020), with a
nearest neighbour in the place of a network. It costs no training, and is a hint only: the search measures again with its own network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automl_img.data.inspection.measures import THUMB, Pixels, thumbnails

MOST = 6_000  # thumbnails that are compared
OF_A_CLASS = 500
ANSWERING = 0.7  # of them; the others are asked for
LEAST = 30  # recognised images that a judgement needs
LEAST_OF_A_CLASS = 5
TELLING = 0.2  # how far above chance, of the way to 1, neighbours must know the classes for a judgement
SAFE, UNSAFE = 0.6, 0.45  # what a safe change keeps at least, and an unsafe one at most; in between is open
EXCHANGED = 0.6  # of two classes, that take each other's place
TOO_FEW = "there are too few images to compare"

Effect = Literal["safe", "unsafe", "open"]
Rows = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

#: Name → what it does to images, and the same for thumbnails of shape (n, side, side). The first two are augmentations of these names.
CHANGES: dict[str, tuple[str, Callable[[Pixels], Pixels]]] = {
    "horizontal_flip": ("mirrored left to right", lambda images: images[:, :, ::-1]),
    "vertical_flip": ("turned upside down", lambda images: images[:, ::-1]),
    "quarter_turn": ("turned by a quarter", lambda images: np.rot90(images, axes=(1, 2))),
}


@dataclass(frozen=True)
class ChangeAdvice:
    """Whether images may be changed so and keep their label.

    Attributes:
        name: Its name in :data:`CHANGES`, the augmentation's if there is one that does it.
        change: What is done to the images.
        effect: "safe", "unsafe", or "open" where thumbnails do not say.
        kept: Share of the recognised images that are recognised when changed, chance taken out: 1 all, 0 as many as by chance.
        reason: It in words.
    """

    name: str
    change: str
    effect: Effect
    kept: float
    reason: str


@dataclass(frozen=True)
class _Answers:
    """What neighbours say of the images asked for: labels as 0 and 1, shape (asked, classes)."""

    true: Labels
    unchanged: Labels
    chance: float

    @property
    def recognised(self) -> Rows:
        """How far each image is recognised as it is, 0 to 1."""
        return agreement(self.true, self.unchanged)

    def kept(self, changed: Labels) -> float:
        """Return which share of the recognition a change keeps, chance taken out."""
        weight = self.recognised
        share = float((agreement(self.true, changed) * weight).sum() / max(1e-9, float(weight.sum())))
        return (share - self.chance) / max(1e-9, 1 - self.chance)


def judge_changes(
    thumbs: Pixels, labels: npt.NDArray[Any], names: Sequence[str], *, seed: int = 0
) -> tuple[ChangeAdvice, ...]:
    """Say of each of :data:`CHANGES` whether it looks safe.

    Args:
        thumbs: Grey thumbnails of training images that differ from each other, uint8, shape (n, height, width).
        labels: int64, shape (n,), or uint8, shape (n, classes).
        names: The classes.
        seed: Decides which thumbnails are compared.
    """
    answering, asked = _sampled(labels, len(names), seed)
    if len(answering) < 2 or not len(asked):
        return _all_open(TOO_FEW)
    if thumbs.shape[1] != thumbs.shape[2]:
        thumbs = thumbnails(thumbs, (THUMB, THUMB))
    known, asked_for = _rows(thumbs[answering]), thumbs[asked]
    answer, true = _encoded(labels[answering], len(names)), _encoded(labels[asked], len(names))

    def neighbours(images: Pixels) -> Labels:
        nearest: Labels = answer[(_rows(images) @ known.T).argmax(axis=1)]
        return nearest

    drawn = np.random.default_rng(seed).choice(answering, len(asked))
    chance = float(agreement(true, _encoded(labels[drawn], len(names))).mean())
    answers = _Answers(true, neighbours(asked_for), chance)
    above_chance = (float(answers.recognised.mean()) - chance) / max(1e-9, 1 - chance)
    if above_chance < TELLING:
        return _all_open(f"the nearest thumbnail tells the class of {answers.recognised.mean():.0%} of the images only")
    if answers.recognised.sum() < LEAST:
        return _all_open(TOO_FEW)
    several = labels.ndim == 2
    return tuple(
        _judged(name, what, answers, neighbours(change(asked_for)), () if several else names)
        for name, (what, change) in CHANGES.items()
    )


def agreement(true: Labels, found: Labels) -> Rows:
    """Return the labels in common as a share of those that either image has, shape (n,): with one label each it is 1 or 0."""
    either, common = (true | found).sum(axis=1), (true & found).sum(axis=1)
    shares: Rows = np.where(either > 0, common / np.maximum(either, 1), 1.0).astype(np.float32)
    return shares


def _judged(name: str, what: str, answers: _Answers, changed: Labels, names: Sequence[str]) -> ChangeAdvice:
    kept = max(0.0, answers.kept(changed))
    exchanged, taken = _confusions(answers, changed, names)
    effect: Effect = "unsafe" if kept <= UNSAFE or exchanged else "safe" if kept >= SAFE else "open"
    reason = f"{kept:.0%} of the images that look like their class still do"
    if exchanged:
        reason += f"; {exchanged[0]!r} and {exchanged[1]!r} take each other's place"
    elif taken and effect != "safe":
        reason += f"; {taken[0]!r} then looks like {taken[1]!r}"
    return ChangeAdvice(name, what, effect, round(kept, 3), reason)


def _confusions(
    answers: _Answers, changed: Labels, names: Sequence[str]
) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """Return two classes that a change exchanges, and the class that it most often makes another of, with the other."""
    recognised = answers.recognised > 0
    if not names or not recognised.any():
        return None, None
    true, found = answers.true[recognised].argmax(axis=1), changed[recognised].argmax(axis=1)
    totals = np.bincount(true)
    # Of all pairs of classes, which may be millions, those that occur: no more than images.
    pairs, counts = np.unique(true * len(names) + found, return_counts=True)
    one, other = np.divmod(pairs, len(names))
    rates = np.where((one != other) & (totals[one] >= LEAST_OF_A_CLASS), counts / totals[one], 0.0)
    if not rates.any():
        return None, None
    reverse = other * len(names) + one
    place = np.minimum(np.searchsorted(pairs, reverse), len(pairs) - 1)
    both = np.where(pairs[place] == reverse, np.minimum(rates, rates[place]), 0.0)
    most, mostly = int(both.argmax()), int(rates.argmax())
    exchanged = (names[one[most]], names[other[most]]) if both[most] >= EXCHANGED else None
    return exchanged, (names[one[mostly]], names[other[mostly]])


def _encoded(labels: npt.NDArray[Any], classes: int) -> Labels:
    """Return labels as 0 and 1, shape (n, classes)."""
    if labels.ndim == 2:
        return labels
    rows = np.zeros((len(labels), classes), np.uint8)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def _sampled(labels: npt.NDArray[Any], classes: int, seed: int) -> tuple[Places, Places]:
    """Return places of images that answer and of images that are asked for; a like number of each class where there are enough."""
    random = np.random.default_rng(seed)
    each = min(OF_A_CLASS, max(4, MOST // classes))
    roles: dict[int, bool] = {}
    for label in random.permutation(classes)[: MOST // each]:
        inside = np.flatnonzero(labels[:, label] if labels.ndim == 2 else labels == label)
        drawn = random.permutation(inside)[:each]
        first_asked = max(1, round(ANSWERING * len(drawn)))
        for rank, place in enumerate(drawn.tolist()):
            roles.setdefault(place, rank < first_asked)
    places = np.array(sorted(roles), np.int64)
    answering = np.array([roles[place] for place in places.tolist()], bool)
    return places[answering], places[~answering]


def _rows(images: Pixels) -> Rows:
    """Take the mean out of each image and scale it to length 1; shape (n, pixels)."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    unit: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1.0)
    return unit


def _all_open(reason: str) -> tuple[ChangeAdvice, ...]:
    return tuple(ChangeAdvice(name, what, "open", 0.0, reason) for name, (what, _) in CHANGES.items())
