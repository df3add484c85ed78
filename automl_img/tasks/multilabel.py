"""Each image belongs to any number of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.tasks.base import Floats, Labels, Score, Task
from automl_img.tasks.scores import TINY, best_thresholds, binary_cross_entropy, sigmoid


class Multilabel(Task):
    """Each image belongs to any number of classes, none among them: one sigmoid a class, binary cross-entropy.

    Labels are uint8 of 0 and 1, shape (n, classes). F1 is the mean over the classes, each at its own threshold, tuned on the
    validation images; so while a search compares trials, the thresholds are those that serve each trial best.
    """

    kind = "multilabel"

    def targets(self, labels: Any) -> Any:
        """Return the labels as float32."""
        from keras import ops

        return ops.cast(labels, "float32")

    def loss(self, name: str) -> Callable[[Any, Any], Any]:
        """Return a loss over the sigmoid of each logit, averaged over the classes."""
        import keras

        if name == "focal":
            return keras.losses.BinaryFocalCrossentropy(from_logits=True)  # type: ignore[no-any-return]
        if name == "mean_squared_error":
            return _squared_error
        return keras.losses.BinaryCrossentropy(from_logits=True)  # type: ignore[no-any-return]

    def probabilities(self, logits: Floats) -> Floats:
        """Return the sigmoid of each logit."""
        return sigmoid(logits)

    def logits(self, probabilities: Floats) -> Floats:
        """Return log(p / (1 − p))."""
        inside = np.clip(probabilities, TINY, 1 - TINY)
        logits: Floats = np.log(inside / (1 - inside))
        return logits

    def energy(self, logits: Floats) -> Floats:
        """Return the sum over the classes of log(1 + exp(logit))."""
        energy: Floats = np.logaddexp(0, logits).sum(axis=1)
        return energy

    def f1(self, labels: Labels, decided: Labels) -> float:
        """Return the mean of F1 over the classes that occur in labels or answers."""
        right = (labels & decided).sum(axis=0, dtype=np.int64)
        involved = labels.sum(axis=0, dtype=np.int64) + decided.sum(axis=0, dtype=np.int64)
        present = involved > 0
        return float(np.mean(2 * right[present] / involved[present])) if present.any() else 0.0

    def score(self, labels: Labels, logits: Floats) -> Score:
        """Return macro-F1 at the best threshold of each class, and cross-entropy averaged over the classes."""
        _, f1 = best_thresholds(labels, sigmoid(logits))
        counted = f1[labels.any(axis=0)]
        return Score(float(counted.mean()) if len(counted) else 0.0, binary_cross_entropy(labels, logits))

    def thresholds(self, labels: Labels, probabilities: Floats) -> tuple[float, ...]:
        """Return the threshold of each class with the best F1; 0.5 for a class without images."""
        return tuple(float(value) for value in best_thresholds(labels, probabilities)[0])

    def decide(self, probabilities: Floats, thresholds: tuple[float, ...] = ()) -> Labels:
        """Return 1 where a probability reaches its class's threshold."""
        limits = np.asarray(thresholds or 0.5, np.float32)
        reached: Labels = (probabilities >= limits).astype(np.uint8)
        return reached

    def counts(self, labels: Labels) -> npt.NDArray[np.int64]:
        """Return the number of images of each class."""
        return labels.sum(axis=0, dtype=np.int64)  # type: ignore[no-any-return]

    def balance(self, labels: Labels) -> Floats:
        """Return weights by the rarest class of each image; images of no class count as much as those of the commonest."""
        counts = np.maximum(self.counts(labels), 1)
        rarity = np.where(labels > 0, 1.0 / counts, 1.0 / counts.max()).max(axis=1)
        balanced: Floats = (rarity / rarity.mean()).astype(np.float32)
        return balanced

    def names(self, decided: Labels) -> npt.NDArray[Any]:
        """Return a tuple of class names for each image; dtype object, shape (n,)."""
        named = np.empty(len(decided), object)
        for place, row in enumerate(decided):
            named[place] = tuple(self.class_names[column] for column in np.flatnonzero(row))
        return named


def _squared_error(targets: Any, logits: Any) -> Any:
    """Return the mean squared error of the probabilities of each image; shape (batch,)."""
    from keras import ops

    return ops.mean(ops.square(ops.sigmoid(logits) - targets), axis=-1)
