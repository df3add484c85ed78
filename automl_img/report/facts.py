"""The figures at the top of a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from automl_img.data.inspection import Inspection
from automl_img.data.inspection.findings import Shapes


@dataclass(frozen=True)
class Fact:
    """A figure: what it is called, its value, and perhaps a few words more."""

    name: str
    value: str
    more: str = ""


def facts_of(found: Inspection) -> tuple[Fact, ...]:
    """Return the figures that say most of a data set."""
    return tuple(_facts(found))


def mood(found: Inspection) -> str:
    """Return what a data set as a whole is: "good", or the level of its gravest finding."""
    if found.unusable:
        return "problem"
    levels = {finding.level for finding in found.findings}
    return next((level for level in ("problem", "warning") if level in levels), "good")


def _facts(found: Inspection) -> Iterator[Fact]:
    splits = ", ".join(f"{count:,} {split}" for split, count in found.images.items())
    yield Fact("Images", f"{sum(found.images.values()):,}", splits)
    least, most = min(found.counts["train"]), max(found.counts["train"])
    extent = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    yield Fact("Classes", f"{len(found.class_names):,}", f"{extent} training images each")
    if found.shapes is not None:
        yield Fact("Size", "{}×{}".format(*found.shapes.median), _extent(found.shapes))
    if found.mean:
        levels = " / ".join(f"{mean:.0f} ± {deviation:.0f}" for mean, deviation in _levels(found))
        yield Fact("Channels", "grey" if found.channels == 1 else "colour", f"level {levels} of 255")
    if found.formats:
        yield _files(found)
    groups, between = found.totals["duplicate groups"], found.totals["duplicate groups, between splits"]
    words = f"{'group' if groups == 1 else 'groups'}, {between:,} between splits"
    yield Fact("Duplicates", f"{groups:,}" if groups else "none", words if groups else "")


def _files(found: Inspection) -> Fact:
    commonest, *others = found.formats
    words = [f"{found.bytes / 1e6:,.1f} MB"]
    if others:
        words.append(f"also {others[0]}" if len(others) == 1 else f"{len(others)} other formats")
    if found.totals["unreadable"]:
        words.append(f"{found.totals['unreadable']:,} unreadable")
    return Fact("Files", commonest, ", ".join(words))


def _levels(found: Inspection) -> Iterator[tuple[float, float]]:
    yield from zip(found.mean, found.deviation, strict=True)


def _extent(shapes: Shapes) -> str:
    if shapes.smallest == shapes.largest:
        return "all alike"
    small, large = ("{}×{}".format(*size) for size in (shapes.smallest, shapes.largest))
    return f"median; {small} to {large}"
