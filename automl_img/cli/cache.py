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

    from automl_img.cache import cache_folder, discard, is_in_use
    from automl_img.data.cached import cached
    from automl_img.errors import DataError
    from automl_img.recipe import counted

    found = [entry for entry in cached() if entry.unused_days >= days]
    console = Console(highlight=False, soft_wrap=True)
    if not found:
        unused = f" unused for {counted(days, 'day')}" if days else ""
        console.print(Text(f"{cache_folder()} holds nothing{unused}."))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name, justify in (("what", "left"), ("name", "left"), ("size", "right"), ("last used", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for entry in found:
        ago = "today" if entry.unused_days < 1 else f"{counted(round(entry.unused_days), 'day')} ago"
        table.add_row(entry.kind, Text(entry.name), _megabytes([entry]), "in use" if entry.in_use else ago)
    console.print(table)
    if not clear:
        free, taken = ([entry for entry in found if entry.in_use is used] for used in (False, True))
        command = f"automl-img cache --clear{f' --days {days:g}' if days else ''}"
        console.print(Text(f"{_megabytes(free)} in {cache_folder()}; {command} removes it{_kept(taken)}."))
        return
    removed: list[CacheEntry] = []
    busy: list[CacheEntry] = []
    left: list[CacheEntry] = []
    for entry in found:
        if is_in_use(entry.path):  # a search may have begun since it was listed
            busy.append(entry)
        elif discard(entry.path):
            removed.append(entry)
        else:
            left.append(entry)
    console.print(Text(f"{_megabytes(removed)} in {cache_folder()} removed{_kept(busy)}."))
    if left:
        problem = f"{_megabytes(left)} could not be removed"
        raise DataError(problem, where=str(left[0].path), hint="See who owns it, and who may write in its folder.")


def _kept(busy: list[CacheEntry]) -> str:
    return f"; {_megabytes(busy)} are in use and stay" if busy else ""


def _megabytes(entries: list[CacheEntry]) -> str:
    return f"{sum(entry.bytes for entry in entries) / 1e6:,.1f} MB"
