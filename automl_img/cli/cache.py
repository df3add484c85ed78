"""``automl-img cache``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl_img.data.cached import CacheEntry


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove what is listed and not in use.")] = False,
    days: Annotated[float, typer.Option(min=0, help="Only what was not used for so many days.")] = 0.0,
) -> None:
    """List the prepared images and downloads that are kept to be used again, or clear them.

    What a search uses now is left where it is. The next search prepares or downloads again what it needs. A run on arrays or other objects
    can no longer be evaluated, exported or reproduced without its prepared images.
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
        used = "in use" if entry.in_use else "today" if entry.unused_days < 1 else f"{entry.unused_days:.0f} days ago"
        table.add_row(entry.kind, Text(entry.name), _megabytes([entry]), used)
    console.print(table)
    if not clear:
        console.print(Text(f"{_megabytes(found)} in {cache_folder()}; automl-img cache --clear removes it."))
        return
    free, busy = ([entry for entry in found if entry.in_use is used] for used in (False, True))
    for entry in free:
        discard(entry.path)
    kept = f"; {_megabytes(busy)} are in use and stay" if busy else ""
    console.print(Text(f"{_megabytes(free)} in {cache_folder()} removed{kept}."))


def _megabytes(entries: list[CacheEntry]) -> str:
    return f"{sum(entry.bytes for entry in entries) / 1e6:,.1f} MB"
