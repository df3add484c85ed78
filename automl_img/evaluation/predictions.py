"""The predictions of the best model on a split, kept in the run folder as evidence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import RunFolderError
from automl_img.evaluation.array_file import load_arrays
from automl_img.replacing import replacing

CURVES_FILE = "curves.json"  # beside them: the curves of their figures


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of the images of one split.

    Attributes:
        indices: int64, shape (n,): rows of the prepared store.
        labels: Their true labels: int64, shape (n,), or for the multilabel task uint8, shape (n, classes).
        probabilities: float32, shape (n, classes).
        decided: What follows from them, in the form of the labels; None: the most probable class.
    """

    indices: npt.NDArray[np.int64]
    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float32]
    decided: npt.NDArray[Any] | None = None

    def predicted(self) -> npt.NDArray[Any]:
        """Return the predicted labels, in the form of the labels."""
        if self.decided is not None:
            return self.decided
        return (
            self.probabilities.argmax(axis=1) if self.labels.ndim == 1 else (self.probabilities >= 0.5).astype(np.uint8)
        )

    def save(self, path: Path) -> None:
        """Write them; a crash leaves the file that was there before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            more: dict[str, Any] = {} if self.decided is None else {"decided": self.decided}
            np.savez_compressed(
                file, indices=self.indices, labels=self.labels, probabilities=self.probabilities, **more
            )

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what :meth:`save` wrote; nothing in the file is run.

        Raises:
            RunFolderError: It is missing, damaged, or its arrays do not fit one another.
        """
        try:
            arrays = load_arrays(path, "indices", "labels", "probabilities")
        except (OSError, ValueError) as error:
            raise RunFolderError(f"the predictions cannot be read: {error}", where=str(path)) from error
        decided = arrays.get("decided")  # an older version has not kept them
        found = cls(arrays["indices"], arrays["labels"], arrays["probabilities"], decided)
        shape = found.probabilities.shape
        fits = len(shape) == 2 and found.indices.shape == found.labels.shape[:1] == shape[:1]
        if not fits or (found.decided is not None and found.decided.shape != found.labels.shape):
            raise RunFolderError("the predictions do not fit one another", where=str(path))
        return found
