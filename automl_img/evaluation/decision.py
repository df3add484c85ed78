"""From probabilities to answers: costs, wishes for a class, "don't know", images unlike any seen, and parents of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.recipe import Wish
from automl_img.tasks import Hierarchical, Task
from automl_img.tasks.scores import TINY

Labels = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Cost = tuple[int, int, float]  # of a mistake: true class, answered class, what it costs

DONT_KNOW = "don't know"
UNKNOWN = "unknown"
PASSES = 3
NO_CLASS = -1  # in the place of the class: the answer is a parent or none


@dataclass(frozen=True)
class Wishes:
    """What the recipe's ``[decision]`` asks for.

    Attributes:
        costs: What it costs to call an image of the first class one of the second, by both names; 1 unless given, 0 if right.
        wishes: Figures that classes are to reach.
        accuracy: Share of the given answers that is to be right; where that takes it, the answer is "don't know".
        unknown: Share of the validation images that may be called unknown, so that images unlike any seen are.
        parents: Probability that an answer is to have; a parent of the class is answered where the class has less.
    """

    costs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    wishes: tuple[Wish, ...] = ()
    accuracy: float | None = None
    unknown: float | None = None
    parents: float | None = None


@dataclass(frozen=True)
class Decision:
    """How answers follow from probabilities, beyond the most probable class; fitted on validation images.

    Attributes:
        costs: Of the mistakes that were given one, in which true and answered class differ; others cost 1.
        factors: By which each class's probability is divided before they are compared, in place of thresholds; empty: 1.
        least_confidence: Probability of the class or the parent answered, below which the answer is "don't know".
        least_energy: Below which an image is unknown; None: none is.
        least_share: Probability below which a parent is answered; None: classes only.
    """

    costs: tuple[Cost, ...] = ()
    factors: tuple[float, ...] = ()
    least_confidence: float = 0.0
    least_energy: float | None = None
    least_share: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it changes no answer."""
        return self == Decision()

    def labels(self, task: Task, probabilities: Floats, thresholds: tuple[float, ...] = ()) -> Labels:
        """Return the class of each image, in the form of the labels, before anything is refused."""
        if self.costs:
            from scipy.sparse import csr_array

            # The answer with the least expected cost (C. Elkan, "The Foundations of Cost-Sensitive Learning", IJCAI 2001). If all mistakes
            # cost 1, that is 1 less the answer's probability; what some cost above that is added.
            true, answered, above = self._above_one
            more = csr_array((above, (true, answered)), shape=(task.classes, task.classes))
            cheapest: Labels = (probabilities - probabilities @ more).argmax(axis=1)
            return cheapest
        if self.factors:
            weighed: Labels = (probabilities / np.asarray(self.factors, np.float32)).argmax(axis=1)
            return weighed
        return task.decide(probabilities, thresholds)

    def answers(
        self, task: Task, probabilities: Floats, energy: Floats | None = None, thresholds: tuple[float, ...] = ()
    ) -> npt.NDArray[Any]:
        """Return what is answered to each image, shape (n,): the name of a class or of a parent, "don't know" or "unknown".

        Args:
            task: What the labels mean.
            probabilities: Shape (n, classes).
            energy: Shape (n,), as :meth:`Task.energy` gives it; None: no image is unknown.
            thresholds: For the multilabel and the binary task, of each class.
        """
        labels = self.labels(task, probabilities, thresholds)
        named = task.names(labels)
        if self.is_plain:
            return named
        answers = named.astype(object)
        if labels.ndim == 1:  # several labels are no one answer to be sure of
            answers, sure = _answered(task, probabilities, labels, self.least_share)
            answers[sure < self.least_confidence] = DONT_KNOW
        if energy is not None:
            answers[self.is_unknown(energy)] = UNKNOWN
        return answers

    def is_unknown(self, energy: Floats) -> npt.NDArray[np.bool_]:
        """Return which images look like nothing in training, shape (n,), by their energies."""
        return np.zeros(len(energy), bool) if self.least_energy is None else energy < self.least_energy

    def costs_of(self, labels: Labels, decided: Labels) -> npt.NDArray[np.float64]:
        """Return what the answer to each image costs, shape (n,), by its true class and the one decided on."""
        given = {(true, answered): cost for true, answered, cost in self.costs}
        pairs = zip(labels.tolist(), decided.tolist(), strict=True)
        return np.array([given.get((true, answered), float(true != answered)) for true, answered in pairs])

    @cached_property
    def _above_one(self) -> tuple[Labels, Labels, Floats]:
        """Of each mistake that was given a cost the true class, the answered one, and how much it costs above 1."""
        true, answered, costs = (np.array(column) for column in zip(*self.costs, strict=True))
        return true, answered, (costs - 1).astype(np.float32)


