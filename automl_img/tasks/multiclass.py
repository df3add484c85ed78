"""Each image is of one class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.tasks.base import Floats, Labels, Score, Task
from automl_img.tasks.scores import TINY, cross_entropy, macro_f1, softmax


class Multiclass(Task):
    """Each image is of one of several classes: softmax, cross-entropy, macro-F1. Labels are int64 indices, shape (n,)."""

    kind = "multiclass"

    def targets(self, labels: Any) -> Any:
        """Return one-hot targets."""
        from keras import ops

        return ops.one_hot(labels, self.classes, dtype="float32")

    def loss(self, name: str) -> Callable[[Any, Any], Any]:
        """Return a loss over the softmax of the logits."""
        import keras

        if name == "focal":
            return keras.losses.CategoricalFocalCrossentropy(from_logits=True)  # type: ignore[no-any-return]
        if name == "mean_squared_error":
            return _squared_error
        return keras.losses.CategoricalCrossentropy(from_logits=True)  # type: ignore[no-any-return]

    def probabilities(self, logits: Floats) -> Floats:
        """Return the softmax."""
        return softmax(logits)

    def logits(self, probabilities: Floats) -> Floats:
        """Return the logarithms of the probabilities."""
        return np.log(np.maximum(probabilities, TINY))

    def energy(self, logits: Floats) -> Floats:
        """Return the logarithm of the sum of the exponentials."""
        largest = logits.max(axis=1)
        energy: Floats = largest + np.log(np.exp(logits - largest[:, np.newaxis]).sum(axis=1))
        return energy

    def f1(self, labels: Labels, decided: Labels) -> float:
        """Return macro-F1."""
        return macro_f1(labels, decided, self.classes)

    def score(self, labels: Labels, logits: Floats) -> Score:
        """Return macro-F1 and cross-entropy."""
        return Score(self.f1(labels, logits.argmax(1)), cross_entropy(labels, logits))

    def decide(self, probabilities: Floats, thresholds: tuple[float, ...] = ()) -> Labels:
        """Return the most probable class of each image."""
        best: Labels = probabilities.argmax(1)
        return best

    def counts(self, labels: Labels) -> npt.NDArray[np.int64]:
        """Return the number of images of each class."""
        return np.bincount(labels, minlength=self.classes)

    def balance(self, labels: Labels) -> Floats:
        """Return n / (classes · images of the image's class): scikit-learn's "balanced", over the classes that occur."""
        counts = self.counts(labels)
        weights = len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        balanced: Floats = weights[labels].astype(np.float32)
        return balanced


class Binary(Multiclass):
    """Each image is of one of two classes; the head has one logit, whose sigmoid is the probability of the second."""

    kind = "binary"

    def decide(self, probabilities: Floats, thresholds: tuple[float, ...] = ()) -> Labels:
        """Return 1 where the second class reaches its threshold; without one the more probable class."""
        if not thresholds:
            return super().decide(probabilities)
        reached: Labels = (probabilities[:, 1] >= thresholds[1]).astype(np.int64)
        return reached

    def cut(self, labels: Labels, probabilities: Floats) -> tuple[float, ...]:
        """Return the thresholds (1 − t, t) with the best macro-F1, t that of the second class; empty where 0.5 is among the best."""
        order = np.argsort(-probabilities[:, 1], kind="stable")
        ranked, true = probabilities[order, 1].astype(np.float64), labels[order]
        taken = np.arange(1, len(labels) + 1)
        hits = true.cumsum()  # of the second class, if so many are called so
        positives, rest = int(hits[-1]), len(labels) - int(hits[-1])
        passed = len(labels) - taken
        f1 = (2 * hits / (taken + positives) + 2 * (rest - (taken - hits)) / np.maximum(1, passed + rest)) / 2
        below = np.append(ranked[1:], 0.0)
        f1[np.append(ranked[:-1] == ranked[1:], False)] = -1.0  # equal probabilities cannot be cut apart
        plain = self.f1(labels, super().decide(probabilities))
        if not positives or not rest or f1.max() <= plain:
            return ()
        best = np.flatnonzero(f1 == f1.max())
        middles = (ranked[best] + below[best]) / 2
        t = float(middles[np.abs(middles - 0.5).argmin()])
        return (1 - t, t)

    @staticmethod
    def head(features: Any, classes: int) -> Any:
        """Return the logits −z/2 and z/2 of the two classes, whose softmax is the sigmoid of z."""
        import keras

        logit = keras.layers.Dense(1, dtype="float32", name="logits")(features)
        half = keras.layers.Rescaling(0.5, dtype="float32", name="positive")(logit)
        return keras.layers.Concatenate(dtype="float32", name="both")(
            [keras.layers.Rescaling(-0.5, dtype="float32", name="negative")(logit), half]
        )


def _squared_error(targets: Any, logits: Any) -> Any:
    """Return the Brier score of each image; shape (batch,)."""
    from keras import ops

    return ops.sum(ops.square(ops.softmax(logits) - targets), axis=-1)
