"""Bars and histograms as plain numbers, ready to be drawn by a template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from automl_img.data.inspection.findings import Shapes

LARGEST, SMALLEST = 25, 25  # classes with a row of their own, where there are many
SIZES = 8  # bins


@dataclass(frozen=True)
class ClassRow:
    """Images of one class.

    Attributes:
        name: The class.
        counts: In each split.
        shares: Split → its part of the bar, in percent of the longest bar.
    """

    name: str
    counts: tuple[int, ...]
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class ClassTable:
    """Images of all classes, the largest first; where there are many, the largest and the smallest.

    Attributes:
        splits: Names of the columns.
        largest: Rows of the largest classes, or of all.
        smallest: Rows of the smallest classes, if there are others between.
        between: How many classes have no row.
        counts: Images of those, smallest and largest number in training.
    """

    splits: tuple[str, ...]
    largest: tuple[ClassRow, ...]
    smallest: tuple[ClassRow, ...]
    between: int
    counts: tuple[int, int]


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: what it is about, how many, and its height of the highest, 0 to 1."""

    label: str
    count: int
    height: float


def class_table(names: Sequence[str], counts: Mapping[str, Sequence[int]]) -> ClassTable:
    """Return what to show of the classes.

    Args:
        names: The classes.
        counts: Split → images of each class.
    """
    splits, rows = tuple(counts), list(zip(*counts.values(), strict=True))
    longest = max(1, max(map(sum, rows)))
    train = counts["train"]
    order = sorted(range(len(names)), key=lambda place: (-train[place], place))

    def shown(places: Sequence[int]) -> tuple[ClassRow, ...]:
        return tuple(
            ClassRow(names[place], rows[place], tuple(_percent(splits, rows[place], longest))) for place in places
        )

    if len(order) <= LARGEST + SMALLEST:
        return ClassTable(splits, shown(order), (), 0, (0, 0))
    middle = order[LARGEST:-SMALLEST]
    extent = (train[middle[-1]], train[middle[0]])
    return ClassTable(splits, shown(order[:LARGEST]), shown(order[-SMALLEST:]), len(middle), extent)


def _percent(splits: Sequence[str], counts: Sequence[int], longest: int) -> Iterator[tuple[str, float]]:
    for split, count in zip(splits, counts, strict=True):
        yield split, round(100 * count / longest, 2)


def format_bars(formats: Mapping[str, int]) -> tuple[Bar, ...]:
    """Return the files of each format, the commonest first."""
    return _bars(list(formats), list(formats.values())) if formats else ()


def size_bars(shapes: Shapes) -> tuple[Bar, ...]:
    """Return a histogram of the longer sides, in at most :data:`SIZES` bins."""
    step = -(-len(shapes.counts) // SIZES)
    edges = [*shapes.edges[:-1:step], shapes.edges[-1]]
    counts = [sum(shapes.counts[start : start + step]) for start in range(0, len(shapes.counts), step)]
    labels = [f"{low}" if high - 1 <= low else f"{low}–{high - 1}" for low, high in pairwise(edges)]
    return _bars(labels, counts)


def aspect_bars(shapes: Shapes) -> tuple[Bar, ...]:
    """Return a histogram of width over height, without the empty bins at both ends."""
    counts = shapes.aspect_counts
    labels = [_aspect_label(low, high) for low, high in pairwise((0.0, *shapes.aspect_edges, float("inf")))]
    first = next(place for place, count in enumerate(counts) if count)
    last = len(counts) - next(place for place, count in enumerate(reversed(counts)) if count)
    return _bars(labels[first:last], counts[first:last])


def _aspect_label(low: float, high: float) -> str:
    if low < 1 < high:
        return "square"
    if low == 0:
        return f"below {high:g}"
    return f"over {low:g}" if high == float("inf") else f"{low:g}–{high:g}"


def _bars(labels: Sequence[str], counts: Sequence[int]) -> tuple[Bar, ...]:
    highest = max(1, max(counts))
    return tuple(Bar(label, count, count / highest) for label, count in zip(labels, counts, strict=True))
