"""The trained networks side by side on the validation images, and what is made of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.splits import SplitIndices
from automl_img.data.store import PreparedStore
from automl_img.evaluation.model_file import Candidate
from automl_img.evaluation.selection import (
    Difference,
    Limit,
    calibrated,
    cheapest_of_tied,
    greedy_ensemble,
    paired_difference,
    paired_gain,
)
from automl_img.plugin import PluginRegistry
from automl_img.recipe import FinalSettings
from automl_img.tasks import Task
from automl_img.training.network import build_network
from automl_img.training.scoring import Scorer

Logits = npt.NDArray[np.float32]
AS_GOOD = Difference(0.0, 0.0, (0.0, 0.0))


@dataclass(frozen=True)
class Contestant:
    """A candidate with its answers to the validation images.

    Attributes:
        candidate: The trained network.
        network: keras.Model from float32 images, 0 to 255, to logits.
        scorer: Computes its logits.
        logits: On validation, shape (n, classes).
        calibrated: The same at the temperature that suits them best.
        f1: Of them.
        seconds: To predict one image.
        afterwards: Seconds to predict all images that the model is asked for after the contest.
        parameters: Weights.
        behind: By how much the best is above it.
    """

    candidate: Candidate
    network: Any
    scorer: Scorer
    logits: Logits
    calibrated: Logits
    f1: float
    seconds: float
    afterwards: float
    parameters: int
    behind: Difference = AS_GOOD

    def as_dict(self) -> dict[str, Any]:
        """What the run folder keeps."""
        return {
            "trial": self.candidate.trial,
            "f1": self.f1,
            "behind": self.behind.mean,
            "behind_error": self.behind.error,
            "behind_interval": list(self.behind.interval),
            "ms_per_image": round(1e3 * self.seconds, 3),
            "parameters": self.parameters,
        }


@dataclass(frozen=True)
class Outcome:
    """Who has won.

    Attributes:
        members: The networks that the model averages, the first with the largest share; often one.
        shares: Of each; their sum is 1.
        mirrored: Whether the model averages over an image and its mirror image.
        logits: Of the members together, on validation.
        contestants: All that were compared, the best first.
        sentences: What was decided and why.
    """

    members: tuple[Contestant, ...]
    shares: tuple[float, ...]
    mirrored: bool
    logits: Logits
    contestants: tuple[Contestant, ...]
    sentences: tuple[str, ...]

    @property
    def winner(self) -> Contestant:
        """The first member."""
        return self.members[0]


def hold_contest(
    candidates: Sequence[Candidate],
    store: PreparedStore,
    splits: SplitIndices,
    registry: PluginRegistry,
    settings: FinalSettings,
    *,
    seed: int,
    latency: float | None = None,
    seconds: float = math.inf,
    afterwards: int = 0,
    deterministic: bool = False,
) -> Outcome:
    """Compare trained networks on the validation images and choose one, or several together.

    Args:
        candidates: The networks, the most promising first; of the others those take part for which there is time.
        store, splits: The images.
        registry: The plugins.
        settings: The recipe's ``[final]``.
        seed: Of the bootstrap.
        latency: Seconds that one prediction may take; None: any.
        seconds: That all this may take, and the model's predictions afterwards.
        afterwards: How many images it will be asked for.
        deterministic: Whether of equals the one with the fewest operations wins, which are counted, not the fastest.
    """
    task, truth, begun = store.task, store.labels[splits.validation], time.monotonic()
    contestants: list[Contestant] = []
    decided: list[Any] = []
    mirrored, longest = False, 0.0
    for place, candidate in enumerate(candidates):
        now = time.monotonic()
        needed = longest * max(1.0, _speed(candidates[0]) / _speed(candidate))
        if place and now - begun + needed + contestants[0].afterwards > seconds:
            continue
        network = build_network(candidate.plan, registry).model
        network.load_weights(candidate.weights)
        scorer = Scorer(network)
        a_pass = scorer.time_pass(store.images, splits.validation)
        if place == 0:
            mirrored, logits = _mirrored(task, truth, scorer, store.images, splits.validation, latency)
        else:
            logits = scorer.logits(store.images, splits.validation, mirrored=mirrored)
        probabilities = task.probabilities(logits)
        decided.append(task.decide(probabilities, task.thresholds(truth, probabilities)))
        one = scorer.seconds_of_one(store.images, mirrored=mirrored)
        contestants.append(
            Contestant(
                candidate,
                network,
                scorer,
                logits,
                calibrated(truth, logits),
                task.f1(truth, decided[-1]),
                one,
                a_pass * (2 if mirrored else 1) * afterwards / len(truth),
                int(network.count_params()),
            )
        )
        longest = max(longest, time.monotonic() - now)
    left = seconds - (time.monotonic() - begun)
    # There is a model in any case: the first candidate may be too slow.
    allowed = [
        place == 0 or (one.afterwards <= left and (latency is None or one.seconds <= latency))
        for place, one in enumerate(contestants)
    ]
    contestants = _in_order(task, truth, contestants, decided, allowed, seed)
    winner, sentences = _single(contestants[: sum(allowed)], settings, deterministic=deterministic)
    limits = [Limit([one.afterwards for one in contestants], seconds - (time.monotonic() - begun))]
    if latency is not None:
        limits.append(Limit([one.seconds for one in contestants], latency))
    members, shares, logits, said = _together(task, truth, contestants, winner, settings, limits, seed)
    return Outcome(members, shares, mirrored, logits, tuple(contestants), (*sentences, *said))


def _speed(candidate: Candidate) -> float:
    """Images per second of its training, by which it is known before it is built how long its answers will take."""
    return max(1e-9, float(candidate.result["images_per_second"]))


def _in_order(
    task: Task,
    truth: npt.NDArray[Any],
    contestants: Sequence[Contestant],
    decided: Sequence[Any],
    allowed: Sequence[bool],
    seed: int,
) -> list[Contestant]:
    """The best first by what was measured here; each tells how far it is behind that one, not behind the first candidate.

    Those that are too slow for what is left of the time, or for the latency, come last.
    """
    order = sorted(range(len(contestants)), key=lambda place: (not allowed[place], -contestants[place].f1))
    first, *others = order
    behind = {place: paired_difference(task, truth, decided[first], decided[place], seed) for place in others}
    return [replace(contestants[place], behind=behind.get(place, AS_GOOD)) for place in order]


def _mirrored(
    task: Task,
    truth: npt.NDArray[Any],
    scorer: Scorer,
    images: Any,
    indices: npt.NDArray[np.int64],
    latency: float | None,
) -> tuple[bool, Logits]:
    """Whether the mean over an image and its mirror image is better, and fast enough; and the logits that follow."""
    plain = scorer.logits(images, indices)
    both = scorer.mirrored(images, indices, plain)
    better = task.score(truth, both).f1 > task.score(truth, plain).f1
    if better and (latency is None or scorer.seconds_of_one(images, mirrored=True) <= latency):
        return True, both
    return False, plain


def _single(
    contestants: list[Contestant], settings: FinalSettings, *, deterministic: bool = False
) -> tuple[int, list[str]]:
    if settings.prefer == "best" or len(contestants) == 1:
        return 0, []
    costs = [float(one.candidate.result["megaflops"]) if deterministic else one.seconds for one in contestants]
    place = cheapest_of_tied(
        [one.behind for one in contestants],
        [(cost, one.parameters) for cost, one in zip(costs, contestants, strict=True)],
    )
    if place == 0:
        return 0, []
    best, chosen = contestants[0], contestants[place]
    if deterministic:
        gained = f"takes {costs[place]:,.2f} instead of {costs[0]:,.2f} million operations an image"
    else:
        gained = f"predicts {best.seconds / chosen.seconds:.1f} times as fast"
    return place, [
        f"trial {chosen.candidate.trial} wins over trial {best.candidate.trial}: its validation F1 is lower by "
        f"{chosen.behind.mean:.4f}, no more than the error of that difference ({chosen.behind.error:.4f}), and it {gained}"
    ]


def _together(
    task: Any,
    truth: Any,
    contestants: list[Contestant],
    winner: int,
    settings: FinalSettings,
    limits: Sequence[Limit],
    seed: int,
) -> tuple[tuple[Contestant, ...], tuple[float, ...], Logits, list[str]]:
    """The winner alone, or an ensemble that gains more than the gain's own standard error: of validation F1, or of cross-entropy."""
    alone = contestants[winner]
    if settings.ensemble == 1 or len(contestants) == 1:
        return (alone,), (1.0,), alone.logits, []
    found = greedy_ensemble(
        task,
        truth,
        [one.calibrated for one in contestants],
        first=winner,
        most=settings.ensemble,
        limits=limits,
    )
    if len(found) == 1:
        return (alone,), (1.0,), alone.logits, []
    order = sorted(found, key=lambda place: (-found[place], place))
    members, shares = tuple(contestants[place] for place in order), tuple(found[place] for place in order)
    logits = task.mixed([one.logits for one in members], shares)
    answers = [task.probabilities(one) for one in (logits, alone.logits)]
    together, by_itself = (task.decide(one, task.thresholds(truth, one)) for one in answers)
    gain = paired_difference(task, truth, together, by_itself, seed)
    trials = ", ".join(str(one.candidate.trial) for one in members)
    gained = f"validation F1 {gain.mean:+.4f} (error {gain.error:.4f})"
    if gain.is_noise:
        # Only here: two temperatures are fitted for it, which takes a while with many images and classes.
        nats, nats_error = paired_gain(truth, logits, alone.logits)
        if gain.mean < -gain.error or nats <= nats_error:
            said = (
                f"the mean of the trials {trials} would gain {gain.mean:+.4f} of validation F1 and {nats:+.4f} nats of cross-entropy, "
                f"no more than the errors of these differences ({gain.error:.4f} and {nats_error:.4f}): trial "
                f"{alone.candidate.trial} stays alone"
            )
            return (alone,), (1.0,), alone.logits, [said]
        gained += f", cross-entropy {-nats:+.4f} nats (error {nats_error:.4f})"
    said = (
        f"the model is the mean of the trials {trials}: {gained} against trial {alone.candidate.trial} alone, for "
        f"{sum(one.seconds for one in members) / alone.seconds:.1f} times its time"
    )
    return members, shares, logits, [said]
