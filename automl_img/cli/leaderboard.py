"""``automl-img leaderboard``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, with all hyperparameters.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON, with all hyperparameters.")] = False,
) -> None:
    """Show the trials of a run, best first; also of one that is still running."""
    from dataclasses import asdict

    from automl_img.search.journal import Journal
    from automl_img.search.leaderboard import leaderboard as ordered
    from automl_img.search.leaderboard import to_csv
    from automl_img.search.run_folder import RunFolder

    journal = Journal(RunFolder.open(run).path)
    entries = ordered(journal.trials(), [(name, reason) for name, reason in journal.meta("skipped") or []])
    journal.close()
    if csv:
        print(to_csv(entries), end="")
    elif json:
        import json as writer

        print(writer.dumps([asdict(entry) for entry in entries], indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        from automl_img.views.summary import leaderboard_table

        console = Console(highlight=False)
        console.print(leaderboard_table([asdict(entry) for entry in entries], width=console.width))
