"""Charts as plain geometry, ready to be drawn as SVG by a template: lines, steps, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 12.0, 40.0
TICKS = 5  # wanted on an axis
MOST_AXES = 8

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Series:
    """A line.

    Attributes:
        name: What it is.
        points: Its (x, y).
        kind: Its style: "best", "other", "strong" or "guide".
        group: Whatever belongs together is highlighted together.
    """

    name: str
    points: Points
    kind: str = "other"
    group: str = ""


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: its place in the picture, and its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Line:
    """A line in the picture: SVG path data, its last point, its name and style."""

    path: str
    end: tuple[float, float]
    name: str
    kind: str
    group: str


@dataclass(frozen=True)
class Chart:
    """A chart of lines in a picture of WIDTH × HEIGHT."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


def line_chart(
    title: str,
    series: Iterable[Series],
    x_label: str,
    y_label: str,
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> Chart | None:
    """Return a chart of lines; None where there is nothing to draw.

    Args:
        title: For those who cannot see it.
        series: The lines; those that come later lie above the others.
        x_label, y_label: Of the axes.
        x_range, y_range: Of the axes; by the points unless given.
    """
    drawn = [one for one in series if one.points]
    if not drawn:
        return None
    xs, ys = ([point[axis] for one in drawn for point in one.points] for axis in (0, 1))
    low_x, high_x = x_range or _padded(min(xs), max(xs), 0.0)
    low_y, high_y = y_range or _padded(min(ys), max(ys), 0.04)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = LEFT + (point[0] - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - (point[1] - low_y) / (high_y - low_y) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(max(TOP, min(HEIGHT - BOTTOM, y)), 1)

    lines = []
    for one in drawn:
        placed = [place(point) for point in one.points]
        lines.append(Line(_path(placed), placed[-1], one.name, one.kind, one.group))
    x_ticks = tuple(Tick(place((value, low_y))[0], label) for value, label in ticks(low_x, high_x))
    y_ticks = tuple(Tick(place((low_x, value))[1], label) for value, label in ticks(low_y, high_y))
    return Chart(title, x_label, y_label, x_ticks, y_ticks, tuple(lines))


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return round numbers from ``low`` to ``high``, about five, each with its label."""
    raw = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    decimals = max(0, math.ceil(-math.log10(step) - 1e-9) + (1 if step / power == 2.5 else 0))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:,.{decimals}f}") for number in range(first, last + 1)]


def steps(points: Points, end: float) -> list[tuple[float, float]]:
    """Return points as a line that stays at a height until the next one, and goes on to ``end``."""
    line: list[tuple[float, float]] = []
    for x, y in points:
        if line:
            line.append((x, line[-1][1]))
        line.append((x, y))
    return [*line, (max(end, line[-1][0]), line[-1][1])] if line else []


def _padded(low: float, high: float, share: float) -> tuple[float, float]:
    if high - low < 1e-9:
        return low - 0.5 * max(1e-3, abs(low) * 0.1), high + 0.5 * max(1e-3, abs(high) * 0.1)
    return low - share * (high - low), high + share * (high - low)


def _path(points: Points) -> str:
    """Path data; a single point is drawn twice, so that round ends make it a dot."""
    points = [*points, *points] if len(points) == 1 else points
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points)


@dataclass(frozen=True)
class Axis:
    """An axis of parallel coordinates: its name, its place, and its marks."""

    name: str
    at: float
    ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Strand:
    """A trial across the axes: SVG path data, how good it is from 0 to 1, and what it is."""

    path: str
    worth: float
    name: str
    group: str


@dataclass(frozen=True)
class Parallel:
    """Parallel coordinates in a picture of WIDTH × HEIGHT."""

    axes: tuple[Axis, ...]
    strands: tuple[Strand, ...]
    width: float = WIDTH + 320
    height: float = HEIGHT
    top: float = 34.0
    bottom: float = HEIGHT - 14


def parallel_coordinates(trials: Sequence[tuple[str, str, Mapping[str, Any], float]]) -> Parallel | None:
    """Return the hyperparameters that differ among trials as axes, F1 as the last one; None with fewer than three trials or nothing to see.

    Args:
        trials: Of each its group, its name, its hyperparameters by full name, and its F1.
    """
    shared = set.intersection(*(set(values) for _, _, values, _ in trials)) if len(trials) > 2 else set()
    columns = {name: [values[name] for _, _, values, _ in trials] for name in sorted(shared)}
    columns = {name: column for name, column in columns.items() if len(set(map(str, column))) > 1}
    if not columns:
        return None
    names = sorted(columns, key=lambda name: (name != "architecture", -len(set(map(str, columns[name]))), name))
    names = names[:MOST_AXES]
    scales = [_scale(label, columns[name]) for name, label in zip(names, _told_apart(names), strict=True)]
    scores = [f1 for *_, f1 in trials]
    scales.append(_scale("F1", scores))
    shape = Parallel((), ())
    gap = (shape.width - 150.0) / (len(scales) - 1)
    places = [75.0 + number * gap for number in range(len(scales))]
    span = shape.bottom - shape.top
    axes = tuple(
        Axis(name, at, tuple(Tick(round(shape.bottom - share * span, 1), label) for share, label in marks))
        for (name, _, marks), at in zip(scales, places, strict=True)
    )
    strands = []
    worst, best = min(scores), max(scores)
    for number, (group, name, _, f1) in enumerate(trials):
        points = [
            (round(at, 1), round(shape.bottom - shares[number] * span, 1))
            for (_, shares, _), at in zip(scales, places, strict=True)
        ]
        worth = (f1 - worst) / (best - worst) if best > worst else 1.0
        strands.append(Strand(_path(points), round(worth, 3), name, group))
    strands.sort(key=lambda strand: strand.worth)
    return Parallel(axes, tuple(strands))


def _told_apart(names: Sequence[str]) -> list[str]:
    """Return of each dotted name as many of its last parts as no other of them ends in; the whole of one that others end in."""
    labels = []
    for name in names:
        parts = name.split(".")
        endings = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        alone = (ending for ending in endings if sum(f".{one}".endswith(f".{ending}") for one in names) == 1)
        labels.append(next(alone, name))
    return labels


def _scale(name: str, column: Sequence[Any]) -> tuple[str, list[float], list[tuple[float, str]]]:
    """Return a name, the place of each value from 0 to 1, and marks; numbers over more than a factor of 20 by their logarithm."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in column)
    if not numbers or len(set(column)) <= 4:
        kinds = sorted(set(column), key=lambda value: (not numbers, value if numbers else str(value)))
        share = {str(value): place / max(1, len(kinds) - 1) for place, value in enumerate(kinds)}
        return name, [share[str(value)] for value in column], [(share[str(value)], _short(value)) for value in kinds]
    low, high = min(column), max(column)
    logarithmic = low > 0 and high / low > 20
    of = math.log if logarithmic else float
    share_of = [(of(value) - of(low)) / (of(high) - of(low)) for value in column]
    middle = math.exp((of(low) + of(high)) / 2) if logarithmic else (low + high) / 2
    return name, share_of, [(0.0, _short(low)), (0.5, _short(middle)), (1.0, _short(high))]


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