@dataclass(frozen=True)
class Kept:
    """What became of one wish.

    Attributes:
        wish: In words.
        kept: Whether the validation images fulfil it.
        reached: The figure that they reach; None: none of them is of the class, and the wish changes nothing.
    """

    wish: str
    kept: bool
    reached: float | None


def mean_energy(task: Task, logits: Sequence[Floats], shares: Sequence[float]) -> Floats:
    """Return the mean energy of several networks' logits, each by its share; shape (n,)."""
    return sum(share * task.energy(one) for share, one in zip(shares, logits, strict=True))  # type: ignore[return-value]


def confidence(probabilities: Floats, labels: Labels) -> Floats:
    """Return the probability of each image's answer; shape (n,)."""
    found: Floats = probabilities[np.arange(len(labels)), labels]
    return found


def fit_decision(
    task: Task,
    labels: Labels,
    probabilities: Floats,
    energy: Floats,
    wishes: Wishes,
    thresholds: tuple[float, ...] = (),
) -> tuple[Decision, tuple[float, ...], list[Kept]]:
    """Fit a decision to what a person wishes.

    Args:
        task: What the labels mean.
        labels: True labels of the validation images.
        probabilities: Of each class, calibrated, shape (n, classes).
        energy: Shape (n,).
        wishes: What is wished.
        thresholds: For the multilabel and the binary task, of each class.

    Returns:
        The decision, the thresholds (changed where a wish is for a class of the multilabel task), and what became of each wish.
        One that cannot be kept is kept as well as it can be.
    """
    costs, limits = _given_costs(task, wishes.costs), np.array(thresholds)
    # Two classes are weighed by their thresholds, for p1 / t >= p0 / (1 - t) is p1 >= t: the answers that a wish is to change.
    start = np.maximum(limits, TINY) if task.kind == "binary" and thresholds else np.ones(task.classes)
    factors = start.copy()
    for _ in range(PASSES if len(wishes.wishes) > 1 else 1):  # what one class gets, another loses
        for wish in wishes.wishes:
            place = task.class_names.index(wish.name)
            moved = limits if task.kind == "multilabel" else factors
            ratio, true = _against(task, labels, probabilities, factors, place)
            moved[place] = _cut(ratio, true, wish, float(moved[place]))
    changed = tuple(map(float, factors)) if (factors != start).any() else ()
    thresholds = tuple(map(float, limits))
    decision = Decision(costs=costs, factors=changed, least_share=wishes.parents)
    decided = decision.labels(task, probabilities, thresholds)
    kept = []
    for wish in wishes.wishes:
        place = task.class_names.index(wish.name)
        true, found = (one[:, place] > 0 if one.ndim == 2 else one == place for one in (labels, decided))
        counts = int(true.sum()), int(found.sum()), int((true & found).sum())
        reached = _figure(wish.figure, *counts) if true.any() else None
        kept.append(Kept(str(wish), reached is not None and reached >= wish.at_least, reached))
    if wishes.accuracy is not None:
        answers, sure = _answered(task, probabilities, decided, wishes.parents)
        told = answers != DONT_KNOW
        right = _is_right(task, labels, decided, answers)
        limit = _least_confidence(sure[told], right[told], wishes.accuracy) if told.any() else 0.0
        given = told & (sure >= limit)
        reached = float(right[given].mean()) if given.any() else 0.0
        said = f"accuracy >= {wishes.accuracy:g} of the answers given"
        kept.append(Kept(said, reached >= wishes.accuracy, reached))
        decision = replace(decision, least_confidence=limit)
    if wishes.unknown is not None:
        decision = replace(decision, least_energy=float(np.quantile(energy, wishes.unknown)))
    return decision, thresholds, kept


