"""The predictions of the best model on a split, kept in the run folder as evidence."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import RunFolderError
from automl_img.training.artifacts import replacing

CURVES_FILE = "curves.json"  # beside them: the curves of their figures


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of the images of one split.

    Attributes:
        indices: int64, shape (n,): rows of the prepared store.
        labels: Their true labels: int64, shape (n,), or for the multilabel task uint8, shape (n, classes).
        probabilities: float32, shape (n, classes).
    """

    indices: npt.NDArray[np.int64]
    labels: npt.NDArray[Any]
    probabilities: npt.NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write them; a crash leaves the file that was there before."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, indices=self.indices, labels=self.labels, probabilities=self.probabilities)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what :meth:`save` wrote; nothing in the file is run.

        Raises:
            RunFolderError: It is missing, damaged, or its arrays do not fit one another.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                found = cls(*(file[name] for name in ("indices", "labels", "probabilities")))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise RunFolderError(f"the predictions cannot be read: {error}", where=str(path)) from error
        shape = found.probabilities.shape
        if len(shape) != 2 or not len(found.indices) == len(found.labels) == shape[0]:
            raise RunFolderError("the predictions do not fit one another", where=str(path))
        return found
