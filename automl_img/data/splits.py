"""Decides which images train, which validate and which test."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.stratified import class_counts, held_out, shared_groups
from automl_img.errors import DataError
from automl_img.replacing import replacing

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SplitIndices:
    """The places of each split's images in a prepared store; no image is in two splits.

    Attributes:
        train, validation, test: int64, shape (n of the split,), ascending; ``test`` may be empty.
        notes: What a person should know about the split, a sentence each.
    """

    train: Indices
    validation: Indices
    test: Indices
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write the indices to an .npz file; a reader sees all of it or nothing."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file, train=self.train, validation=self.validation, test=self.test, notes=np.array(self.notes, str)
            )

    @classmethod
    def load(cls, path: Path) -> SplitIndices:
        """Read what :meth:`save` wrote.

        Raises:
            DataError: The file is missing or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                train, validation, test = (file[name].astype(np.int64) for name in ("train", "validation", "test"))
                return cls(train, validation, test, tuple(map(str, file["notes"])))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"the file of splits cannot be read: {error}", where=str(path)) from error


def make_splits(
    labels: npt.NDArray[Any],
    given: tuple[int, int, int],
    *,
    validation: float,
    test: float,
    seed: int,
    class_names: Sequence[str] | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> SplitIndices:
    """Split images so that each class has its share in every split; the same arguments give the same splits.

    One label for each image: scikit-learn's splitter refuses classes of one image and splits smaller than the number of classes;
    here a class of one image trains, a class of two or more has at least one image that validates, and one of three or more at
    least one that tests. Several labels: :mod:`automl_img.data.stratified` stratifies iteratively. Groups stay together.

    Args:
        labels: The class of each image, shape (n,), or 0 and 1, shape (n, classes): training images first, then given validation
            images, then given test images.
        given: How many training, validation and test images there are. A given split stays as it is.
        validation: Share of the training images that validates, above 0 and below 1; of no effect if validation images are given.
        test: Share of the training images that tests, 0 for none; of no effect if test images are given.
        seed: Decides which images are taken.
        class_names: For messages; and a class of it without training images is an error. None: every class among ``labels``.
        groups: The group of each image, shape (n,), or None; images of one group come to one side of a split that is made here.

    Raises:
        DataError: There are fewer training images than classes, a class has none, or the shares leave nothing.
    """
    width = labels.shape[1] if labels.ndim == 2 else int(labels.max(initial=-1)) + 1
    names = list(class_names) if class_names is not None else [str(k) for k in range(width)]
    if sum(given) != len(labels):
        raise DataError("the splits do not add up to the images", found=sum(given), allowed=f"{len(labels)}")
    validation = 0.0 if given[1] else validation
    test = 0.0 if given[2] else test
    pool, given_validation, given_test = np.split(np.arange(len(labels), dtype=np.int64), np.cumsum(given)[:2])
    _refuse_shares(validation, test, given[1])
    counts = class_counts(labels[pool], len(names))
    _refuse_classes(counts, names, len(pool))
    notes: list[str] = []
    if groups is not None or labels.ndim == 2:
        own = None if groups is None else groups[pool]
        held, tested, notes = held_out(labels[pool], (validation, test), own, seed)
        held_images, tests, train = pool[held], pool[tested], pool[~(held | tested)]
    else:
        train, held_images, tests = _by_class(labels, pool, counts, (validation, test), seed, wanted=given[1] == 0)
    split = (train, given_validation if given[1] else held_images, given_test if given[2] else tests)
    if groups is not None:
        notes += shared_groups(groups, split)
    return SplitIndices(*split, notes=(*notes, *_notes(labels, split, names)))


def _by_class(
    labels: npt.NDArray[np.int64],
    pool: Indices,
    counts: Indices,
    shares: tuple[float, float],
    seed: int,
    *,
    wanted: bool,
) -> tuple[Indices, Indices, Indices]:
    """Return training, validation and test images, each class sharing in each."""
    validation, test = shares
    validating, testing = _amounts(counts, validation, wanted), _amounts(counts, test, test > 0)
    validating = np.minimum(validating, counts - 1)
    testing = np.minimum(testing, np.maximum(0, counts - 1 - validating))
    if wanted and not validating.any():
        raise DataError("no class has a second image, so none can be kept for validation", where="validation")
    if test and not testing.any():
        raise DataError("no class has a third image, so none can be kept for the test", where="test")
    parts: tuple[list[Indices], list[Indices], list[Indices]] = ([], [], [])
    random = np.random.default_rng(seed)
    by_class = np.split(pool[np.argsort(labels[pool], kind="stable")], np.cumsum(counts)[:-1])
    for ordered, held, tested in zip(by_class, validating, testing, strict=True):
        members = random.permutation(ordered)
        cuts = [len(members) - held - tested, len(members) - tested]
        for part, chosen in zip(parts, np.split(members, cuts), strict=True):
            part.append(chosen)
    train, held_out_images, tests = (np.sort(np.concatenate(part)) for part in parts)
    return train, held_out_images, tests


def _amounts(counts: Indices, share: float, wanted: bool) -> Indices:
    """Share out round(share · n) images over the classes by largest remainder; each class gives at least one if ``wanted``."""
    exact = counts * share
    amounts: Indices = np.floor(exact).astype(np.int64)
    missing = round(float(counts.sum()) * share) - int(amounts.sum())
    amounts[np.argsort(amounts - exact, kind="stable")[: max(0, missing)]] += 1
    return np.maximum(amounts, 1) if wanted else amounts


def _refuse_shares(validation: float, test: float, given_validation: int) -> None:
    if not given_validation and not 0 < validation < 1:
        raise DataError(
            "the share for validation leaves nothing", where="validation", found=validation, allowed="above 0, below 1"
        )
    if not 0 <= test < 1:
        raise DataError("the share for the test leaves nothing", where="test", found=test, allowed="from 0, below 1")
    if validation + test >= 1:
        raise DataError(
            "the shares for validation and test leave nothing to train on",
            where="validation + test",
            found=validation + test,
            allowed="below 1",
        )


def _refuse_classes(counts: Indices, names: Sequence[str], images: int) -> None:
    if images < len(names):
        raise DataError("there are fewer training images than classes", found=f"{images} images, {len(names)} classes")
    empty = [name for name, count in zip(names, counts, strict=True) if not count]
    if empty:
        raise DataError(
            f"no training image for {_listed('class', empty)}",
            hint="Add images of it to the training split, or take the class out.",
        )


def _notes(labels: npt.NDArray[Any], split: tuple[Indices, Indices, Indices], names: Sequence[str]) -> tuple[str, ...]:
    notes = []
    for part, does in ((split[1], "validates"), (split[2], "tests")):
        present = class_counts(labels[part], len(names)) > 0
        missing = [name for name, there in zip(names, present, strict=True) if not there]
        if len(part) and missing:
            notes.append(f"No image of {_listed('class', missing)} {does} the model.")
    return tuple(notes)


def _listed(word: str, names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"{word if len(names) == 1 else f'{len(names)} {word}es'} {shown}{more}"