def _against(
    task: Task, labels: Labels, probabilities: Floats, factors: npt.NDArray[np.float64], place: int
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """How probable a class is, for several labels by itself, else against the best of the others; and which images are of it."""
    if task.kind == "multilabel":
        return probabilities[:, place], labels[:, place] > 0
    weighed = probabilities / factors
    weighed[:, place] = 0
    ratio: Floats = probabilities[:, place] / np.maximum(weighed.max(axis=1), TINY)
    return ratio, labels == place


def decision_figures(
    task: Task,
    labels: Labels,
    probabilities: Floats,
    energy: Floats,
    decision: Decision,
    thresholds: tuple[float, ...] = (),
) -> dict[str, Any]:
    """Return what a decision comes to on one split, as JSON can hold it.

    Returns:
        ``answered`` (share of images that get a class or a parent, or their several labels), ``dont_know``, ``unknown``, ``parents``
        (shares), ``accuracy`` of the answers given (a parent is right if the true class lies below it, several labels if all are),
        ``cost`` (mean over all images that get a class, where there are costs), and ``per_class`` (precision and recall of each
        answered class; recall is None where no image is of the class).
    """
    decided = decision.labels(task, probabilities, thresholds)
    unknown = decision.is_unknown(energy)
    silent = inner = np.zeros(len(labels), bool)
    if labels.ndim == 2:  # whoever is not unknown gets all labels that reach their thresholds
        true, found = labels > 0, decided > 0
        right = (true == found).all(axis=1)
    else:
        names, places = np.asarray(task.class_names), {name: place for place, name in enumerate(task.class_names)}
        answers = decision.answers(task, probabilities, energy, thresholds).astype(str)
        true, found = labels, np.array([places.get(answer, NO_CLASS) for answer in answers.tolist()], np.int64)
        right = _is_right(task, labels, decided, answers)
        inner = answers != names[decided]
        # A class may have such a name where the decision refuses none.
        silent = (answers == DONT_KNOW) & (decision.least_confidence > 0 or decision.least_share is not None)
    given = ~(unknown | silent)
    per_class = {
        name: {figure: _figure(figure, *counts) for figure in ("precision", "recall")}
        for name, counts in zip(task.class_names, _counted(true, found, given, task.classes), strict=True)
    }
    figures: dict[str, Any] = {
        "answered": float(given.mean()),
        "dont_know": float(silent.mean()),
        "unknown": float(unknown.mean()),
        "parents": float((given & inner).mean()),
        "accuracy": float(right[given].mean()) if given.any() else None,
        "per_class": per_class,
    }
    if decision.costs:
        figures["cost"] = float(decision.costs_of(labels[given], decided[given]).mean()) if given.any() else None
    return figures


def _counted(true: Labels, found: Labels, given: npt.NDArray[np.bool_], classes: int) -> list[tuple[int, int, int]]:
    """Of each class, how many images are of it, how many of the answers given call one so, and how many of these are right.

    Args:
        true, found: Of each image its class and what it is called, or for several labels whether it is of each class and called so.
        given: Whether the image gets its answer.
        classes: How many there are.
    """
    if true.ndim == 2:
        columns = [one.sum(axis=0) for one in (true, found[given], (true & found)[given])]
    else:
        told = (true, found[given & (found != NO_CLASS)], true[given & (found == true)])
        columns = [np.bincount(one, minlength=classes) for one in told]
    return list(zip(*(column.tolist() for column in columns), strict=True))


def coverage_curve(labels: Labels, decided: Labels, probabilities: Floats, points: int = 101) -> dict[str, list[float]]:
    """Return how accurate the surest answers are: ``coverage`` (share of images, 0 to 1) and ``accuracy`` of so many.

    Args:
        labels, decided: True and predicted labels, shape (n,).
        probabilities: Shape (n, classes).
        points: The most points of the curve.

    Source:
        Y. Geifman, R. El-Yaniv: Selective Classification for Deep Neural Networks, NeurIPS 2017.
    """
    order = np.argsort(-confidence(probabilities, decided), kind="stable")
    right = (decided == labels)[order].cumsum()
    counts = np.unique(np.linspace(1, len(labels), min(points, len(labels))).round().astype(int))
    return {
        "coverage": (counts / len(labels)).tolist(),
        "accuracy": (right[counts - 1] / counts).tolist(),
    }


def _given_costs(task: Task, costs: Mapping[str, Mapping[str, float]]) -> tuple[Cost, ...]:
    places = {name: place for place, name in enumerate(task.class_names)}
    pairs = (
        (true, answered, cost) for true, row in costs.items() for answered, cost in row.items() if true != answered
    )
    return tuple(sorted((places[true], places[answered], float(cost)) for true, answered, cost in pairs))


def _figure(figure: str, true: int, found: int, right: int) -> float | None:
    """Precision or recall by numbers of images; precision of nothing is 1, for nothing said is wrong, and recall of nothing is None."""
    if figure == "precision":
        return right / found if found else 1.0
    return right / true if true else None


def _cut(ratio: Floats, true: npt.NDArray[np.bool_], wish: Wish, now: float) -> float:
    """Return the value nearest to ``now`` from which on a class is answered so that the wish is kept; else the best for it."""
    if not true.any():  # by which no cut is better than another
        return now
    order = np.argsort(-ratio, kind="stable")
    values = ratio[order].astype(np.float64)
    right = true[order].cumsum()
    # Every cut between two neighbours, and in front of all: from there on nothing is answered.
    below = np.append(values[1:], values[-1] / 2)
    cuts = np.concatenate([[values[0] * 2], np.sqrt(np.maximum(values, TINY) * np.maximum(below, TINY)), [now]])
    found = np.concatenate([[0], np.arange(1, len(values) + 1), [int((values >= now).sum())]])
    hits = np.concatenate([[0], right, [int(true[ratio >= now].sum())]])
    if wish.figure == "precision":
        reached = np.where(found > 0, hits / np.maximum(found, 1), 0.0)
    else:
        reached = hits / int(true.sum())
    splits = np.concatenate([[True], values[:-1] > values[1:], [True, True]])
    reached = np.where(splits, reached, -1.0)
    keeping = reached >= wish.at_least
    if keeping.any():
        distance = np.abs(np.log(np.maximum(cuts, TINY)) - math.log(max(now, TINY)))
        return float(cuts[np.where(keeping, distance, np.inf).argmin()])
    return float(cuts[reached.argmax()])


def _least_confidence(sure: Floats, right: npt.NDArray[np.bool_], accuracy: float) -> float:
    """Return the confidence from which on so many of the answers are right, as many answered as can be."""
    order = np.argsort(-sure, kind="stable")
    values = sure[order]
    reached = right[order].cumsum() / np.arange(1, len(sure) + 1)
    last = np.append(values[:-1] > values[1:], True)
    enough = np.flatnonzero((reached >= accuracy) & last)
    place = int(enough[-1]) if len(enough) else int(np.where(last, reached, -1).argmax())
    return 0.0 if place == len(sure) - 1 else float(values[place])


def _answered(
    task: Task, probabilities: Floats, labels: Labels, least_share: float | None
) -> tuple[npt.NDArray[Any], Floats]:
    """Each image's class, or with ``least_share`` perhaps a parent or "don't know", and how probable that answer is."""
    if least_share is not None and isinstance(task, Hierarchical):
        return _or_parents(task, probabilities, labels, least_share)
    return task.names(labels).astype(object), confidence(probabilities, labels)


def _or_parents(
    task: Hierarchical, probabilities: Floats, labels: Labels, least: float
) -> tuple[npt.NDArray[Any], Floats]:
    """Each image's class, or the deepest of its ancestors that is probable enough; "don't know", of 0, if not even the topmost is."""
    answers, sure = np.full(len(labels), DONT_KNOW, object), np.zeros(len(labels), np.float32)
    waiting = np.ones(len(labels), bool)
    for level in reversed(range(len(task.levels))):
        nodes = task.levels[level]
        places = task.at_level(level)
        order = np.argsort(places, kind="stable")  # the classes of each node side by side
        first = np.searchsorted(places[order], np.arange(len(nodes)))
        of_nodes = np.add.reduceat(probabilities[:, order], first, axis=1)
        mine = places[labels]
        shares = of_nodes[np.arange(len(labels)), mine]
        enough = waiting & (shares >= least)
        answers[enough] = np.asarray(nodes, object)[mine[enough]]
        sure[enough] = shares[enough]
        waiting &= ~enough
    return answers, sure


def _is_right(task: Task, labels: Labels, decided: Labels, answers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each answer is the true class, or a parent, in the place of the class decided on, that has the true one below it."""
    names = np.asarray(task.class_names)
    true = names[labels]
    below = np.strings.startswith(true, np.strings.add(answers.astype(str), "/"))
    right: npt.NDArray[np.bool_] = (answers == true) | (below & (answers != names[decided]))
    return right
