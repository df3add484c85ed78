"""The callback of magnitude pruning."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from automl_img_regularizers._kernels import kernels
from automl_img_regularizers._progress import Progress

#: Shares of the training in which the sparsity rises: first the network learns, at the end it settles with what is
#: left.
BEGIN, END = 0.1, 0.7

#: How much of the training passes between two choices of what to prune.
INTERVAL = 0.01


class Pruner(keras.callbacks.Callback):
    """Sets the smallest weights of each kernel to 0 and keeps them there.

    Args:
        network: The keras.Model to prune. Depthwise kernels are left alone: they are few, and each is all that its
            channel has. So are kernels that do not learn: nothing could make up for what they lose.
        sparsity: The share of the weights of each pruned kernel that is 0 in the end.
    """

    def __init__(self, network: Any, sparsity: float) -> None:
        super().__init__()
        self.network = network
        self.sparsity = sparsity
        self._progress = Progress()
        self._masks: list[tuple[Any, Any]] = []
        self._chosen = -1.0

    @property
    def settled(self) -> bool:
        """Whether the sparsity that was asked for is reached: weights of before are not as sparse."""
        return self._chosen >= END

    def get_state(self) -> dict[str, Any]:
        """Return what a checkpoint must keep beside the network's weights."""
        return {"masks": [np.asarray(mask) for _, mask in self._masks], "chosen": np.array(self._chosen)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what ``get_state`` returned."""
        self._masks = [
            (kernel, keras.ops.convert_to_tensor(mask, dtype=kernel.dtype))
            for kernel, mask in zip(self._pruned(), state["masks"], strict=False)
        ]
        self._chosen = float(state["chosen"])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Note the epoch."""
        self._progress.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Choose anew what to prune from time to time, and undo what the optimizer did to the pruned weights."""
        now = self._progress.now(self.params, batch + 1)
        if now >= BEGIN and (now - self._chosen >= INTERVAL or now >= END) and self._chosen < END:
            self._choose(scheduled(self.sparsity, now))
            self._chosen = now
        self._apply()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Prune what other callbacks put in place of the weights."""
        self._apply()

    def on_train_end(self, logs: Any = None) -> None:
        """Leave the network as sparse as it has become; what it did not learn to do without, it keeps."""
        self._apply()

    def _pruned(self) -> list[Any]:
        return [kernel for kernel in kernels(self.network, depthwise=False) if kernel.trainable]

    def _choose(self, sparsity: float) -> None:
        masks = []
        for kernel in self._pruned():
            magnitude = np.abs(keras.ops.convert_to_numpy(kernel)).ravel()
            gone = round(sparsity * magnitude.size)
            mask = np.ones(magnitude.size, "float32")
            if gone:
                mask[np.argpartition(magnitude, gone - 1)[:gone]] = 0.0
            masks.append((kernel, keras.ops.convert_to_tensor(mask.reshape(kernel.shape), dtype=kernel.dtype)))
        self._masks = masks

    def _apply(self) -> None:
        for kernel, mask in self._masks:
            kernel.assign(keras.ops.multiply(kernel, mask))


def scheduled(sparsity: float, progress: float) -> float:
    """Return the sparsity when ``progress`` of the training is done: a cubic rise to ``sparsity``, fast at first."""
    done = min(1.0, max(0.0, (progress - BEGIN) / (END - BEGIN)))
    return sparsity * (1.0 - (1.0 - done) ** 3)
