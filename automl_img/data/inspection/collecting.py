"""Puts together, from what was measured of each image, what a person should see."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.data.inspection.duplicates import Groups
from automl_img.data.inspection.findings import (
    DuplicateGroup,
    Limits,
    Member,
    Misnamed,
    Odd,
    Oddity,
    Shapes,
    Unreadable,
)
from automl_img.data.inspection.looking import Look
from automl_img.data.stratified import class_counts
from automl_img.plugin import ImageDataset

SHOWN_UNREADABLE, SHOWN_MISNAMED, SHOWN_ODD = 1_000, 200, 200  # of each kind, with their names
SHOWN_GROUPS, SHOWN_MEMBERS = 500, 12
BINS, POINTS = 16, 400
ASPECTS = (0.4, 0.56, 0.7, 0.85, 0.98, 1.02, 1.18, 1.43, 1.8, 2.5)  # borders between bins of width over height
JUDGED_SIDE = 64  # pixels of a side below which blur means nothing

#: Formats by content that are right behind an ending of the other name.
SAME_FORMAT: Mapping[str, str] = {"MPO": "JPEG", "DIB": "BMP", "JPG": "JPEG"}

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """A look at a data set, and the questions that are asked of it.

    Attributes:
        dataset: What was looked at.
        look: What was measured.
        groups: Which images are the same.
        limits: From where on something is worth a word.
    """

    dataset: ImageDataset
    look: Look
    groups: Groups
    limits: Limits

    @cached_property
    def seen(self) -> Places:
        """Places of the images that could be read."""
        return np.flatnonzero(self.look.records["seen"])

    @property
    def sampled(self) -> bool:
        """Whether a sample only was looked at: an image of which the copy is not in it seems to have none."""
        return self.look.looked < len(self.look)

    @property
    def train_share(self) -> float:
        """Share of the training images that was looked at."""
        looked = self.look.records["seen"].copy()
        looked[list(self.look.failed)] = True
        return float(looked[self.split_of == 0].mean())

    @cached_property
    def split_of(self) -> npt.NDArray[np.int8]:
        """Number of the split of each image."""
        sizes = [len(split) for split in self.look.splits.values()]
        return np.repeat(np.arange(len(sizes), dtype=np.int8), sizes)

    @cached_property
    def labels(self) -> npt.NDArray[Any]:
        """Labels of all images: int64, shape (n,), or uint8, shape (n, classes)."""
        return np.concatenate([np.asarray(split.labels) for split in self.look.splits.values()])

    def member(self, place: int) -> Member:
        """Return the image at ``place``."""
        number = int(self.split_of[place])
        name, split = list(self.look.splits.items())[number]
        position = place - int(np.searchsorted(self.split_of, number))
        path = "" if isinstance(split.images, np.ndarray) else os.fspath(split.images[position])
        label = self.labels[place]
        classes = [self.dataset.class_names[i] for i in (np.flatnonzero(label) if label.ndim else [label])]
        return Member(name, position, path, ", ".join(classes) or "no label")

    def counts(self, places: Places) -> Places:
        """Return the images of each class among ``places``; shape (classes,)."""
        return class_counts(self.labels[places], len(self.dataset.class_names))

    def shapes(self) -> Shapes | None:
        """Return what is to be said of the sizes; None where no image was read."""
        records = self.look.records[self.seen]
        if not len(records):
            return None
        sides = np.stack([records["height"], records["width"]], axis=1).astype(np.int64)
        aspects = sides[:, 1] / sides[:, 0]
        ratio = aspects / np.median(aspects)
        edges, counts = _histogram(sides.max(axis=1))
        aspect_counts = np.bincount(np.searchsorted(ASPECTS, aspects, side="right"), minlength=len(ASPECTS) + 1)
        sizes, images = np.unique(sides, axis=0, return_counts=True)
        commonest = np.argsort(-images, kind="stable")[:POINTS]
        return Shapes(
            smallest=_pair(sides.min(axis=0)),
            median=_pair(np.rint(np.median(sides, axis=0))),
            largest=_pair(sides.max(axis=0)),
            aspects=(float(aspects.min()), float(np.median(aspects)), float(aspects.max())),
            edges=edges,
            counts=counts,
            aspect_edges=ASPECTS,
            aspect_counts=tuple(map(int, aspect_counts)),
            points=tuple((int(sizes[i, 1]), int(sizes[i, 0]), int(images[i])) for i in commonest),
            differ=float(np.mean((ratio > self.limits.stretch) | (ratio < 1 / self.limits.stretch))),
        )

    def channel_statistics(self) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
        """Return 1 for grey or 3 for colour, and mean and deviation of each channel."""
        records = self.look.records[self.seen]
        channels = 3 if records["coloured"].any() else 1
        if not len(records):
            return channels, (), ()
        mean = records["mean"].mean(axis=0, dtype=np.float64)[:channels]
        square = records["square"].mean(axis=0, dtype=np.float64)[:channels]
        deviation = np.sqrt(np.maximum(square - mean**2, 0))
        return channels, tuple(map(float, mean)), tuple(map(float, deviation))

    def files(self) -> tuple[dict[str, int], int, tuple[Member, int] | None]:
        """Return format → files, bytes in all, and the largest file."""
        records = self.look.records
        total = int(records["bytes"].sum())
        if not total:
            return {}, 0, None
        found = Counter(self.look.formats[number] for number in records["format"][records["bytes"] > 0])
        largest = int(records["bytes"].argmax())
        return dict(found.most_common()), total, (self.member(largest), int(records["bytes"][largest]))

    def unreadable(self) -> tuple[tuple[Unreadable, ...], dict[str, int]]:
        """Return the first files that cannot be read, and how many of each kind there are."""
        failed = self.look.failed
        shown = (Unreadable(self.member(place), *failed[place]) for place in sorted(failed)[:SHOWN_UNREADABLE])
        return tuple(shown), dict(Counter(kind for kind, _ in failed.values()).most_common())

    def misnamed(self) -> tuple[tuple[Misnamed, ...], int]:
        """Return the first files whose ending does not fit their content, and how many there are."""
        from PIL import Image

        known = Image.registered_extensions()
        found = []
        for name, split, first in self.look.starts():
            if isinstance(split.images, np.ndarray):
                continue
            number = list(self.look.splits).index(name)
            for place in self.seen[self.split_of[self.seen] == number]:
                ending = os.path.splitext(split.images[place - first])[1].lower()  # noqa: PTH122 (ten times as fast)
                content = self.look.formats[self.look.records["format"][place]]
                said = known.get(ending, content)
                if SAME_FORMAT.get(said, said) != SAME_FORMAT.get(content, content):
                    found.append((int(place), ending, content))
        return tuple(Misnamed(self.member(place), *rest) for place, *rest in found[:SHOWN_MISNAMED]), len(found)

    def odd(self) -> tuple[tuple[Odd, ...], dict[str, int]]:
        """Return the first images of each oddity, and how many there are of each."""
        records, limits = self.look.records, self.limits
        seen = records["seen"]
        shorter = np.minimum(records["height"], records["width"])
        blank = seen & (records["deviation"] < limits.blank)
        sharpness = records["edges"] / np.maximum(records["deviation"], 1e-3)
        usually = float(np.median(shorter[seen])) if seen.any() else 0.0
        kinds: dict[Oddity, tuple[Flags, str, Any]] = {
            "blank": (blank, "one colour: the grey levels deviate by {:.1f}", records["deviation"]),
            "dark": (seen & ~blank & (records["high"] <= limits.dark), "99% is at most grey level {}", records["high"]),
            "overexposed": (seen & ~blank & (records["low"] >= limits.bright), "95% is at least {}", records["low"]),
            "blurred": (
                seen & ~blank & (shorter >= JUDGED_SIDE) & (sharpness < limits.blur),
                "edges of {:.3f} of its contrast",
                sharpness,
            ),
            "small": (
                seen & (usually >= limits.short_edge) & (shorter < limits.short_edge),
                f"{{}} pixels at its shorter side, usual are {usually:.0f}",
                shorter,
            ),
            "large file": (records["bytes"] > limits.megabytes * 1e6, "{:.1f} MB", records["bytes"] / 1e6),
        }
        shown = tuple(
            Odd(self.member(int(place)), kind, text.format(values[place]))
            for kind, (flags, text, values) in kinds.items()
            for place in np.flatnonzero(flags)[:SHOWN_ODD]
        )
        return shown, {kind: int(flags.sum()) for kind, (flags, _, _) in kinds.items() if flags.any()}

    @cached_property
    def group_facts(self) -> tuple[Places, Places, Flags, Flags]:
        """Return the places in groups, sorted by group; where each group starts; and of each whether splits, labels differ."""
        number = self.groups.number
        places = np.flatnonzero(number >= 0)
        places = places[np.argsort(number[places], kind="stable")]
        starts = np.flatnonzero(np.diff(number[places], prepend=-1))
        if not len(starts):
            return places, starts, np.zeros(0, bool), np.zeros(0, bool)
        splits, labels = self.split_of[places], self.labels[places]
        between = np.minimum.reduceat(splits, starts) != np.maximum.reduceat(splits, starts)
        differ = np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts)
        return places, starts, between, differ.any(axis=1) if differ.ndim == 2 else differ

    def duplicates(self) -> tuple[DuplicateGroup, ...]:
        """Return the groups, the worst first."""
        places, starts, between, differ = self.group_facts
        order = np.lexsort((~self.groups.exact, ~between, ~(between & differ), ~(between | differ)))[:SHOWN_GROUPS]
        stops = np.append(starts[1:], len(places))
        found = []
        for group in order:
            members = places[starts[group] : stops[group]]
            shown = tuple(self.member(int(place)) for place in self._telling(members))
            flags = (bool(self.groups.exact[group]), bool(between[group]), bool(differ[group]))
            found.append(DuplicateGroup(shown, len(members), *flags))
        return tuple(found)

    def _telling(self, members: Places) -> Places:
        """Return the members to show, one of each split first."""
        firsts = np.unique(self.split_of[members], return_index=True)[1]
        rest = np.setdiff1d(np.arange(len(members)), firsts)
        telling: Places = members[np.concatenate([firsts, rest])[:SHOWN_MEMBERS]]
        return telling

    def leaked(self) -> dict[str, tuple[int, int]]:
        """Return, for validation and test, how many of the images looked at have a duplicate in train, and how many there are."""
        number = self.groups.number
        train = np.unique(number[(number >= 0) & (self.split_of == 0)])
        found = {}
        for place, name in enumerate(self.look.splits):
            inside = self.split_of == place
            if place and inside.any():
                count = int(np.isin(number[inside & (number >= 0)], train).sum())
                found[name] = (count, int((inside & self.look.records["seen"]).sum()))
        return found

    def parted(self) -> int:
        """Return how many training images repeat another one of the same label of which a split that is drawn may part them."""
        number, train = self.groups.number, self.dataset.train
        _, _, _, differ = self.group_facts
        places = [place for place in np.flatnonzero(number[: len(train)] >= 0).tolist() if not differ[number[place]]]
        kept = train.groups or [""] * len(train)  # images of one group stay together
        held = {(int(number[place]), kept[place] or place) for place in places}
        return len(held) - len({group for group, _ in held})


def _histogram(longer: Places) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Count sides in bins that grow by a factor; one bin where all are equal."""
    low, high = int(longer.min()), int(longer.max())
    if low == high:
        return (low, high), (len(longer),)
    edges = np.unique(np.rint(np.geomspace(low, high + 1, min(BINS, high - low) + 1)).astype(np.int64))
    counts = np.histogram(longer, edges)[0]
    return tuple(map(int, edges)), tuple(map(int, counts))


def _pair(sides: npt.NDArray[Any]) -> tuple[int, int]:
    return int(sides[0]), int(sides[1])
