"""Looks at all images of a data set and says what is there and what is wrong. Nothing is changed."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np

from automl_img.data.inspection.advice import Advice, advise
from automl_img.data.inspection.changes import judge_changes
from automl_img.data.inspection.collecting import Evidence
from automl_img.data.inspection.duplicates import find_duplicates
from automl_img.data.inspection.findings import Inspection, Limits
from automl_img.data.inspection.looking import Clock, Look, chosen_places
from automl_img.data.inspection.sentences import findings, undrawable, unusable
from automl_img.plugin import ImageDataset

LOOKING_SHARE = 0.7  # of the seconds; the rest is for duplicates


def inspect_dataset(
    dataset: ImageDataset,
    *,
    limits: Limits | None = None,
    sample: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    advice: bool = False,
    shares: tuple[float, float] | None = None,
    clock: Clock = time.monotonic,
) -> Inspection:
    """Look at all images of a checked data set, see :func:`automl_img.data.arrays.validated`.

    Args:
        dataset: The data set. Its labels are indices, int64 of shape (n,), or 0 and 1, uint8 of shape (n, classes).
        limits: From where on something is worth a word; None: the usual ones.
        sample: The most images that are looked at, chosen at random; None: all.
        seconds: About how long it may take. The images are then read in random order until the time is up; what was read by then is
            the sample.
        seed: Decides what is sampled.
        progress: Called with the images done and the images in all.
        advice: Whether to say what to do, too; a search measures the same with its networks, and leaves it out.
        shares: Of the training images that a search is to draw for validation and test, to see whether it can; None: a search that
            draws them anyway.
        clock: Gives seconds.

    Returns:
        What was found; an image that cannot be read is part of it, not an error.
    """
    began = clock()
    limits = limits or Limits()
    splits = {
        name: split
        for name in ("train", "validation", "test")
        if (split := getattr(dataset, name)) is not None and len(split)
    }
    look = Look(splits)
    places = chosen_places(len(look), sample=sample, shuffled=seconds is not None, seed=seed)
    until = None if seconds is None else began + LOOKING_SHARE * seconds
    look.read(places, progress, until, clock)
    groups = find_duplicates(look.records, look.thumbs, near=limits.near, blank=limits.blank, seed=seed)
    evidence = Evidence(dataset, look, groups, limits)
    found = _inspection(evidence)
    if shares is not None and not found.unusable:
        found = dataclasses.replace(found, unusable=undrawable(evidence, shares, seed))
    said = _advice(evidence, found, seed) if advice else None
    return dataclasses.replace(found, seconds=clock() - began, advice=said)


def _inspection(evidence: Evidence) -> Inspection:
    dataset, look = evidence.dataset, evidence.look
    counts = {name: evidence.counts(np.arange(first, first + len(split))) for name, split, first in look.starts()}
    shapes = evidence.shapes()
    channels, mean, deviation = evidence.channel_statistics()
    formats, total_bytes, largest_file = evidence.files()
    unreadable, troubles = evidence.unreadable()
    misnamed, misnamed_count = evidence.misnamed()
    odd, odd_counts = evidence.odd()
    _, _, between, differ = evidence.group_facts
    present = counts["train"][counts["train"] > 0]
    totals = {
        "unreadable": len(look.failed),
        **troubles,
        "misnamed": misnamed_count,
        **odd_counts,
        "duplicate groups": len(between),
        "duplicate groups, exact": int(evidence.groups.exact.sum()),
        "duplicate groups, between splits": int(between.sum()),
        "duplicate groups, different labels": int(differ.sum()),
        **{f"{split} images also in train": count for split, (count, _) in evidence.leaked().items()},
    }
    return Inspection(
        name=dataset.name,
        task=dataset.task,
        class_names=dataset.class_names,
        counts={name: tuple(map(int, each)) for name, each in counts.items()},
        images={name: len(split) for name, split in look.splits.items()},
        looked=look.looked,
        sampled=evidence.sampled,
        imbalance=float(present.max() / present.min()) if len(present) else 1.0,
        shapes=shapes,
        channels=channels,
        mean=mean,
        deviation=deviation,
        formats=formats,
        bytes=total_bytes,
        largest_file=largest_file,
        totals=totals,
        unreadable=unreadable,
        misnamed=misnamed,
        odd=odd,
        duplicates=evidence.duplicates(),
        near=evidence.groups.distance,
        findings=findings(evidence, shapes, misnamed_count, odd_counts),
        limits=evidence.limits,
        notes=dataset.notes,
        unusable=unusable(evidence),
        seconds=0.0,
    )


def _advice(evidence: Evidence, found: Inspection, seed: int) -> Advice:
    shapes, training = found.shapes, evidence.seen[evidence.split_of[evidence.seen] == 0]
    training = evidence.groups.without_repeats(training)
    changes = judge_changes(evidence.look.thumbs[training], evidence.labels[training], found.class_names, seed=seed)
    return advise(
        task=found.task,
        classes=len(found.class_names),
        images=found.images["train"],
        with_test="test" in found.images,
        median=shapes.median if shapes else evidence.look.thumbs.shape[1:3],
        channels=found.channels,
        imbalance=found.imbalance,
        changes=changes,
    )
