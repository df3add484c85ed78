"""An inspection as one HTML page: figures, advice, findings with pictures, classes, sizes and samples."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_img.data.inspection import Inspection
from automl_img.data.inspection.findings import DuplicateGroup, Member
from automl_img.plugin import ImageDataset
from automl_img.report.charts import aspect_bars, class_table, format_bars, size_bars
from automl_img.report.facts import facts_of, mood
from automl_img.report.pictures import Pictures
from automl_img.report.rendering import render

TEMPLATE = "analysis.html.j2"
PICTURE_BYTES = 1_800_000
SHOWN_GROUPS, SHOWN_MEMBERS = 12, 4  # of each kind of duplicates
SHOWN_ODD, SHOWN_FILES, SHOWN_NOTES = 12, 50, 20
SAMPLED_CLASSES, SAMPLES = 24, 12

#: Kind of a finding → which duplicates are its examples.
GROUPS: dict[str, Callable[[DuplicateGroup], bool]] = {
    "train in test": lambda group: group.between_splits and {"train", "test"} <= _splits(group),
    "train in validation": lambda group: group.between_splits and {"train", "validation"} <= _splits(group),
    "different labels": lambda group: group.different_labels,
    "copies": lambda group: not group.between_splits and not group.different_labels,
}


@dataclass(frozen=True)
class Shown:
    """An image on the page.

    Attributes:
        uri: The picture as a data URI.
        enlarged: Whether its pixels are shown as they are.
        name: Its file, or its place in an array.
        split: The split that it is in.
        label: What it is called.
        reason: What is to be said of it.
    """

    uri: str
    enlarged: bool
    name: str
    split: str
    label: str
    reason: str = ""


@dataclass(frozen=True)
class FindingView:
    """A finding with its examples.

    Attributes:
        level: How grave it is.
        sentence: It in words.
        groups: Images that are the same, side by side.
        images: Images that it is about.
        files: Names and reasons of files that cannot be shown.
        more: How many examples are not shown, in words.
    """

    level: str
    sentence: str
    groups: tuple[tuple[Shown, ...], ...] = ()
    images: tuple[Shown, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    more: str = ""


@dataclass(frozen=True)
class Sample:
    """Some training images of one class."""

    name: str
    count: int
    images: tuple[Shown, ...]


def analysis_page(found: Inspection, dataset: ImageDataset, *, picture_bytes: int = PICTURE_BYTES) -> str:
    """Return a page on ``found`` that needs nothing from outside: text, charts and small pictures in one file of about 2 MB at most.

    Args:
        found: What was found.
        dataset: The checked images that it was found in; those shown are read again, and left out where that fails.
        picture_bytes: What all pictures together may take; half of it is kept for the samples of the classes.
    """
    page = _Page(found, dataset, picture_bytes // 2)
    return render(
        TEMPLATE,
        found=found,
        total=sum(found.images.values()),
        facts=facts_of(found),
        mood=mood(found),
        folder=page.folder,
        findings=page.findings(),
        samples=page.samples(),
        classes=class_table(found.class_names, found.counts),
        sizes=size_bars(found.shapes) if found.shapes else (),
        aspects=aspect_bars(found.shapes) if found.shapes else (),
        formats=format_bars(found.formats),
        notes=found.notes[:SHOWN_NOTES],
        left_out=page.pictures.left_out,
    )


class _Page:
    """Chooses what a page shows."""

    def __init__(self, found: Inspection, dataset: ImageDataset, limit: int) -> None:
        self.found = found
        self.dataset = dataset
        self.limit = limit
        self.pictures = Pictures(dataset, limit=limit)
        self.folder = _common_folder(dataset)

    def findings(self) -> list[FindingView]:
        """Return the findings with their examples, the worst first."""
        return [self._finding(one.level, one.kind, one.sentence) for one in self.found.findings]

    def _finding(self, level: str, kind: str, sentence: str) -> FindingView:
        found = self.found
        if kind in GROUPS:
            groups = [group for group in found.duplicates if GROUPS[kind](group)]
            shown = [self._group(group, kind) for group in groups[:SHOWN_GROUPS]]
            pairs = tuple(images for images in shown if images)
            cut = self._is_cut(kind)
            return FindingView(level, sentence, groups=pairs, more=_more(len(groups) - len(pairs), "groups", cut=cut))
        if kind in ("unreadable", "misnamed"):
            files: list[Any] = list(found.unreadable if kind == "unreadable" else found.misnamed)
            rows = tuple((self._name(file.image), _why(file)) for file in files[:SHOWN_FILES])
            return FindingView(level, sentence, files=rows, more=_more(found.totals[kind] - len(rows), "files"))
        odd = [one for one in found.odd if one.kind == kind]
        images = tuple(self._all((one.image, one.reason) for one in odd[:SHOWN_ODD]))
        more = found.totals.get(kind, len(odd)) - len(images) if odd else 0
        return FindingView(level, sentence, images=images, more=_more(more, "images"))

    def _is_cut(self, kind: str) -> bool:
        """Whether groups of this kind may not be listed: of too many, those between splits or labels are listed first."""
        listed, totals = self.found.duplicates, self.found.totals
        if kind == "copies":
            return len(listed) < totals["duplicate groups"]
        if kind == "different labels":
            return sum(group.different_labels for group in listed) < totals["duplicate groups, different labels"]
        return sum(group.between_splits for group in listed) < totals["duplicate groups, between splits"]

    def _group(self, group: DuplicateGroup, kind: str) -> tuple[Shown, ...]:
        members = group.members
        if kind == "different labels":  # one of each label first
            first = {member.label: member for member in reversed(members)}
            members = (*reversed(first.values()), *(one for one in members if one not in first.values()))
        shown = tuple(self._all((member, "") for member in members[:SHOWN_MEMBERS]))
        return shown if len(shown) > 1 else ()

    def samples(self) -> list[Sample]:
        """Return training images of the classes, drawn evenly over each; of many classes, the largest and the smallest."""
        self.pictures.allow(self.limit)
        counts = self.found.counts["train"]
        order = sorted(range(len(counts)), key=lambda place: (-counts[place], place))
        half = SAMPLED_CLASSES // 2
        chosen = order if len(order) <= SAMPLED_CLASSES else [*order[:half], *order[-half:]]
        labels = np.asarray(self.dataset.train.labels)
        return [self._sample(labels, place, counts[place]) for place in chosen]

    def _sample(self, labels: Any, place: int, count: int) -> Sample:
        inside = np.flatnonzero(labels[:, place] if labels.ndim == 2 else labels == place)
        chosen = inside[np.unique(np.linspace(0, len(inside) - 1, SAMPLES).astype(np.int64))] if len(inside) else inside
        name, split = self.found.class_names[place], self.dataset.train
        paths = ["" if isinstance(split.images, np.ndarray) else os.fspath(split.images[one]) for one in chosen]
        members = [
            Member("train", int(one), path, self._labels(labels[one])) for one, path in zip(chosen, paths, strict=True)
        ]
        return Sample(name, count, tuple(self._all((member, "") for member in members)))

    def _labels(self, label: Any) -> str:
        places = np.flatnonzero(label) if np.ndim(label) else [int(label)]
        return ", ".join(self.found.class_names[place] for place in places)

    def _all(self, members: Iterable[tuple[Member, str]]) -> Iterable[Shown]:
        for member, reason in members:
            picture = self.pictures.of(member.split, member.position)
            if picture is not None:
                yield Shown(*picture, self._name(member), member.split, member.label, reason)

    def _name(self, member: Member) -> str:
        if not member.path:
            return f"image {member.position:,}"
        return os.path.relpath(member.path, self.folder) if self.folder else member.path


def _more(count: int, things: str, *, cut: bool = False) -> str:
    """Say how many are not shown; ``cut``: there may be others that were not listed."""
    if count <= 0 and not cut:
        return ""
    return f"{'At least ' if cut else ''}{max(count, 1):,} more {things if count > 1 else things[:-1]} not shown here."


def _splits(group: DuplicateGroup) -> set[str]:
    return {member.split for member in group.members}


def _why(file: Any) -> str:
    return file.reason if hasattr(file, "reason") else f"its ending says {file.ending}, its content is {file.content}"


def _common_folder(dataset: ImageDataset) -> str:
    """Return the folder that all files lie in; empty for arrays, and where there is none."""
    splits: Sequence[Any] = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    folders = {
        os.path.dirname(path)  # noqa: PTH120 (ten times as fast)
        for split in splits
        if not isinstance(split.images, np.ndarray)
        for path in split.images
    }
    try:
        return os.path.commonpath(folders) if folders else ""
    except ValueError:  # absolute and relative paths, or several drives
        return ""
