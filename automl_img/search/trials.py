"""Trials as the scheduler sees them: starting points, the rules all share, and how a TrialSpec is made of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl_img.search.stages import LOOK_OVERHEAD
from automl_img.training.spec import FailureKind, Fidelity, TrialResult, TrialSpec

LOOK, SEARCH, FINAL, REPEAT = "look", "search", "final", "repeat"  # stages of a search


@dataclass(frozen=True)
class Start:
    """A starting point: an architecture at the size that fits the budget.

    Attributes:
        architecture: Name of the plugin.
        values: Hyperparameter values by full name.
        seconds_per_image: Predicted time of a training step on one image.
        member: Its size in words: "3 of 5".
        expected: What earlier searches say of the architecture, see :mod:`automl_img.search.prior`; 0: that it is the best.
    """

    architecture: str
    values: Mapping[str, Any]
    seconds_per_image: float
    member: str = ""
    expected: float = 0.0


@dataclass(frozen=True)
class Rules:
    """What does not change during a search.

    Attributes:
        seed: Seed of everything random.
        epochs: Epochs of a full training.
        patience: Measurements without a better F1 after which a trial comes to an early end.
        examples: Training images.
        slots: Trials at once.
        threads: Of a trial beside others.
        finals: Final trainings that may run side by side, so that their mean may become the model.
        final_threads: Of each of them.
        end: Seconds since the search began at which all training must have ended; infinite without a time budget.
        final_share: Share of the time for the final training.
        precision: Keras dtype policy.
        deterministic: Use deterministic operations and epoch-bound schedules.
        weights: "none" or pretrained weights.
        probe: Augmentations that a long training should start with if they leave images recognisable.
        least_passes: Over the data, that a training must have to start with such an augmentation, by its name; of others 0.
        natural_affinity: That such an augmentation must have for its least passes not to count, by its name; of others they do.
        versions: Versions of the plugins by "kind/name".
        parameter_limit, seconds_limit, latency_limit: Of one trial.
        memory_limit: Bytes that one trial may take; None: no limit.
        memory_alone: The same for one that runs alone.
        options: Settings of the strategy.
        repeats: Times that the best configuration is trained again under other seeds: with a budget of trials the last so many.
        repeats_if_time: The same, where time is left after the final trainings.
        device_seconds: Device time that all trials together may take, or None.
        devices: Devices in all: GPUs, or processor cores.
        devices_each, devices_alone: Those of a trial beside others, and of one that runs alone.
        overhead: Seconds of a trial beside its training.
        evaluated: Images that are predicted after ``end``, for which time is kept.
        validated: Images by which trials are judged; 0: they are taken as without error.
        local: Whether trials run on the machine that predicts at the end.
    """

    seed: int
    epochs: int
    patience: int
    examples: int
    slots: int
    end: float
    final_share: float
    precision: str
    deterministic: bool = False
    weights: str = "none"
    probe: tuple[str, ...] = ()
    least_passes: Mapping[str, float] = field(default_factory=dict)
    natural_affinity: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    parameter_limit: int | None = None
    seconds_limit: float | None = None
    latency_limit: float | None = None
    memory_limit: int | None = None
    memory_alone: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 0
    repeats_if_time: int = 0
    device_seconds: float | None = None
    devices: float = 1.0
    devices_each: float = 1.0
    devices_alone: float = 1.0
    threads: int = 1
    finals: int = 1
    final_threads: int = 0
    overhead: float = LOOK_OVERHEAD
    evaluated: int = 0
    validated: int = 0
    local: bool = True


@dataclass(slots=True)
class Record:
    """A trial that was handed out.

    Attributes:
        spec: Of its last attempt.
        key: By which its strategy knows it.
        fraction: Of a full training.
        result: What came of it, if it ended well.
        failure: Why its last attempt that failed did so.
        lost: Attempts that ended with the process that drove the search; they do not count as failures.
        nodes_lost: Attempts that ended with the node on which they ran; they do not count either.
        curve: Its measurements so far, each with the progress of its training and its F1.
    """

    spec: TrialSpec
    key: str
    fraction: float
    result: TrialResult | None = None
    failure: FailureKind | None = None
    lost: int = 0
    nodes_lost: int = 0
    curve: list[tuple[float, float]] = field(default_factory=list)


def worth(record: Record) -> tuple[float, float, int]:
    """Sorts records from the best to the worst: by F1, then loss, then number of weights."""
    assert record.result is not None
    return (-record.result.f1, record.result.val_loss, record.result.parameters)


def make_spec(
    number: int,
    stage: str,
    why: str,
    values: Mapping[str, Any],
    rules: Rules,
    *,
    deadline: float | None,
    epochs: float,
    seconds: float | None,
    threads: int,
    probe: tuple[str, ...],
    required: tuple[float, float],
) -> TrialSpec:
    """Return the first attempt at trial ``number``.

    Args:
        number: Number of the trial.
        stage, why: What it is for.
        values: Hyperparameter values by full name.
        rules: What all trials share.
        deadline: Seconds that it may take, or None; the rules may allow less.
        epochs: Epochs at most.
        seconds: Seconds of training at most, or None.
        threads: Threads of one operation; 0: all cores.
        probe: Augmentations to measure.
        required: How many epochs must fit into how many seconds.
    """
    limits = [limit for limit in (deadline, rules.seconds_limit) if limit is not None]
    used = {f"architecture/{values['architecture']}"}
    used |= {name.replace(".", "/") for name, on in values.items() if on is True and name.count(".") == 1}
    return TrialSpec(
        trial=number,
        attempt=1,
        stage=stage,
        why=why,
        values=dict(values),
        plugins={name: version for name, version in rules.versions.items() if name in used},
        fidelity=Fidelity(max(1, int(epochs)), seconds),
        seed=rules.seed,
        deadline=min(limits) if limits else None,
        threads=threads,
        precision=rules.precision,
        deterministic=rules.deterministic,
        weights=rules.weights,
        patience=rules.patience,
        probe=probe,
        required_epochs=required[0],
        required_seconds=required[1],
        parameter_limit=rules.parameter_limit,
        memory_limit=rules.memory_alone if threads == 0 else rules.memory_limit,
        latency_limit=rules.latency_limit,
    )


def attempt_name(spec: TrialSpec) -> str:
    """Names an attempt, as its folder below ``trials`` does."""
    return f"{spec.trial}/{spec.attempt}"
