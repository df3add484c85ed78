"""How much of the training is done, for callbacks."""

from __future__ import annotations

from typing import Any


class Progress:
    """Follows the training of a Keras callback.

    The core says how much is done in ``params["progress"]``. Under a plain ``model.fit`` it follows from the epochs
    and steps.
    """

    def __init__(self) -> None:
        self.epoch = 0

    def now(self, params: dict[str, Any], batches: int = 0) -> float:
        """Return the part of the training that is done, from 0 to 1, after ``batches`` of the present epoch."""
        if "progress" in params:
            return float(params["progress"]())
        steps, epochs = params.get("steps") or 0, params.get("epochs") or 1
        within = batches / steps if steps else 0.0
        return min(1.0, (self.epoch + within) / epochs)
