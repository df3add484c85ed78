"""What the engine says while it works: frozen dataclasses that the terminal, JSON lines and trackers listen to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """Base of all events.

    Attributes:
        elapsed: Seconds since the search began.
    """

    elapsed: float

    def as_dict(self) -> dict[str, Any]:
        """The event as plain data, with its name under ``"event"``."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class SearchStarted(Event):
    """A search begins.

    Attributes:
        time, trials: The budget's wall time in seconds and number of trials; None: no limit.
        budget: The whole budget in words.
    """

    name: str
    run_dir: str
    seed: int
    time: float | None
    trials: int | None
    budget: str


@dataclass(frozen=True)
class SearchResumed(Event):
    """A search goes on where another process ended.

    Attributes:
        ended: Trials that had ended.
        cut_off: Trials that were running; they are tried again, or count with the weights that they had saved.
        failed, skipped: Trials that had ended without a score.
        best_trial, architecture, f1: The best so far; None and an empty name: no trial has a score.
    """

    ended: int
    cut_off: int
    failed: int = 0
    skipped: int = 0
    best_trial: int | None = None
    architecture: str = ""
    f1: float | None = None


@dataclass(frozen=True)
class PluginLeftOut(Event):
    """A plugin was found and is not used."""

    name: str
    kind: str
    distribution: str
    reason: str


@dataclass(frozen=True)
class DataReady(Event):
    """The images are decoded, split and described."""

    dataset: str
    classes: int
    train: int
    validation: int
    test: int
    height: int
    width: int
    channels: int
    notes: tuple[str, ...] = ()
    task: str = "multiclass"


@dataclass(frozen=True)
class Progress(Event):
    """Something long before the first trial goes forward."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class ArchitectureEstimate:
    """What one architecture would cost: part of :class:`Preflight`."""

    architecture: str
    member: str
    parameters: int
    megaflops: float
    epoch_seconds: float
    verdict: str


@dataclass(frozen=True)
class Preflight(Event):
    """What the budget buys, before the first trial."""

    summary: str
    estimates: tuple[ArchitectureEstimate, ...]
    precision: str
    slots: int


@dataclass(frozen=True)
class StageStarted(Event):
    """The search goes over to another stage: "look", "search", "final", or "repeat"."""

    stage: str
    why: str
    seconds: float | None


@dataclass(frozen=True)
class Decided(Event):
    """The engine decided something a person may want to know, with the reason."""

    what: str


@dataclass(frozen=True)
class TrialStarted(Event):
    """A trial begins."""

    trial: int
    stage: str
    architecture: str
    why: str
    values: Mapping[str, Any]
    seconds: float | None


@dataclass(frozen=True)
class EpochEnded(Event):
    """A trial has measured itself on the validation split.

    Attributes:
        epoch: Passes over the training images so far.
        loss: Mean loss in training since the measurement before, of images as augmentations change them and with what regularizers add;
            NaN: not known.
        validation_loss: Mean cross-entropy on the validation split, in nats.
        f1: On the validation split.
        progress: Share of the training that is done, 0 to 1.
        images_per_second: Training speed since the measurement before.
    """

    trial: int
    epoch: float
    loss: float
    validation_loss: float
    f1: float
    progress: float
    images_per_second: float


@dataclass(frozen=True)
class TrialEnded(Event):
    """A trial has ended with a score.

    Attributes:
        f1, loss: On the validation split, at the measurement whose weights are kept; the loss is the mean cross-entropy, in nats.
        epochs: Passes over the training images in all.
        seconds: Wall time in all.
        best: Whether its F1 is higher than that of every trial before.
    """

    trial: int
    stage: str
    architecture: str
    f1: float
    loss: float
    epochs: float
    parameters: int
    seconds: float
    best: bool


@dataclass(frozen=True)
class TrialFailed(Event):
    """A trial has ended without a score."""

    trial: int
    stage: str
    architecture: str
    kind: str
    message: str


@dataclass(frozen=True)
class TrialSkipped(Event):
    """A trial, or a whole architecture, was not run, for a reason."""

    architecture: str
    reason: str
    trial: int | None = None


@dataclass(frozen=True)
class SearchEnded(Event):
    """A search has ended.

    Attributes:
        best_trial, architecture: Of the model, or of the first of those that it averages.
        members: The trials that the model averages, that with the largest share first; often one.
        validation_interval, test_interval: 95% bootstrap intervals of the F1.
    """

    run_dir: str
    best_trial: int
    architecture: str
    validation_f1: float
    test_f1: float | None
    test_accuracy: float | None
    trials: int
    failed: int
    interrupted: bool
    run_bytes: int
    leaderboard: tuple[Mapping[str, Any], ...] = field(default=())
    task: str = "multiclass"
    validation_interval: tuple[float, float] | None = None
    test_interval: tuple[float, float] | None = None
    members: tuple[int, ...] = ()


Listener = Callable[[Event], None]
