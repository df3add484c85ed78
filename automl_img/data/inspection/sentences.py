"""Says in sentences what an inspection found, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from automl_img.data.inspection.collecting import Evidence
from automl_img.data.inspection.findings import Finding, Level, Limits, Shapes
from automl_img.data.preparing import group_numbers
from automl_img.data.splits import make_splits
from automl_img.errors import DataError
from automl_img.recipe import counted

GRAVE = 0.01  # share of a split's images from which duplicates make a figure worthless
NAMED = 5  # classes that a sentence names
LEVELS: tuple[Level, ...] = ("problem", "warning", "note")

ODDITIES = {
    "blank": ("is blank, of one colour", "are blank, of one colour", "They teach nothing."),
    "dark": ("is almost black", "are almost black", "See whether anything can be made out."),
    "overexposed": ("is almost white", "are almost white", "See whether anything can be made out."),
    "blurred": ("is blurred", "are blurred", "See whether anything can be made out."),
}


def findings(evidence: Evidence, shapes: Shapes | None, misnamed: int, odd: Mapping[str, int]) -> tuple[Finding, ...]:
    """Return everything worth a sentence.

    Args:
        evidence: What was seen.
        shapes: Sizes of the images.
        misnamed: Files whose ending does not fit.
        odd: Oddity → images.
    """
    names, limits = evidence.dataset.class_names, evidence.limits
    training = evidence.counts(np.flatnonzero(evidence.split_of == 0))
    found = [
        *_leaks(evidence),
        *_disagreements(evidence),
        *_unreadable(evidence),
        *class_findings(training, names, limits),
        *_odd(odd, limits),
        *_stretched(shapes, limits),
        *_copies(evidence),
    ]
    if misnamed:
        ending = f"{counted(misnamed, 'file has', 'files have')} an ending that does not fit the content"
        found.append(Finding("note", "misnamed", misnamed, f"{ending}; the content counts."))
    if evidence.sampled:
        looked, total = evidence.look.looked, len(evidence.look)
        sentence = f"A sample was looked at: {looked:,} of {total:,} images. Duplicates were searched for within it."
        found.append(Finding("note", "sample", looked, sentence))
    return tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level)))


def unusable(evidence: Evidence) -> str:
    """Say why a search cannot use the images, without a full stop; empty if it can."""
    look, names = evidence.look, evidence.dataset.class_names
    in_training = evidence.split_of == 0
    before = evidence.counts(np.flatnonzero(in_training))
    if before.min() == 0:
        return f"class {names[int(before.argmin())]!r} has no training image"
    if int(in_training.sum()) < len(names):
        return f"there are fewer training images, {int(in_training.sum())}, than classes, {len(names)}"
    if len(look.failed) > evidence.limits.unreadable * look.looked:
        share = f"more than the {evidence.limits.unreadable:.0%} that may be set aside"
        return f"{len(look.failed):,} of {look.looked:,} image files cannot be read, {share}"
    failed = np.zeros(len(look), bool)
    failed[list(look.failed)] = True
    after = evidence.counts(np.flatnonzero(in_training & ~failed))
    return f"no training image of class {names[int(after.argmin())]!r} can be read" if after.min() == 0 else ""


def undrawable(evidence: Evidence, shares: tuple[float, float], seed: int) -> str:
    """Say why a search cannot draw its validation and test images, without a full stop; empty if it can.

    Args:
        evidence: What was seen; what could not be read is set aside by a search.
        shares: Of the training images that validate, and that test.
        seed: Of the draw.
    """
    look = evidence.look
    kept = np.ones(len(look), bool)
    kept[list(look.failed)] = False
    sizes = {name: int(kept[first : first + len(split)].sum()) for name, split, first in look.starts()}
    groups = group_numbers(list(look.splits.values()))
    try:
        make_splits(
            evidence.labels[kept],
            (sizes["train"], sizes.get("validation", 0), sizes.get("test", 0)),
            validation=shares[0],
            test=shares[1],
            seed=seed,
            class_names=evidence.dataset.class_names,
            groups=None if groups is None else groups[kept],
        )
    except DataError as error:
        return str(error).rstrip(".")
    return ""


def class_findings(counts: npt.NDArray[np.int64], names: Sequence[str], limits: Limits) -> list[Finding]:
    """Return what is to be said of training images of each class; ``counts`` of shape (classes,)."""
    found = []
    few = np.flatnonzero(counts < limits.few_images)
    if len(few):
        rarest = few[np.argsort(counts[few], kind="stable")]
        shown = ", ".join(f"{names[place]!r} ({counts[place]})" for place in rarest[:NAMED])
        more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
        sentence = (
            f"Fewer than {limits.few_images} training images of {shown}{more}. Their F1 will vary much by chance."
        )
        found.append(Finding("warning", "few images", len(few), sentence))
    smallest = counts[counts > 0].min(initial=counts.max())
    if smallest and counts.max() / smallest > limits.imbalance:
        large, small = names[int(counts.argmax())], names[int(np.flatnonzero(counts == smallest)[0])]
        ratio = f"{large!r} has {counts.max() / smallest:.0f} times the images of {small!r}"
        sentence = f"The classes are imbalanced: {ratio}. The search tries weights and drawing rare classes more often."
        found.append(Finding("warning", "imbalance", 1, sentence))
    return found


def _leaks(evidence: Evidence) -> list[Finding]:
    found = []
    least, looked = ("At least ", " looked at") if evidence.sampled else ("", "")
    for split, (count, images) in evidence.leaked().items():
        if count:
            level: Level = "problem" if _in_all(count, evidence) >= GRAVE * images else "warning"
            share = f"{least}{count:,} of {images:,} {split} images{looked} ({count / images:.1%})"
            verb = "is" if count == 1 else "are"
            effect = "the test is" if split == "test" else "validation is"
            sentence = f"{share} {verb} also in train, the same or nearly: {effect} easier than new images will be."
            found.append(Finding(level, f"train in {split}", count, sentence))
    return found


def _in_all(count: int, evidence: Evidence) -> float:
    """Return how many images would have a copy in train if all of train had been looked at, and not a sample."""
    return count / max(1e-9, evidence.train_share)


def _disagreements(evidence: Evidence) -> list[Finding]:
    _, _, _, differ = evidence.group_facts
    count = int(differ.sum())
    if not count:
        return []
    exact = int((differ & evidence.groups.exact).sum())
    level: Level = "problem" if count >= GRAVE * len(evidence.seen) else "warning"
    there = f"{counted(count, 'picture is', 'pictures are')} there more than once"
    if count == exact:
        sentence = f"{there} with different labels: at most one of the labels is right."
    else:
        certainty = f" ({exact:,} with the very same pixels)" if exact else ""
        unless = "at most one of the labels is right, unless the little in which they differ decides"
        sentence = f"{there}, or nearly, with different labels{certainty}: {unless}."
    return [Finding(level, "different labels", count, sentence)]


def _copies(evidence: Evidence) -> list[Finding]:
    parted, training = evidence.parted(), np.count_nonzero(evidence.split_of[evidence.seen] == 0)
    if evidence.dataset.validation is None and parted and _in_all(parted, evidence) >= GRAVE * training:
        drawn = "validation images" if evidence.dataset.test is not None else "validation and test images"
        effect = f"The {drawn} that are drawn from them will be copies of those that train."
        advice = "Name the group of each image, which keeps copies together, or take them out."
        return [Finding("warning", "copies", parted, f"{_repeating(parted, evidence)} {effect} {advice}")]
    places, starts, between, differ = evidence.group_facts
    sizes = np.diff(np.append(starts, len(places)))
    more = int((sizes - 1)[~between & ~differ].sum())
    return [Finding("note", "copies", more, f"{_repeating(more, evidence)} They count double.")] if more else []


def _repeating(count: int, evidence: Evidence) -> str:
    images = counted(count, "image repeats", "images repeat")
    if evidence.sampled:
        verb = "repeats" if count == 1 else "repeat"
        images = f"At least {count:,} of {evidence.look.looked:,} images looked at {verb}"
    return f"{images} another of the same split and label, or nearly."


def _unreadable(evidence: Evidence) -> list[Finding]:
    count = len(evidence.look.failed)
    if not count:
        return []
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in evidence.unreadable()[1].items())
    sentence = f"{counted(count, 'file cannot', 'files cannot')} be read ({kinds}): set aside by a search."
    return [Finding("warning", "unreadable", count, sentence)]


def _odd(odd: Mapping[str, int], limits: Limits) -> list[Finding]:
    found = []
    for kind, count in odd.items():
        if kind in ODDITIES:
            one, many, advice = ODDITIES[kind]
            sentence = f"{counted(count, f'image {one}', f'images {many}')}. {advice}"
        elif kind == "small":
            less = f"less than {limits.short_edge} pixels at the shorter side, unlike most"
            sentence = f"{counted(count, 'image has', 'images have')} {less}: less detail than the others."
        else:
            larger = f"larger than {limits.megabytes:g} MB"
            sentence = f"{counted(count, 'file is', 'files are')} {larger}: decoding takes its time."
        found.append(Finding("warning", kind, count, sentence))
    return found


def _stretched(shapes: Shapes | None, limits: Limits) -> list[Finding]:
    if shapes is None or shapes.differ <= 0.1:
        return []
    share = f"{shapes.differ:.0%} are stretched or squeezed by more than {limits.stretch:g} to fit one size"
    return [Finding("warning", "shapes", 1, f"The images differ in shape: {share}.")]
