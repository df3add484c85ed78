"""``automl-img plugins``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer


def plugins(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    module: Annotated[list[str] | None, typer.Option(help="Also look into this module; can be repeated.")] = None,
) -> None:
    """List every plugin: what it is, where it came from, and why one was left out."""
    from automl_img.plugin.manager import discover

    registry = discover(modules=module or ())
    records = sorted(registry.records, key=lambda record: (record.kind, record.name))
    if json:
        import json as writer

        print(writer.dumps([asdict(record) for record in records], indent=2, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    wide = console.width >= 120
    table.add_column("kind", style="dim", no_wrap=True)
    table.add_column("name", style="bold", no_wrap=True)
    if wide:
        table.add_column("version", style="dim", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("what it is, or why it was left out")
    for record in records:
        about = Text(record.summary, overflow="ellipsis", no_wrap=True)
        if record.left_out:
            about = Text(f"left out: {record.left_out}", style="red")
        version = [record.version] if wide else []
        table.add_row(record.kind or "?", record.name, *version, Text(record.distribution or record.origin), about)
    console.print(table)
    if registry.left_out:
        console.print(f"{len(registry.left_out)} of {len(records)} were left out.", style="red")
