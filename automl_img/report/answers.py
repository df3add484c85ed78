"""The answers of a model, as pictures: the confusion matrix with its images, right and wrong ones of each class, the surest mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import DataError
from automl_img.evaluation.metrics import confusion
from automl_img.report.pictures import PIXEL_ART, data_uri, lit
from automl_img.report.run_evidence import Answers, Doubt, Maps

SHOWN_IN_CELL, SHOWN_CELLS = 7, 60
SHOWN_OF_CLASS, SHOWN_CLASSES = 6, 30
SHOWN_MISTAKES = 21
SHOWN_SUSPECTS = 49
LARGEST_MATRIX = 60  # classes, above which a matrix cannot be read; the pairs that are confused most are listed then
LISTED_PAIRS = 30


@dataclass(frozen=True)
class Picture:
    """An image with what was said of it.

    Attributes:
        uri: The image as a data URI; empty where the images are no longer there, or there is no room for it.
        enlarged: Whether its pixels are shown as they are.
        true, predicted: Names of the classes.
        confidence: Probability of the answer.
        row: Of the prepared store.
        right: Whether the answer is right.
    """

    uri: str
    enlarged: bool
    true: str
    predicted: str
    confidence: float
    row: int
    right: bool


@dataclass(frozen=True)
class Cell:
    """A cell of the confusion matrix: its count, its share of the row, and the name of its pictures, if there are any."""

    count: int
    share: float
    key: str = ""


@dataclass(frozen=True)
class Confused:
    """Images of one class that were taken for another."""

    key: str
    true: str
    predicted: str
    count: int
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class OfClass:
    """Pictures of one class, right ones and wrong ones."""

    name: str
    count: int
    recall: float
    right: tuple[Picture, ...]
    wrong: tuple[Picture, ...]


@dataclass(frozen=True)
class Looked:
    """A picture, and the same with the places that spoke for the answer lit up."""

    picture: Picture
    lit: str


class AnswerPictures:
    """Chooses and draws the pictures of one split's answers, for a task with one label for each image.

    Args:
        answers: The answers.
        names: The classes.
        images: The prepared images, uint8, read by ``images[rows]``; None: no pictures. Those that cannot be read have none.
        limit: The most characters of all pictures together.
    """

    def __init__(self, answers: Answers, names: Sequence[str], images: Any, limit: int) -> None:
        self._answers, self._names, self._images, self._limit = answers, names, images, limit
        self._labels = np.asarray(answers.labels)
        self._predicted = np.asarray(answers.predicted())
        self._confidence = answers.probabilities[np.arange(len(self._predicted)), self._predicted]
        self._cells = confusion(self._labels, self._predicted, len(names))
        self._drawn: dict[int, tuple[str, bool]] = {}

    def matrix(self) -> list[list[Cell]]:
        """The confusion matrix; empty for very many classes."""
        size = len(self._names)
        if size > LARGEST_MATRIX:
            return []
        counts = np.zeros((size, size), np.int64)
        for true, predicted, count in self._cells:
            counts[true, predicted] = count
        shown = {(true, predicted) for true, predicted, _ in self._pairs()[:SHOWN_CELLS]}
        return [
            [
                Cell(
                    int(counts[true, predicted]),
                    float(counts[true, predicted] / max(1, counts[true].sum())),
                    _key(true, predicted) if (true, predicted) in shown else "",
                )
                for predicted in range(size)
            ]
            for true in range(size)
        ]

    def confused(self) -> list[Confused]:
        """The pairs of classes that are confused, most often first, with the surest mistakes of each."""
        wanted = SHOWN_CELLS if len(self._names) <= LARGEST_MATRIX else LISTED_PAIRS
        found = []
        for true, predicted, count in self._pairs()[:wanted]:
            places = np.flatnonzero((self._labels == true) & (self._predicted == predicted))
            pictures = tuple(self._pictures(self._surest(places)[:SHOWN_IN_CELL]))
            found.append(Confused(_key(true, predicted), self._names[true], self._names[predicted], count, pictures))
        return found

    def of_classes(self) -> list[OfClass]:
        """Right and wrong answers of each class, the classes with the lowest recall first."""
        right_ones = self._labels[self._labels == self._predicted]
        hits, totals = (np.bincount(one, minlength=len(self._names)) for one in (right_ones, self._labels))
        recalls = hits / np.maximum(1, totals)
        order = [int(place) for place in np.argsort(recalls, kind="stable") if totals[place]][:SHOWN_CLASSES]
        found = []
        for place in order:
            mine = self._labels == place
            right = np.flatnonzero(mine & (self._predicted == place))
            wrong = np.flatnonzero(mine & (self._predicted != place))
            spread = (
                right[np.unique(np.linspace(0, len(right) - 1, SHOWN_OF_CLASS).astype(int))] if len(right) else right
            )
            found.append(
                OfClass(
                    self._names[place],
                    int(totals[place]),
                    float(recalls[place]),
                    tuple(self._pictures(spread)),
                    tuple(self._pictures(self._surest(wrong)[:SHOWN_OF_CLASS])),
                )
            )
        return found

    def mistakes(self) -> list[Picture]:
        """The surest wrong answers: often the label is wrong, not the model."""
        wrong = np.flatnonzero(self._predicted != self._labels)
        return list(self._pictures(self._surest(wrong)[:SHOWN_MISTAKES]))

    def looked_into(self, attention: Maps) -> list[Looked]:
        """Pictures with the places that spoke for the answer: the surest mistakes first, then right answers."""
        places = {int(row): place for place, row in enumerate(self._answers.indices)}
        found = []
        for row, heat in zip(attention.indices.tolist(), attention.maps, strict=True):
            pixels = self._pixels(row) if row in places else None
            if pixels is None:
                continue
            (picture,) = self._pictures([places[row]])
            uri = data_uri(lit(pixels, heat))
            if picture.uri and len(uri) <= self._limit:
                self._limit -= len(uri)
                found.append(Looked(picture, uri))
        return found

    def suspects(self, doubts: Sequence[Doubt]) -> list[Picture]:
        """Pictures of images whose labels are probably wrong, of whichever split they are."""
        if self._images is None:
            return []
        shown = [one for one in doubts if 0 <= one.row < len(self._images)][:SHOWN_SUSPECTS]
        return [
            Picture(*self._draw(one.row), one.label, one.predicted, one.confidence, one.row, right=False)
            for one in shown
        ]

    def _pairs(self) -> list[list[int]]:
        """The classes that are taken for others, most often first: true class, predicted class, images."""
        return sorted((cell for cell in self._cells if cell[0] != cell[1]), key=lambda cell: -cell[2])

    def _surest(self, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return places[np.argsort(-self._confidence[places], kind="stable")]

    def _pictures(self, places: Iterable[int]) -> Iterable[Picture]:
        for place in places:
            row = int(self._answers.indices[place])
            true, predicted = int(self._labels[place]), int(self._predicted[place])
            yield Picture(
                *self._draw(row),
                self._names[true],
                self._names[predicted],
                float(self._confidence[place]),
                row,
                true == predicted,
            )

    def _draw(self, row: int) -> tuple[str, bool]:
        if row in self._drawn:
            return self._drawn[row]
        pixels = self._pixels(row)
        if pixels is None:
            return "", False
        drawn = data_uri(pixels), max(pixels.shape[:2]) <= PIXEL_ART
        if len(drawn[0]) > self._limit:
            return "", False
        self._limit -= len(drawn[0])
        self._drawn[row] = drawn
        return drawn

    def _pixels(self, row: int) -> npt.NDArray[np.uint8] | None:
        """One image; None where it cannot be read, as when the file that it is decoded from has gone since."""
        if self._images is None:
            return None
        try:
            pixels: npt.NDArray[np.uint8] = np.asarray(self._images[np.array([row])])[0]
        except (DataError, OSError):
            return None
        return pixels


def _key(true: int, predicted: int) -> str:
    return f"cell-{true}-{predicted}"
