"""What an inspection found, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from automl_img.data.inspection.advice import Advice
from automl_img.recipe import counted

Level = Literal["problem", "warning", "note"]
Oddity = Literal["blank", "dark", "overexposed", "blurred", "small", "large file"]


@dataclass(frozen=True)
class Limits:
    """From where on something is worth a word.

    Attributes:
        few_images: Training images of a class.
        imbalance: Training images of the largest class for each one of the smallest.
        unreadable: Share of the files that may be unreadable; set by ``data.max_unreadable`` of a recipe.
        megabytes: Size of a file, in millions of bytes.
        short_edge: Pixels of an image's shorter side; counts where most images are larger.
        blank: Deviation of the grey levels, of 255, below which an image is blank.
        dark: Grey level, of 255, that 99% of an image's pixels are at most at.
        bright: Grey level, of 255, that 95% of an image's pixels are at least at.
        blur: Deviation of the Laplacian for each grey level of the image's own deviation, below which it is blurred; judged of images
            of at least 64 pixels a side, scaled to at most 512.
        stretch: Factor by which one size for all stretches an image.
        near: Share of the usual distance to the nearest neighbour below which images are nearly the same; 0: only exact ones.
    """

    few_images: int = 30
    imbalance: float = 10.0
    unreadable: float = 0.05
    megabytes: float = 6.0
    short_edge: int = 256
    blank: float = 2.0
    dark: float = 40.0
    bright: float = 250.0
    blur: float = 0.04
    stretch: float = 1.5
    near: float = 0.12


@dataclass(frozen=True)
class Member:
    """One image of the data set.

    Attributes:
        split: "train", "validation" or "test".
        position: Its place in the split.
        path: Its file; empty for arrays.
        label: What it is called; several labels are joined by a comma.
    """

    split: str
    position: int
    path: str
    label: str


@dataclass(frozen=True)
class Unreadable:
    """A file that gives no image: what kind of trouble it is, and the reason in words."""

    image: Member
    kind: str
    reason: str


@dataclass(frozen=True)
class Misnamed:
    """A file whose ending says something else than its content."""

    image: Member
    ending: str
    content: str


@dataclass(frozen=True)
class Odd:
    """An image that looks as if something had gone wrong; ``reason`` says what was measured."""

    image: Member
    kind: Oddity
    reason: str


@dataclass(frozen=True)
class DuplicateGroup:
    """Images that are the same picture.

    Attributes:
        members: Up to :data:`automl_img.data.inspection.collecting.SHOWN_MEMBERS` of them.
        count: How many there are.
        exact: Whether all have the same pixels.
        between_splits: Whether they lie in more than one split.
        different_labels: Whether they are labelled differently.
    """

    members: tuple[Member, ...]
    count: int
    exact: bool
    between_splits: bool
    different_labels: bool


@dataclass(frozen=True)
class Shapes:
    """Sizes of the images, EXIF orientation applied.

    Attributes:
        smallest, median, largest: (height, width) in pixels, each side taken by itself.
        aspects: Least, median and largest width for a height of 1.
        edges: Borders of the histogram's bins, longer side in pixels; one more than ``counts``.
        counts: Images in each bin.
        aspect_edges: Borders between the bins of another histogram, width for a height of 1; one fewer than ``aspect_counts``.
        aspect_counts: Images in each of those bins.
        points: Up to 400 (width, height, images), the commonest sizes first.
        differ: Share of the images that one size for all stretches beyond the limit.
    """

    smallest: tuple[int, int]
    median: tuple[int, int]
    largest: tuple[int, int]
    aspects: tuple[float, float, float]
    edges: tuple[int, ...]
    counts: tuple[int, ...]
    aspect_edges: tuple[float, ...]
    aspect_counts: tuple[int, ...]
    points: tuple[tuple[int, int, int], ...]
    differ: float


@dataclass(frozen=True)
class Finding:
    """One thing to know.

    Attributes:
        level: "problem": makes results worthless or stops a search; "warning": may cost; "note": good to know.
        kind: A short name.
        count: How many images, files, groups or classes it is about.
        sentence: It in words, with the reason.
    """

    level: Level
    kind: str
    count: int
    sentence: str


@dataclass(frozen=True)
class Inspection:
    """Everything that was found; nothing was changed.

    Attributes:
        name: Name of the data set.
        task: What the labels mean.
        class_names: The classes.
        counts: Split → images of each class, in the order of ``class_names``.
        images: Split → number of images.
        looked: Images that were looked at.
        sampled: Whether these are a sample, because of ``sample`` or ``seconds``.
        imbalance: Training images of the largest class for each one of the smallest.
        shapes: Sizes; None if no image could be read.
        channels: 1 if all images are grey, else 3.
        mean, deviation: Of each channel, each image counting alike, on the scale 0 to 255.
        formats: Format by content → files; empty for arrays.
        bytes: Of all files that were looked at.
        largest_file: The largest file and its bytes; None for arrays.
        totals: Kind of trouble → number, exact even where the lists below are cut off.
        unreadable, misnamed, odd, duplicates: The first of each kind; the worst duplicates first.
        near: Distance of thumbnails below which images counted as nearly the same.
        findings: What to know, the worst first.
        limits: By which it was judged.
        notes: What the source said.
        unusable: Why a search cannot use it; empty if it can.
        seconds: How long it took.
        advice: What to do with the data; None where that was not asked for.
    """

    name: str
    task: str
    class_names: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    images: Mapping[str, int]
    looked: int
    sampled: bool
    imbalance: float
    shapes: Shapes | None
    channels: int
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    formats: Mapping[str, int]
    bytes: int
    largest_file: tuple[Member, int] | None
    totals: Mapping[str, int]
    unreadable: tuple[Unreadable, ...]
    misnamed: tuple[Misnamed, ...]
    odd: tuple[Odd, ...]
    duplicates: tuple[DuplicateGroup, ...]
    near: float
    findings: tuple[Finding, ...]
    limits: Limits
    notes: tuple[str, ...]
    unusable: str
    seconds: float
    advice: Advice | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """The sentences of all problems and warnings."""
        return tuple(finding.sentence for finding in self.findings if finding.level != "note")

    @property
    def verdict(self) -> str:
        """The answer in one sentence."""
        if self.unusable:
            return f"Not usable: {self.unusable}."
        problems = sum(finding.level == "problem" for finding in self.findings)
        warnings = sum(finding.level == "warning" for finding in self.findings)
        if problems:
            return f"Mend {counted(problems, 'thing')} first: results would not mean what they say."
        if warnings:
            return f"Ready to train, with {counted(warnings, 'warning')}."
        return "Ready to train."

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        facts: dict[str, Any] = _plain(dataclasses.asdict(self))
        facts["counts"] = {
            split: dict(zip(self.class_names, counts, strict=True)) for split, counts in self.counts.items()
        }
        return {"verdict": self.verdict, **facts}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
