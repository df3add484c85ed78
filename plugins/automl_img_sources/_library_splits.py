"""The splits of a data set from another library, under our names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from automl_img.plugin import SPLIT_NAMES, DataError, ImageDataset, Split

Loaded = tuple[Any, Sequence[Any], Sequence[str] | None]  # images, labels, groups


def our_splits(names: Iterable[str], where: str) -> tuple[dict[str, str], list[str]]:
    """Return "train", "validation" and "test" → the library's name for it, and notes.

    A single split trains, whatever its name. Splits of other names are told and not used.

    Raises:
        DataError: There is none to train on, or two mean the same.
    """
    names = list(names)
    if len(names) == 1:
        return {"train": names[0]}, []
    ours: dict[str, str] = {}
    unused = []
    for name in names:
        split = SPLIT_NAMES.get(name.strip().lower())
        if split is None:
            unused.append(name)
        elif split in ours:
            raise DataError(f"two splits mean {split}", where=where, found=f"{ours[split]}, {name}")
        else:
            ours[split] = name
    if "train" not in ours:
        raise DataError("there is no split to train on", where=where, found=", ".join(names) or "none", allowed="train")
    notes = [f"The splits {', '.join(unused)} were not used: train, validation and test are."] if unused else []
    return ours, notes


def labelled_only(split: str, loaded: Loaded, notes: list[str]) -> Split | None:
    """Return a split without the images whose label is None, which is told; None if no image is left."""
    images, labels, groups = loaded
    known = [place for place, label in enumerate(labels) if label is not None]
    if len(known) == len(labels):
        return Split(images, labels, groups)
    if not known:
        notes.append(f"The split {split} was not used: its images have no labels.")
        return None
    notes.append(f"Left out: {len(labels) - len(known):,} of {len(labels):,} images of {split}, which have no label.")
    chosen = images[known] if hasattr(images, "dtype") else [images[place] for place in known]
    return Split(chosen, [labels[place] for place in known], None if groups is None else [groups[p] for p in known])


def assembled(
    name: str, class_names: Sequence[str], splits: dict[str, Split | None], task: str, notes: Iterable[str]
) -> ImageDataset:
    """Return the data set of splits, of which the one to train on must have labels.

    Raises:
        DataError: It has none.
    """
    train = splits.get("train")
    if train is None:
        raise DataError("no image to train on has a label", where=name)
    return ImageDataset(
        name, tuple(class_names), train, splits.get("validation"), splits.get("test"), tuple(notes), task
    )
