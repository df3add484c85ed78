"""What every task has to say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Score:
    """How good answers are, by the two figures that a search compares.

    Attributes:
        f1: The F1 that the task is judged by.
        loss: Mean cross-entropy in nats.
    """

    f1: float
    loss: float


class Task(ABC):
    """One kind of task over given classes.

    Args:
        class_names: One name for each class.
    """

    #: "binary", "multiclass", "multilabel" or "hierarchical".
    kind: ClassVar[str]

    def __init__(self, class_names: tuple[str, ...]) -> None:
        self.class_names = class_names

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @staticmethod
    def head(features: Any, classes: int) -> Any:
        """Return logits, a symbolic float32 tensor (batch, classes), from features (batch, n)."""
        import keras

        return keras.layers.Dense(classes, dtype="float32", name="logits")(features)

    @abstractmethod
    def targets(self, labels: Any) -> Any:
        """Return what training aims at, a float32 tensor (batch, classes), from a batch of labels. Runs in the training graph."""

    @abstractmethod
    def loss(self, name: str) -> Callable[[Any, Any], Any]:
        """Return the loss ``name``, a function of (targets, logits), both of shape (batch, classes), to (batch,).

        Args:
            name: "cross_entropy", "focal" (Lin et al., "Focal Loss for Dense Object Detection", 2017) or "mean_squared_error" (of
                probabilities: the Brier score).
        """

    @abstractmethod
    def probabilities(self, logits: Floats) -> Floats:
        """Return the probability of each class; logits and result of shape (n, classes)."""

    @abstractmethod
    def logits(self, probabilities: Floats) -> Floats:
        """Return logits of which these are the probabilities; both of shape (n, classes)."""

    def mixed(self, logits: Sequence[Floats], shares: Sequence[float]) -> Floats:
        """Return the logits of several models' mean answer: of their probabilities, each by its share; shape (n, classes)."""
        if len(logits) == 1:
            return logits[0]
        return self.logits(sum(share * self.probabilities(one) for share, one in zip(shares, logits, strict=True)))  # type: ignore[arg-type]

    @abstractmethod
    def energy(self, logits: Floats) -> Floats:
        """Return how much an image looks like what the network has learned, shape (n,): the less, the stranger it is.

        Source:
            The negative free energy of W. Liu et al., "Energy-based Out-of-distribution Detection", NeurIPS 2020; of several labels
            the sum over the labels of H. Wang et al., "Can multi-label classification networks know what they don't know?", NeurIPS 2021.
        """

    @abstractmethod
    def f1(self, labels: Labels, decided: Labels) -> float:
        """Return the F1 that the task is judged by, of predicted labels in the form that labels have."""

    @abstractmethod
    def score(self, labels: Labels, logits: Floats) -> Score:
        """Return how good ``logits``, shape (n, classes), are on ``labels``."""

    @abstractmethod
    def decide(self, probabilities: Floats, thresholds: tuple[float, ...] = ()) -> Labels:
        """Return the predicted labels, in the form that labels have, from probabilities of shape (n, classes)."""

    def thresholds(self, labels: Labels, probabilities: Floats) -> tuple[float, ...]:
        """Return the threshold of each class that serves these validation images best; empty where the task needs none."""
        return ()

    @abstractmethod
    def counts(self, labels: Labels) -> npt.NDArray[np.int64]:
        """Return the number of images of each class; shape (classes,)."""

    def imbalance(self, labels: Labels) -> float:
        """Return the images of the largest class for each one of the smallest that has any; at least 1."""
        counts = self.counts(labels)
        present = counts[counts > 0]
        return float(present.max() / present.min()) if len(present) else 1.0

    @abstractmethod
    def balance(self, labels: Labels) -> Floats:
        """Return a weight for each image by which all classes count alike; mean 1, shape (n,)."""

    def names(self, decided: Labels) -> npt.NDArray[Any]:
        """Return what a person calls the predicted labels; shape (n,)."""
        named: npt.NDArray[Any] = np.asarray(self.class_names, np.str_)[decided]
        return named
