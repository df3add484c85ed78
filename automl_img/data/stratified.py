"""Holds images out where a class-by-class draw does not do: images with several labels, and images that belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import DataError

Labels = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Groups = npt.NDArray[np.int64]

ALONE = "Each group has all images of some class: see whether data.options.group names the right column."


def class_counts(labels: Labels, classes: int) -> npt.NDArray[np.int64]:
    """Return the number of images of each class, from indices, shape (n,), or a matrix of 0 and 1, shape (n, classes)."""
    counts: npt.NDArray[np.int64] = (
        labels.sum(axis=0, dtype=np.int64) if labels.ndim == 2 else np.bincount(labels, minlength=classes)
    )
    return counts


def held_out(
    labels: Labels, shares: tuple[float, float], groups: Groups | None, seed: int
) -> tuple[Mask, Mask, list[str]]:
    """Return which images validate and which test, as masks of shape (n,), and notes.

    Args:
        labels: Indices, shape (n,), or 0 and 1, shape (n, classes).
        shares: Of the images that validate, and that test; 0 for none.
        groups: The group of each image, shape (n,); None: each image stands for itself.
        seed: Decides which images are taken.

    Raises:
        DataError: Too few images or groups to hold any out.
    """
    validation, test = shares
    tests = np.zeros(len(labels), bool)
    notes: list[str] = []
    if test:
        tests = _one(labels, test, groups, seed, "test")
    rest = np.flatnonzero(~tests)
    validates = np.zeros(len(labels), bool)
    if validation:
        left = groups[rest] if groups is not None else None
        validates[rest] = _one(labels[rest], validation / (1 - test), left, seed + 1, "validation")
    if groups is not None:
        for does, mask, share in (("validate", validates, validation), ("test", tests, test)):
            if share:
                found = f"{mask.mean():.1%} of the images {does} the model"
                notes.append(f"Groups stay together: {found}, {share:.1%} were asked for.")
    return validates, tests, notes


def shared_groups(groups: Groups, split: tuple[npt.NDArray[np.int64], ...]) -> list[str]:
    """Return a warning if images of one group are both in the training images and in those of a given split."""
    notes = []
    for part, does in zip(split[1:], ("validation", "test"), strict=True):
        shared = np.intersect1d(groups[split[0]], groups[part])
        if len(shared):
            notes.append(
                f"{len(shared):,} groups have images in both the training and the given {does} split: its figures will be too good."
            )
    return notes


def _one(labels: Labels, share: float, groups: Groups | None, seed: int, where: str) -> Mask:
    held = np.zeros(len(labels), bool)
    free = np.flatnonzero(~_indispensable(labels, groups))
    wanted = round(share * len(labels))
    if not wanted or len(free) < 2:
        raise DataError(
            "no image can be held out without leaving a class without training images",
            where=where,
            found=len(labels),
            hint=ALONE if groups is not None and not len(free) else "",
        )
    if groups is not None:
        held[free] = _by_group(labels[free], groups[free], wanted, seed, where)
        _put_back(held, labels, groups)
    else:
        wanted = min(wanted, len(free) - 1)
        held[free] = _iterative(labels[free], wanted, seed)
        if not held.any():
            held = _spared(labels, free, wanted, seed)
    return held


def _indispensable(labels: Labels, groups: Groups | None) -> Mask:
    """Return the images that must train: those of a class that one image, or one group, has alone."""
    own = np.arange(len(labels)) if groups is None else groups
    alone = np.zeros(len(labels), bool)
    for members in _members(labels):
        holders = np.unique(own[members])
        if len(holders) == 1:
            alone |= own == holders[0]
    return alone


def _members(labels: Labels) -> list[npt.NDArray[np.int64]]:
    """Return the images of each class that has any."""
    if labels.ndim == 2:
        return [found for column in labels.T if len(found := np.flatnonzero(column))]
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []


def _iterative(labels: Labels, wanted: int, seed: int) -> Mask:
    """Hold images out so that each class keeps its share.

    Source: Sechidis, Tsoumakas, Vlahavas: On the Stratification of Multi-Label Data, 2011; package iterative-stratification.
    """
    from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit

    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=wanted, random_state=seed)
    _, chosen = next(splitter.split(np.zeros(len(labels)), labels))
    held = np.zeros(len(labels), bool)
    held[chosen] = True
    return held


def _spared(labels: Labels, free: npt.NDArray[np.int64], wanted: int, seed: int) -> Mask:
    """Hold images out at random, at most so many, and none that has a label which no other image is left to train.

    Where each label has few images, stratification leaves all of them to the training, which always wants more of a label. One image at
    least is held out here, since each label of the images in ``free`` has another, see :func:`_indispensable`.
    """
    held = np.zeros(len(labels), bool)
    left = labels.sum(axis=0, dtype=np.int64)
    for image in np.random.default_rng(seed).permutation(free):
        if held.sum() < wanted and (left[labels[image] > 0] > 1).all():
            held[image] = True
            left -= labels[image]
    return held


def _by_group(labels: Labels, groups: Groups, wanted: int, seed: int, where: str) -> Mask:
    """Hold whole groups out; with several labels, an image is stratified by its rarest one.

    scikit-learn makes no more folds than the largest class has images: of small classes more are held out than ``wanted``, at most
    about one image of each. The largest group is mostly in its first fold, which may be far too large.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    there = len(np.unique(groups))
    if there < 2:
        raise DataError("there are too few groups to hold one out", where=where, found=there, allowed="2 or more")
    strata = _dense(_rarest(labels) if labels.ndim == 2 else labels)
    folds = min(there, max(2, round(len(labels) / wanted)), int(np.bincount(strata).max()))
    if folds < 2:
        return _drawn(groups, wanted, seed)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer images than folds: it is not in every fold
        parts = [part for _, part in splitter.split(np.zeros(len(labels)), strata, groups)]
    held = np.zeros(len(labels), bool)
    held[min(filter(len, parts), key=lambda part: abs(len(part) - wanted))] = True
    return held


def _drawn(groups: Groups, wanted: int, seed: int) -> Mask:
    """Hold groups out at random until so many images are, and leave one group at least."""
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))[:-1]
    enough = int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1
    return np.isin(groups, names[order[:enough]])


def _put_back(held: Mask, labels: Labels, groups: Groups) -> None:
    """Let the smallest group of each class train that was held out as a whole.

    Such a class is in several groups, see :func:`_indispensable`, so that others of them stay held out.
    """
    for members in _members(labels):
        if held[members].all():
            smallest = min(np.unique(groups[members]), key=lambda group: np.count_nonzero(groups == group))
            held[groups == smallest] = False


def _rarest(labels: Labels) -> npt.NDArray[np.int64]:
    """Return the column of each image's rarest label; one more than the last for an image without labels."""
    counts = labels.sum(axis=0, dtype=np.int64)
    cost = np.where(labels > 0, counts, len(labels) + 1)
    rarest: npt.NDArray[np.int64] = np.where(labels.any(axis=1), cost.argmin(axis=1), labels.shape[1])
    return rarest


def _dense(strata: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.unique(strata, return_inverse=True)[1].astype(np.int64)
