"""``automl-img reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def reproduce(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    trial: Annotated[int | None, typer.Argument(min=1, help="Number of a trial; the best unless given.")] = None,
) -> None:
    """Train a recorded trial again, and say whether its F1 agrees, or what differs.

    Its images must be in the cache still, or where they were. The run folder stays as it is.

    The exit code is 1 where the F1 does not agree.
    """
    from rich.console import Console

    from automl_img.search.reproducing import reproduce as train_again

    console = Console(highlight=False, soft_wrap=True)
    with console.status("training") as status:
        found = train_again(
            run,
            trial,
            lambda epoch: status.update(
                f"{epoch.report.progress:.0%} trained, epoch {epoch.report.epoch:.1f}, F1 {epoch.report.f1:.4f}"
            ),
        )
    if found.found is None:
        console.print(f"[red]trial {found.trial} ({found.architecture}) failed[/]", end=" ")
        console.print(found.failure, markup=False)
    else:
        verdict = "[green]agrees[/]" if found.agrees else "[red]does not agree[/]"
        console.print(
            f"trial {found.trial} ({found.architecture}): validation F1 {found.found:.4f}, recorded {found.recorded:.4f}: "
            f"{verdict} within {found.tolerance:.4f}"
        )
    for difference in found.differences:
        console.print(f"differs: {difference}", markup=False)
    if not found.agrees:
        raise typer.Exit(1)
