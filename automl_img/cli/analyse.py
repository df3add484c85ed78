"""``automl-img analyse``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from automl_img.data.inspection import Inspection

SHOWN_CLASSES, SHOWN_TROUBLES, BAR = 12, 8, 24
STYLES = {"problem": ("✗", "bold red"), "warning": ("!", "yellow"), "note": ("·", "dim")}
UNUSABLE = 2


def analyse(
    target: Annotated[str, typer.Argument(help="A recipe, the name of a source, or a path that a source reads.")],
    json: Annotated[
        Path | None, typer.Option(help="File to write everything into as JSON; - for standard output.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace any key of the recipe; can be repeated."),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Look at so many images only, chosen at random.")] = None,
    few: Annotated[int, typer.Option(min=0, help="Training images of a class below which it is told.")] = 30,
    megabytes: Annotated[float, typer.Option(min=0, help="Size of a file above which it is told.")] = 6.0,
    short_edge: Annotated[int, typer.Option(min=0, help="Shorter side in pixels below which it is told.")] = 256,
) -> None:
    """Look at all images before training: counts, sizes, broken and odd files, duplicates, above all between splits.

    Nothing is changed. The exit code is 0 with warnings, and 2 where a search could not use the images.
    """
    import sys

    from rich.console import Console

    from automl_img.api import analyse as look
    from automl_img.cli.search import parse_settings
    from automl_img.data.inspection import Limits

    settings = parse_settings(set_ or [])
    limits = Limits(few_images=few, megabytes=megabytes, short_edge=short_edge)
    if (share := settings.get("data.max_unreadable")) is not None:
        limits = Limits(few_images=few, megabytes=megabytes, short_edge=short_edge, unreadable=float(share))
    with _Bar() as bar:
        found = look(target, settings=settings, limits=limits, sample=sample, progress=bar.advance)
    if json is not None:
        _write_json(found, json)
    if json is None or str(json) != "-":
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        for part in _page(found, target):
            console.print(part)
    if found.unusable:
        raise typer.Exit(UNUSABLE)


class _Bar:
    """A progress bar on standard error, where that is a terminal."""

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        columns = (TextColumn("looking at images"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._progress.start()
        self._task = self._progress.add_task("", total=None)
        return self

    def advance(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` images were looked at."""
        self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def _write_json(found: Inspection, path: Path) -> None:
    import json as writer

    from automl_img.errors import UsageError

    text = writer.dumps(found.as_dict(), indent=2, ensure_ascii=False) + "\n"
    if str(path) == "-":
        print(text, end="")
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the file cannot be written: {error.strerror}", where=str(path)) from error


def _page(found: Inspection, target: str) -> list[RenderableType]:
    from rich.text import Text

    images = ", ".join(f"{count:,} {split}" for split, count in found.images.items())
    title = Text.assemble((found.name, "bold"), f"  {found.task}, {len(found.class_names):,} classes, {images}")
    parts: list[Any] = [Text(), title, Text(), _facts(found), _classes(found)]
    parts += [_finding(finding.level, finding.sentence) for finding in found.findings]
    parts += [Text(f"  · {note}", style="dim") for note in found.notes]
    troubles = [(entry.image.path, entry.reason) for entry in found.unreadable]
    parts += [Text(f"      {path}: {reason}", style="dim") for path, reason in troubles[:SHOWN_TROUBLES]]
    if len(troubles) > SHOWN_TROUBLES:
        parts.append(
            Text(f"      and {found.totals['unreadable'] - SHOWN_TROUBLES:,} more; --json lists them", style="dim")
        )
    style = "bold red" if found.unusable else "bold green"
    parts += [Text(), Text(found.verdict, style=style)]
    if not found.unusable:
        parts.append(Text(f"next  automl-img search {target}", style="dim"))
    return [*parts, Text()]


def _facts(found: Inspection) -> Any:
    from rich.table import Table
    from rich.text import Text

    from automl_img.data.analysis import propose_size

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    if found.shapes is not None:
        small, middle, large = (
            f"{h}×{w}" for h, w in (found.shapes.smallest, found.shapes.median, found.shapes.largest)
        )
        proposed = "×".join(map(str, propose_size(*found.shapes.median)))
        same = small == large
        grid.add_row("size", middle if same else f"{middle} (median), {small} to {large}")
        grid.add_row("trains at", f"{proposed}×{found.channels}")
    levels = ", ".join(f"{m:.0f} ± {d:.0f}" for m, d in zip(found.mean, found.deviation, strict=True))
    grid.add_row("channels", f"{'grey' if found.channels == 1 else 'colour'}, level {levels}")
    if found.formats:
        formats = ", ".join(f"{name} {count:,}" for name, count in found.formats.items())
        grid.add_row("files", Text(f"{formats}; {found.bytes / 1e6:,.1f} MB"))
    groups, between = found.totals["duplicate groups"], found.totals["duplicate groups, between splits"]
    told = f"{groups:,} groups, {between:,} between splits" if groups else "none"
    grid.add_row("duplicates", told)
    return grid


def _classes(found: Inspection) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

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


def _finding(level: str, sentence: str) -> Any:
    from rich.text import Text

    mark, style = STYLES[level]
    return Text.assemble((f"  {mark} ", style), sentence)
