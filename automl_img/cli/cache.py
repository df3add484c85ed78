"""``automl-img cache``."""

from __future__ import annotations

from typing import Annotated

import typer


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove what is listed.")] = False,
    days: Annotated[float, typer.Option(min=0, help="Only what was not used for so many days.")] = 0.0,
) -> None:
    """List the prepared images and downloads that are kept to be used again, or clear them.

    A search that runs keeps the files it has open; removing them costs the next search their preparation, nothing else.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from automl_img.cache import cache_folder, discard
    from automl_img.data.cached import cached

    found = [entry for entry in cached() if entry.unused_days >= days]
    console = Console(highlight=False, soft_wrap=True)
    if not found:
        console.print(Text(f"{cache_folder()} holds nothing{f' unused for {days:g} days' if days else ''}."))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name, justify in (("what", "left"), ("name", "left"), ("size", "right"), ("last used", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for entry in found:
        used = "today" if entry.unused_days < 1 else f"{entry.unused_days:.0f} days ago"
        table.add_row(entry.kind, Text(entry.name), f"{entry.bytes / 1e6:,.1f} MB", used)
    console.print(table)
    total = f"{sum(entry.bytes for entry in found) / 1e6:,.1f} MB in {cache_folder()}"
    if not clear:
        console.print(Text(f"{total}; automl-img cache --clear removes it."))
        return
    for entry in found:
        discard(entry.path)
    console.print(Text(f"{total} removed."))
