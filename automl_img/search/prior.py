"""What earlier searches say of architectures before any is tried on these images, and how that is weighed against what was measured.

Everything is in errors: the logarithm of an architecture's error over that of the best one on the same images after the same time. It is 0
for the best and 0.7 for one that errs twice as often.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from automl_img.search.experience import Circumstances, Experience
from automl_img.search.trials import LOOK, Record, worth

LUCK = 0.01  # is added to every error: of few images one more or less is luck
WORST = 2.0  # the most that one search may say against an architecture: it may have been unlucky
DOUBTFUL_STEPS = 150  # of training: a measurement after so many counts as much as what was expected before it
KERNEL = 10.0  # doublings over which experience loses its weight: with few data sets a wide mean foretells best
OTHER_KIND = 2.0  # distance of grey from colour, of tasks, of pretrained from fresh networks, of GPUs from processors


def expected_errors(
    experiences: Iterable[Experience], here: Circumstances, architectures: Sequence[str]
) -> dict[str, float]:
    """Return for each architecture the error that is to be expected of it, relative to the best of them.

    Searches on data like these count more. An architecture that no search has tried is expected to be a middling one.

    Args:
        experiences: Earlier searches on other images.
        here: The circumstances of this search.
        architectures: Names of those that take part.

    Returns:
        Logarithms of ratios, 0 for the best; all 0 where nothing is known.
    """
    sums = {name: [0.0, 0.0] for name in architectures}
    for one in experiences:
        weight = math.exp(-0.5 * (distance(one.circumstances, here) / KERNEL) ** 2)
        for name, error in relative_errors(one).items():
            if name in sums:
                sums[name][0] += weight * error
                sums[name][1] += weight
    known = {name: total / weight for name, (total, weight) in sums.items() if weight > 0}
    if not known:
        return dict.fromkeys(architectures, 0.0)
    middling, least = statistics.median(known.values()), min(known.values())
    return {name: known.get(name, middling) - least for name in architectures}


def relative_errors(experience: Experience) -> dict[str, float]:
    """Return the errors of the architectures that one search has looked at, relative to the best of them."""
    best: dict[str, float] = {}
    for trial in experience.trials:
        if trial.stage == LOOK:
            best[trial.architecture] = max(best.get(trial.architecture, 0.0), trial.f1)
    return relative(best)


def relative(f1: Mapping[str, float]) -> dict[str, float]:
    """Return the logarithm of each error over the least one, luck included; ``f1`` by name."""
    if not f1:
        return {}
    errors = {name: 1.0 - value + LUCK for name, value in f1.items()}
    least = min(errors.values())
    return {name: min(WORST, math.log(error / least)) for name, error in errors.items()}


def distance(one: Circumstances, other: Circumstances) -> float:
    """How unlike two searches are, in doublings."""
    these, those = one.traits, other.traits
    doublings = [
        math.log2(these.examples / those.examples),
        math.log2(these.classes / those.classes),
        math.log2(these.height * these.width / (those.height * those.width)),
    ]
    kinds = [these.channels != those.channels, these.task != those.task]
    kinds += [one.pretrained != other.pretrained, one.gpu != other.gpu]
    return math.sqrt(sum(doubling**2 for doubling in doublings) + OTHER_KIND**2 * sum(kinds))


def weighed(measured: float, steps: float, expected: float) -> float:
    """Return an error relative to the best after ``steps`` of training: the measured one, as far as it can be trusted yet.

    A training of 39 steps ranks networks hardly better than chance, one of some hundreds nearly as a long one does.
    """
    trust = steps / (steps + DOUBTFUL_STEPS)
    return trust * measured + (1 - trust) * expected


def by_promise(
    records: Sequence[Record], expected: Mapping[str, float], error: Callable[[Record], float]
) -> list[Record]:
    """Return trials that ended well, the most promising first; among equals the better measured.

    Args:
        records: The trials.
        expected: What :func:`expected_errors` says of each architecture; of others it is nothing bad.
        error: Foreseen of a full training.
    """
    errors = relative({str(record.spec.trial): 1 - error(record) for record in records})

    def promise(record: Record) -> tuple[float, tuple[float, float, int]]:
        assert record.result is not None
        before = expected.get(record.spec.architecture, 0.0)
        return weighed(errors[str(record.spec.trial)], record.result.steps, before), worth(record)

    return sorted(records, key=promise)
