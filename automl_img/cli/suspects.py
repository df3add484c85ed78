"""``automl-img suspects``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHOWN = 20


def suspects(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    limit: Annotated[int, typer.Option(min=1, help="The most images to list.")] = 50,
    out: Annotated[
        Path | None, typer.Option(help="The table; evaluation/to_check.csv in the run folder unless given.")
    ] = None,
) -> None:
    """List validation and test images whose labels are probably wrong, the worst first: a table to work through."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from automl_img.recipe import counted
    from automl_img.search.suspecting import write_suspects

    found, written = write_suspects(run, limit, out)
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("image", "label", "predicted"):
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    table.add_column("sure", justify="right")
    for image, one in found[:SHOWN]:
        table.add_row(Text(image), Text(one.label), Text(one.predicted), f"{one.confidence:.0%}")
    if found:
        console.print(table)
    more = f", {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    console.print(Text(f"{counted(len(found), 'label')} to check{more}: {written}"), soft_wrap=True)
