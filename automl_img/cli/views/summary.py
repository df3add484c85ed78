"""What is shown at the end of a search: the leaderboard and where things are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from automl_img.events import SearchEnded
from automl_img.recipe import duration_text

PLAIN_WIDTH = 160


def leaderboard_table(rows: Sequence[Mapping[str, Any]], *, width: int = 120) -> Table:
    """The leaderboard, best first; columns that say less are left out where the terminal is narrow."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", expand=False)
    wide = width >= 110
    table.add_column("#", justify="right")
    table.add_column("trial", justify="right", style="dim")
    table.add_column("stage", style="dim")
    table.add_column("architecture", no_wrap=True)
    table.add_column("F1", justify="right", style="bold")
    table.add_column("weights", justify="right")
    table.add_column("epochs", justify="right")
    table.add_column("time", justify="right")
    if wide:
        table.add_column("images/s", justify="right")
    table.add_column(
        "size, or why not", overflow="ellipsis", no_wrap=True, max_width=max(16, width - (78 if wide else 66))
    )
    for row in rows:
        scored = row["f1"] is not None
        cells = [
            str(row["rank"]) if row["rank"] else "",
            str(row["trial"]) if row["trial"] else "",
            row["stage"],
            row["architecture"],
            f"{row['f1']:.4f}" if scored else row["status"],
            f"{row['parameters']:,}" if row["parameters"] else "",
            f"{row['epochs']:.1f}" if row["epochs"] is not None else "",
            duration_text(row["seconds"]) if row["seconds"] is not None else "",
        ]
        if wide:
            cells.append(f"{row['images_per_second']:,}" if row["images_per_second"] else "")
        cells.append(row["size"] if scored else row["note"])
        style = "green" if row["rank"] == 1 else "" if scored else "dim red" if row["status"] == "failed" else "dim"
        table.add_row(*map(Text, cells), style=style)
    return table


def closing(event: SearchEnded) -> RenderableType:
    """The answer in a few lines, and what to do next."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("best", Text.assemble((event.architecture, "bold"), f", trial {event.best_trial}"))
    grid.add_row("validation", Text.assemble("macro-F1 ", (f"{event.validation_f1:.4f}", "bold green")))
    if event.test_f1 is not None:
        test = Text.assemble(
            "macro-F1 ", (f"{event.test_f1:.4f}", "bold green"), f", accuracy {event.test_accuracy or 0:.4f}"
        )
        grid.add_row("test", test)
    else:
        grid.add_row("test", Text("no test images; data.test keeps some", style="dim"))
    cost = f"{duration_text(event.elapsed)}, {event.trials} trials, {event.failed} failed"
    grid.add_row("cost", cost + ("; interrupted" if event.interrupted else ""))
    grid.add_row("run folder", Text(f"{event.run_dir} ({event.run_bytes / 1e6:.1f} MB)"))
    grid.add_row("", "")
    grid.add_row("next", Text(f"automl-img predict {event.run_dir} IMAGE…"))
    grid.add_row("", Text(f"automl-img evaluate {event.run_dir}"))
    grid.add_row("", Text(f'automl_img.load("{event.run_dir}").predict([...])'))
    return grid


def print_summary(event: SearchEnded, console: Console | None = None, *, plain: bool = False) -> None:
    """Print the leaderboard and the closing lines."""
    console = console or (Console(width=PLAIN_WIDTH, highlight=False) if plain else Console(highlight=False))
    console.print(leaderboard_table(event.leaderboard, width=console.width))
    body = closing(event)
    title = "Interrupted" if event.interrupted else "Done"
    console.print(
        Group(Text(title, style="bold"), body)
        if plain
        else Panel(body, title=title, expand=False, border_style="green")
    )
