"""The callback of weight averaging."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from automl_img_regularizers._progress import Progress

#: Updates of the average within its horizon: more cost time and change nothing.
UPDATES = 20


class AveragedWeights(keras.callbacks.Callback):
    """Keeps the mean of the network's recent weights and puts it into the network whenever it is looked at.

    The network holds the mean from the end of an epoch to the beginning of the next, in evaluation, and after the
    training; the optimizer always goes on from the weights it left. A weight counts e times less for each ``horizon``
    that has passed since, and the weights from before the training count nothing, so that a short training is not
    drawn to its start.

    Args:
        network: The keras.Model whose weights are averaged: all of them, with the means and variances of batch
            normalisation, which would not fit averaged kernels otherwise.
        horizon: How far back the mean reaches, as a share of the training.
    """

    def __init__(self, network: Any, horizon: float) -> None:
        super().__init__()
        self.network = network
        self.horizon = horizon
        self._progress = Progress()
        self._mean: list[np.ndarray] | None = None
        self._raw: list[np.ndarray] | None = None
        self._weight = 0.0
        self._last = 0.0

    def get_state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep beside the network's weights."""
        lists = {"mean": self._mean, "raw": self._raw}
        known: dict[str, Any] = {name: list(weights) for name, weights in lists.items() if weights is not None}
        return {**known, "when": np.array([self._weight, self._last])}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_state`` returned."""
        self._mean, self._raw = state.get("mean"), state.get("raw")
        self._weight, self._last = map(float, state["when"])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Give the network the optimizer's weights back."""
        self._progress.epoch = epoch
        # The end of one training may be the middle of a longer one that goes on from its state.
        self._last = min(self._last, self._progress.now(self.params))
        self._show_raw()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Take the weights into the mean, if enough has happened since the last time."""
        now = self._progress.now(self.params, batch + 1)
        if now - self._last >= self.horizon / UPDATES:
            self._update(now)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Show the mean to the callbacks that follow."""
        self._update(self._progress.now(self.params, self.params.get("steps") or 0))
        self._show_mean()

    def on_test_begin(self, logs: Any = None) -> None:
        """Show the mean to an evaluation within the epoch."""
        self._show_mean()

    def on_test_end(self, logs: Any = None) -> None:
        """Give the network the optimizer's weights back."""
        self._show_raw()

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the mean in the network."""
        self._show_mean()
        self._raw = None

    def _update(self, now: float) -> None:
        if self._raw is not None:
            return
        passed = max(now - self._last, 1e-9)
        weights = self.network.get_weights()
        self._weight = self._weight * math.exp(-passed / self.horizon) + passed
        share = passed / self._weight
        if self._mean is None:
            self._mean = [np.array(weight) for weight in weights]
        else:
            self._mean = [_mixed(old, new, share) for old, new in zip(self._mean, weights, strict=True)]
        self._last = now

    def _show_mean(self) -> None:
        if self._raw is None and self._mean is not None:
            self._raw = self.network.get_weights()
            self.network.set_weights([_kept_zero(mean, raw) for mean, raw in zip(self._mean, self._raw, strict=True)])

    def _show_raw(self) -> None:
        if self._raw is not None:
            self.network.set_weights(self._raw)
            self._raw = None


def _mixed(old: np.ndarray, new: np.ndarray, share: float) -> np.ndarray:
    if not np.issubdtype(np.asarray(new).dtype, np.floating):
        return np.array(new)
    return (old + (new - old) * share).astype(new.dtype)


def _kept_zero(mean: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Return ``mean`` where ``raw`` is not exactly 0: weights that pruning took out stay out."""
    return np.where(raw == 0, raw, mean)
