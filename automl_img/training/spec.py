"""A trial as data: what to train, and what came of it. Both are JSON, so that a trial can be repeated and a search resumed."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

STOPPED = "stopped"  # why a trial ended: in good order, for its strategy or its search asked for it
CUT_OFF = "cut off"  # with its process; what it had saved counts
INTERRUPTED = "interrupted"  # with the search, which was asked to end: it goes on when the search does


class FailureKind(enum.StrEnum):
    """Why an attempt ended without a result."""

    RAISED = "raised"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out of memory"
    TIMEOUT = "timeout"
    NODE_LOST = "node lost"
    NONFINITE = "not finite"
    NO_SPACE = "disk full"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How much of a full training a trial spends.

    Attributes:
        epochs: Epochs at most; the schedule ends there, or at the deadline if that comes first.
        seconds: Seconds of training after the first step is compiled, at most, beside those of a trial that this one
            continues; None: as long as the deadline allows.
    """

    epochs: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class TrialSpec:
    """All that a trial needs besides the data.

    Attributes:
        trial: Number of the trial in its search, from 1.
        attempt: Number of the attempt at this trial, from 1.
        stage: "look", "search", "final" or "repeat".
        why: Why the trial is run, for people.
        values: Hyperparameter values by full name; the active ones only.
        plugins: Versions of the plugins that take part, by "kind/name".
        fidelity: How much of a full training to spend.
        seed: Seed of everything random.
        deadline: Seconds after its start at which the trial must have ended, evaluation included; None: no limit.
        threads: Threads of one operation; 0: all cores.
        precision: Keras dtype policy.
        deterministic: Use TensorFlow's deterministic operations.
        weights: "none", the name of a weight set, or a file.
        patience: Measurements without a better F1 after which training comes to an early end, if it may.
        probe: Augmentations whose effect on validation images is measured at the end.
        required_epochs: If this many epochs do not fit into ``required_seconds``, the trial is skipped after one timed step.
        parameter_limit: The most weights that the network may have.
        memory_limit: Bytes of main memory that its process may allocate; None: no limit.
        latency_limit: Seconds that the prediction of one image may take.
        continues: The attempt whose checkpoint this one goes on from, such as "3/1", if it left one; empty: it begins anew. One of
            another trial stays named in all attempts; checkpoints of their own come first.
        repeats: The trial whose configuration this one trains again under another seed; 0: none.
        promotable: Whether its checkpoint is kept at the end, so that another trial may go on from it.
        ends_early: Whether ``patience`` may end it; if not, it only says how soon "reduce_on_plateau" lowers the learning rate.
    """

    trial: int
    attempt: int
    stage: str
    why: str
    values: Mapping[str, Any]
    plugins: Mapping[str, str]
    fidelity: Fidelity
    seed: int
    deadline: float | None
    threads: int
    precision: str
    deterministic: bool = False
    weights: str = "none"
    patience: int = 15
    probe: tuple[str, ...] = ()
    required_epochs: float = 0.0
    required_seconds: float = 0.0
    parameter_limit: int | None = None
    memory_limit: int | None = None
    latency_limit: float | None = None
    continues: str = ""
    repeats: int = 0
    promotable: bool = False
    ends_early: bool = True

    @property
    def architecture(self) -> str:
        """Name of the architecture plugin."""
        return str(self.values["architecture"])

    @property
    def earlier_attempts(self) -> tuple[str, ...]:
        """Attempts, such as "3/1", from whose checkpoints this one may go on: the first that left one counts.

        An attempt may end before it has a checkpoint of its own: those before it follow.
        """
        if not self.continues:
            return ()
        trial, last = map(int, self.continues.split("/"))
        own = [f"{self.trial}/{number}" for number in range(self.attempt - 1, 0, -1)]
        return tuple(dict.fromkeys([*own, *(f"{trial}/{number}" for number in range(last, 0, -1))]))

    def as_dict(self) -> dict[str, Any]:
        """The spec as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """The spec that :meth:`as_dict` gave."""
        fields = dict(content)
        fields["fidelity"] = Fidelity(**fields["fidelity"])
        fields["probe"] = tuple(fields["probe"])
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One measurement on the whole validation split during a trial.

    Attributes:
        epoch: Passes over the training images so far.
        steps: Optimizer steps so far.
        loss: Mean training loss since the last report.
        val_loss: Mean cross-entropy on the validation split, in nats.
        f1: Macro-F1 on the validation split.
        progress: Share of the training that is done, 0 to 1.
        images_per_second: Training speed since the last report.
    """

    epoch: float
    steps: int
    loss: float
    val_loss: float
    f1: float
    progress: float
    images_per_second: float


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of a trial that ended well.

    Attributes:
        f1: Macro-F1 on the validation split at the measurement whose weights are kept, see :mod:`automl_img.training.keeping`.
        val_loss: Cross-entropy at that measurement.
        epochs: Passes over the training images in all.
        best_epoch: Passes at that measurement.
        steps: Optimizer steps in all.
        parameters: Weights of the network.
        megaflops: Floating-point operations of one forward pass of one image, in millions.
        seconds: Wall time in all.
        training_seconds: Wall time in training steps after the first.
        images_per_second: Training speed.
        why_ended: "epochs", "time", "patience", or as it was cut short: :data:`STOPPED`, :data:`CUT_OFF`, :data:`INTERRUPTED`.
        weights_sha256: Of the weights file.
        affinity: Macro-F1 on validation images changed by an augmentation over macro-F1 on them as they are, by augmentation.
        epochs_before: Of ``epochs``, those that the trial which this one continues had trained.
    """

    f1: float
    val_loss: float
    epochs: float
    best_epoch: float
    steps: int
    parameters: int
    megaflops: float
    seconds: float
    training_seconds: float
    images_per_second: float
    why_ended: str
    weights_sha256: str
    affinity: Mapping[str, float] = field(default_factory=dict)
    epochs_before: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether the training came to an end of its own, or one that its strategy chose."""
        return self.why_ended not in (CUT_OFF, INTERRUPTED)

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON can hold it."""
        return asdict(self)


class TrialFailure(Exception):
    """Raised inside a trial to end it with a stated kind."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        self.kind = kind
        self.message = message
        super().__init__(message)
