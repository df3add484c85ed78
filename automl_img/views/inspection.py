"""How an inspection looks on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from automl_img.data.analysis import propose_size
from automl_img.data.inspection import Inspection
from automl_img.data.inspection.advice import Advice
from automl_img.recipe import DataSettings, counted

SHOWN_CLASSES, SHOWN_TROUBLES, BAR = 12, 8, 24
WIDE = 80  # characters from which the reasons have a column of their own
STYLES = {"problem": ("✗", "bold red"), "warning": ("!", "yellow"), "note": ("·", "dim")}
ANSWERS = {"safe": "green", "unsafe": "yellow"}


def inspection_view(
    found: Inspection, data: DataSettings, given: str, written: Sequence[str] = (), *, width: int = WIDE
) -> Group:
    """Everything that fits a terminal: figures, classes, findings, advice, the verdict and what to do next.

    Args:
        found: What was found.
        data: What the recipe says of the images.
        given: What a search would be given, as a person types it.
        written: A line on each file that was written.
        width: Characters of a line.
    """
    images = ", ".join(f"{count:,} {split}" for split, count in found.images.items())
    title = Text.assemble((found.name, "bold"), f"  {found.task}, {len(found.class_names):,} classes, {images}")
    parts: list[RenderableType] = [Text(), title, Text(), _facts(found, data), _classes(found)]
    parts += [_finding(finding.level, finding.sentence) for finding in found.findings]
    parts += [Text(f"  · {note}", style="dim") for note in found.notes]
    parts += _troubles(found)
    if found.advice is not None:
        parts += [Text(), Text("Advice", style="bold"), _advice(found.advice, aligned=width >= WIDE)]
    parts += [Text(), Text(found.verdict, style="bold red" if found.unusable else "bold green")]
    parts += [Text(line) for line in written]
    if not found.unusable:
        parts.append(Text(f"next  automl-img search {given}", style="dim"))
    return Group(*parts, Text())


def _facts(found: Inspection, data: DataSettings) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    if found.shapes is not None:
        small, middle, large = (
            f"{h}×{w}" for h, w in (found.shapes.smallest, found.shapes.median, found.shapes.largest)
        )
        same = small == large
        grid.add_row("size", middle if same else f"{middle} (median), {small} to {large}")
        height, width = data.size() or propose_size(*found.shapes.median)
        channels = found.channels if data.channels == "auto" else data.channels
        grid.add_row("trains at", f"{height}×{width}×{channels}")
    levels = ", ".join(f"{m:.0f} ± {d:.0f}" for m, d in zip(found.mean, found.deviation, strict=True))
    grid.add_row("channels", f"{'grey' if found.channels == 1 else 'colour'}, level {levels}")
    if found.formats:
        formats = ", ".join(f"{name} {count:,}" for name, count in found.formats.items())
        grid.add_row("files", Text(f"{formats}; {found.bytes / 1e6:,.1f} MB"))
    groups, between = found.totals["duplicate groups"], found.totals["duplicate groups, between splits"]
    told = f"{counted(groups, 'group')}, {between:,} between splits" if groups else "none"
    grid.add_row("duplicates", told)
    return grid


def _classes(found: Inspection) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("class", max_width=40)
    for split in found.counts:
        table.add_column(split, justify="right")
    table.add_column("")
    train = found.counts["train"]
    order = sorted(range(len(train)), key=lambda place: -train[place])
    half = SHOWN_CLASSES // 2
    shown = order if len(order) <= SHOWN_CLASSES else [*order[:half], None, *order[-half:]]
    for place in shown:
        if place is None:
            table.add_row(
                Text(f"… {len(order) - SHOWN_CLASSES:,} more", style="dim"), *([""] * (len(found.counts) + 1))
            )
            continue
        bar = "█" * max(1, round(BAR * train[place] / max(1, max(train))))
        counts = [f"{each[place]:,}" for each in found.counts.values()]
        table.add_row(
            Text(found.class_names[place], overflow="ellipsis", no_wrap=True), *counts, Text(bar, style="cyan")
        )
    return table


def _finding(level: str, sentence: str) -> Table:
    mark, style = STYLES[level]
    grid = Table.grid(padding=(0, 1), pad_edge=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row(Text(f" {mark}", style), Text(sentence))
    return grid


def _troubles(found: Inspection) -> list[RenderableType]:
    troubles = [(entry.image.path, entry.reason) for entry in found.unreadable]
    parts: list[RenderableType] = [
        Text(f"      {path}: {reason}", style="dim") for path, reason in troubles[:SHOWN_TROUBLES]
    ]
    if len(troubles) > SHOWN_TROUBLES:
        more = found.totals["unreadable"] - SHOWN_TROUBLES
        parts.append(Text(f"      and {more:,} more; --json lists them", style="dim"))
    return parts


def _advice(advice: Advice, *, aligned: bool) -> Table:
    grid = Table.grid(padding=(0, 2), pad_edge=True)
    grid.add_column(style="dim", no_wrap=True)
    for point in advice.points:
        answer, reason = Text(point.answer, style=ANSWERS.get(point.answer, "bold")), Text(point.reason, style="dim")
        cells = (answer, reason) if aligned else (Text.assemble(answer, "  ", reason),)
        grid.add_row(Text(point.topic), *cells)
    return grid
