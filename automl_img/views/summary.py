"""What is shown at the end of a search: the leaderboard and where things are."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from automl_img.evaluation.metrics import f1_name
from automl_img.events import SearchEnded
from automl_img.recipe import counted, duration_text
from automl_img.views.base import tell

PLAIN_WIDTH = 160
COLUMNS = ("#", "trial", "stage", "architecture", "F1", "weights", "epochs", "time", "images/s")
LEAST_NOTE = 20  # characters of the last column
GAP = 3  # characters between two columns


def leaderboard_table(rows: Sequence[Mapping[str, Any]], *, width: int = 120) -> Table:
    """The leaderboard, best first; on a narrow terminal the columns that say least are left out."""
    columns = [_numbers(row) for row in rows]
    kept = list(COLUMNS)
    for expendable in ("", "images/s", "epochs", "trial", "stage"):
        kept = [name for name in kept if name != expendable]
        used = 3 + sum(max([len(name), *(len(cells[name]) for cells in columns)]) + GAP for name in kept)
        if width - used >= LEAST_NOTE:
            break
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in kept:
        style = "bold" if name == "F1" else "dim" if name in ("trial", "stage") else ""
        justify: Literal["left", "right"] = "left" if name in ("stage", "architecture") else "right"
        table.add_column(name, justify=justify, no_wrap=True, style=style)
    table.add_column("size, or why not", no_wrap=True, overflow="ellipsis")
    for row, cells in zip(rows, columns, strict=True):
        scored = row["f1"] is not None
        style = "green" if row["rank"] == 1 else "" if scored else "red" if row["status"] == "failed" else "dim"
        note = Text(_shortened(row["size"] if scored else row["note"], max(LEAST_NOTE, width - used)))
        table.add_row(*(Text(cells[name]) for name in kept), note, style=style)
    return table


def _numbers(row: Mapping[str, Any]) -> dict[str, str]:
    scored = row["f1"] is not None
    return {
        "#": str(row["rank"] or ""),
        "trial": str(row["trial"] or ""),
        "stage": row["stage"],
        "architecture": row["architecture"],
        "F1": f"{row['f1']:.4f}" if scored else row["status"],
        "weights": f"{row['parameters']:,}" if row["parameters"] else "",
        "epochs": f"{row['epochs']:.1f}" if row["epochs"] is not None else "",
        "time": duration_text(row["seconds"]) if row["seconds"] is not None else "",
        "images/s": f"{row['images_per_second']:,}" if row["images_per_second"] else "",
    }


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _best(event: SearchEnded) -> Text:
    """Of what the model was made."""
    if len(event.members) < 2:
        return Text.assemble((event.architecture, "bold"), f", trial {event.best_trial}")
    names = {row["trial"]: row["architecture"] for row in event.leaderboard}
    parts = Text(" and ").join(
        Text.assemble((str(names.get(trial, "")), "bold"), f", trial {trial}") for trial in event.members
    )
    return Text.assemble("the mean of ", parts)


def closing(event: SearchEnded) -> RenderableType:
    """The answer in a few lines, and what to do next."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("best", _best(event))
    validation = (f"{event.validation_f1:.4f}", "bold green")
    grid.add_row(
        "validation", Text.assemble(f"{f1_name(event.task)} ", validation, _between(event.validation_interval))
    )
    if event.test_f1 is not None:
        test = Text.assemble(
            f"{f1_name(event.task)} ",
            (f"{event.test_f1:.4f}", "bold green"),
            _between(event.test_interval),
            f", accuracy {event.test_accuracy or 0:.4f}",
        )
        grid.add_row("test", test)
    else:
        grid.add_row("test", Text("no test images; data.test keeps some", style="dim"))
    cost = f"{duration_text(event.elapsed)}, {counted(event.trials, 'trial')}, {event.failed} failed"
    grid.add_row("cost", cost + ("; interrupted" if event.interrupted else ""))
    grid.add_row("run folder", Text(f"{event.run_dir} ({event.run_bytes / 1e6:.1f} MB)"))
    grid.add_row("", "")
    run = shlex.quote(event.run_dir)
    commands = [f"automl-img search --resume {run}"] if event.interrupted else []
    commands += [f"automl-img predict {run} IMAGE…", f"automl-img evaluate {run}"]
    commands += [f"automl_img.load({event.run_dir!r}).predict([...])"]
    for place, command in enumerate(commands):
        grid.add_row("" if place else "next", Text(command))
    return grid


def _between(interval: Sequence[float] | None) -> tuple[str, str]:
    return (f" ({interval[0]:.4f} to {interval[1]:.4f})", "dim") if interval else ("", "")


def summary(event: SearchEnded, width: int, *, plain: bool = False) -> RenderableType:
    """The leaderboard and the closing lines."""
    body = closing(event)
    title = "Interrupted" if event.interrupted else "Done"
    end = (
        Group(Text(title, style="bold"), body)
        if plain
        else Panel(body, title=title, expand=False, border_style="green")
    )
    return Group(leaderboard_table(event.leaderboard, width=width), end)


def print_summary(event: SearchEnded, console: Console | None = None, *, plain: bool = False) -> None:
    """Print the leaderboard and the closing lines."""
    console = console or (Console(width=PLAIN_WIDTH, highlight=False) if plain else Console(highlight=False))
    with console.capture() as printed:  # Rich itself would end the process where nobody reads it
        console.print(summary(event, console.width, plain=plain))
    tell(printed.get(), console.file, end="")
