"""What a run's page is made from, as plain values: whoever has them can have the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Measured:
    """One measurement of a trial.

    Attributes:
        epoch: Passes over the training images.
        f1: On validation.
        loss: In training since the measurement before; None: not known.
        validation_loss: On validation; None: not known.
    """

    epoch: float
    f1: float
    loss: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True)
class TrialFacts:
    """One trial; one of number 0 is an architecture that never got one.

    Attributes:
        rank: From 1; 0 without a score.
        size: What the architecture's own hyperparameters are, in words.
        status: "done", "failed", "skipped" or "running".
        note: Why it failed or was skipped, or why it was run.
        ended: Seconds of the budget that had gone when it ended; None: it has not, or it is not known.
        values: Hyperparameters by full name.
        curve: Its measurements.
    """

    rank: int
    trial: int
    stage: str
    architecture: str
    size: str
    status: str
    f1: float | None
    val_loss: float | None
    parameters: int | None
    epochs: float | None
    seconds: float | None
    note: str
    ended: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    curve: Sequence[Measured] = ()


class Answers(Protocol):
    """What the best model says of a split; see :class:`automl_img.evaluation.predictions.Predictions`."""

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """Rows of the images."""
        ...

    @property
    def labels(self) -> npt.NDArray[Any]:
        """True labels."""
        ...

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """Of each class."""
        ...

    def predicted(self) -> npt.NDArray[Any]:
        """What follows from them, in the form of the labels."""
        ...


class Maps(Protocol):
    """Where the model found some of its answers; see :class:`automl_img.evaluation.attention.Attention`."""

    @property
    def indices(self) -> npt.NDArray[np.int64]:
        """Rows of the images."""
        ...

    @property
    def maps(self) -> npt.NDArray[np.uint8]:
        """How much each place speaks for the answer, shape (n, rows, columns)."""
        ...


class Doubt(Protocol):
    """An image whose label is probably wrong; see :class:`automl_img.evaluation.suspects.Suspect`."""

    @property
    def row(self) -> int:
        """Of the prepared images."""
        ...

    @property
    def label(self) -> str:
        """What it is called."""
        ...

    @property
    def predicted(self) -> str:
        """What the model calls it."""
        ...

    @property
    def confidence(self) -> float:
        """How sure the model is."""
        ...


@dataclass(frozen=True)
class RunEvidence:
    """Everything that is known of a run.

    Attributes:
        name: Of the recipe.
        folder: The run folder.
        state: "running", "ended", "interrupted", "failed" (ended without a model), or "cut off".
        elapsed: Seconds of the budget that have gone.
        budget: In words.
        recipe: With all keys, as TOML.
        task: What the labels mean.
        class_names: The classes.
        data_name: Of the data set.
        counts: Images by split.
        notes: What a person should know of the data.
        trials: All trials, best first; those without a score, and architectures without a trial, at the end.
        remarks: What was decided, in order.
        figures: By split; empty while there is no best model.
        curves: By split: "roc", "precision_recall", "reliability", "coverage", and "slices" with their figures.
        selection: How the model was chosen among the trials.
        repeats: Configurations that were trained under several seeds, with the F1 of all their trainings.
        importance: Hyperparameters with their shares of the explained differences of F1, the most important first.
        explained: How well they explain it, R², at most 1.
        suspects: Images whose labels are probably wrong, the worst first.
        attention: Where the model found some of its answers; None: it is not known.
        answers: By split.
        images: The prepared images, uint8, read by ``images[rows]``; None if they are no longer there.
        best: Number of the best trial; 0 while there is none.
        given: Whether its images were given in Python, not named by the recipe.
        versions: Of the libraries.
        machine: In words.
    """

    name: str
    folder: str
    state: str
    elapsed: float
    budget: str
    recipe: str
    task: str
    class_names: Sequence[str]
    data_name: str
    counts: Mapping[str, int]
    notes: Sequence[str]
    trials: Sequence[TrialFacts]
    remarks: Sequence[str]
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answers: Mapping[str, Answers] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    repeats: Sequence[Mapping[str, Any]] = ()
    importance: Sequence[tuple[str, float]] = ()
    explained: float = 0.0
    suspects: Sequence[Doubt] = ()
    attention: Maps | None = None
    images: Any = None
    best: int = 0
    given: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""

    @property
    def judged(self) -> str:
        """The split by which the model is judged: test if there is one."""
        return "test" if "test" in self.figures else "validation"
