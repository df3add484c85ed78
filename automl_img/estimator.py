"""The engine as a scikit-learn classifier."""

from __future__ import annotations

import io
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from automl_img.api import SearchResult, fit
from automl_img.data.label_sets import has_label_sets
from automl_img.data.labels import plain_labels
from automl_img.data.pixels import array_of
from automl_img.errors import DataError
from automl_img.evaluation.predictor import Predictor
from automl_img.paths import expanded_path
from automl_img.search.run_folder import RunFolder

#: An archive is unpacked once, though threads ask together; not in the estimator, which can be pickled.
_FIRST_USE = threading.Lock()


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Searches the best classifier of images, with scikit-learn's interface.

    Args:
        budget: Wall time of the search, such as ``"10m"``; None: no limit but ``trials``.
        trials: Number of trials at most.
        random_state: Seed of everything random, a whole number; None means 0.
        settings: Other keys of the recipe by dotted name.
        out: The run folder; a temporary one, which goes with the last of estimator and result, unless given. Where it holds something, as
            from an earlier fit or that of a clone, the first free one beside it is taken: ``run-2``, ``run-3`` and so on;
            ``result_.run_dir`` says which.

    Attributes:
        classes_: The labels, as they were given, in the order of the columns of :meth:`predict_proba`.
        result_: The finished search; not kept when the estimator is pickled.

    Example:
        >>> classifier = ImageClassifier(budget="1m").fit(images, labels)
        >>> classifier.predict(images[:3])
    """

    def __init__(
        self,
        *,
        budget: str | None = "10m",
        trials: int | None = None,
        random_state: int | None = 0,
        settings: Mapping[str, Any] | None = None,
        out: str | Path | None = None,
    ) -> None:
        self.budget = budget
        self.trials = trials
        self.random_state = random_state
        self.settings = settings
        self.out = out

    def fit(self, X: Any, y: Any) -> Self:
        """Search.

        Args:
            X: Images of shape (n, height, width) or (n, height, width, channels), uint8 or floating point in 0..1 or 0..255; or a list
                of images of one size that Pillow has opened.
            y: Labels of shape (n,).

        Raises:
            DataError: These are no labelled images, or labels are missing or fractions.
            RunFolderError: The run folder cannot be made.
            SearchError: The search found no model.
        """
        images, labels = array_of(X, "X"), _one_each(y)
        if images.ndim < 3:
            raise DataError(
                "these are rows of numbers, not images",
                where="X",
                found=images.shape,
                allowed="(n, height, width[, channels])",
            )
        known = plain_labels(y, len(images), where="y")
        # The search sorts the labels as they are known here, and calls its classes by them.
        classes = labels.reshape(-1)[np.unique(known, return_index=True)[1]]
        # All images that were given are learned from and validated on; a test is the caller's.
        settings = {"data.test": 0.0, **(self.settings or {})}
        temporary: tempfile.TemporaryDirectory[str] | None = None
        if self.out is None:
            temporary = tempfile.TemporaryDirectory(prefix="automl-img-")
            wanted = Path(temporary.name) / "run"
        else:
            wanted = expanded_path(self.out, where="out")
        folder = RunFolder.create_free(wanted)
        try:
            result = fit(
                (images, known),
                budget=self.budget,
                trials=self.trials,
                seed=self.random_state or 0,
                settings=settings,
                out=folder.path,
            )
        except BaseException:
            folder.give_back()
            raise
        predictor = result.predictor
        if temporary is not None:
            _remove_after(predictor, temporary)
        # Only now: a search that fails leaves the estimator as it was.
        self.classes_ = classes
        self.result_: SearchResult = result
        self._predictor: Predictor | None = predictor
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float32]:
        """Return the probability of each class; shape (n, classes). Takes what :meth:`Predictor.predict_proba` takes."""
        check_is_fitted(self, "classes_")
        return self._model().predict_proba(X)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return the most probable label of each image, or the one that costs and wishes of a ``[decision]`` prefer; shape (n,)."""
        probabilities = self.predict_proba(X)
        chosen: npt.NDArray[Any] = self.classes_[self._model().decide(probabilities)]
        return chosen

    def _model(self) -> Predictor:
        if self._predictor is None:
            with _FIRST_USE:
                if self._predictor is None:
                    temporary = tempfile.TemporaryDirectory(prefix="automl-img-")
                    with zipfile.ZipFile(io.BytesIO(self._archive)) as archive:
                        archive.extractall(temporary.name)
                    predictor = Predictor(temporary.name)
                    _remove_after(predictor, temporary)
                    self._predictor = predictor
        return self._predictor

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "classes_" in state:
            state["_archive"] = self._packed()
            state.pop("result_", None)
            state["_predictor"] = None
        return state

    def _packed(self) -> bytes:
        if self._predictor is None:
            archived: bytes = self._archive
            return archived
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self._predictor.folder.iterdir()):
                archive.write(file, file.name)
        return buffer.getvalue()


def _one_each(y: Any) -> npt.NDArray[Any]:
    """Return labels as an array.

    Raises:
        DataError: They are several for each image.
    """
    try:
        labels = np.asarray(y)
    except ValueError as error:
        raise _not_one_each("lists of different lengths") from error
    if labels.ndim and has_label_sets(labels):
        raise _not_one_each(f"shape {labels.shape}" if labels.ndim > 1 else "a collection for each image")
    return labels


def _not_one_each(found: str) -> DataError:
    hint = "automl_img.fit takes several labels an image."
    return DataError("the labels are not one for each image", where="y", found=found, allowed="shape (n,)", hint=hint)


def _remove_after(predictor: Predictor, folder: tempfile.TemporaryDirectory[str]) -> None:
    """Keep a folder for as long as the predictor that reads from it lives; the estimator has it, and the result does."""
    weakref.finalize(predictor, folder.cleanup)
