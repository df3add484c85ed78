"""``automl-img status`` and ``automl-img stop``: a search seen, and ended, from another terminal."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="A run folder.")]


def status(
    run: Run,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show how far a search is: who drives it, what it spent, its trials, the best so far."""
    from automl_img.search.progress import progress_of

    progress = progress_of(run)
    if json:
        import json as writer
        from dataclasses import asdict

        print(writer.dumps(asdict(progress), indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    from automl_img.views.progress import progress_panel

    Console(highlight=False).print(progress_panel(progress))


def stop(run: Run) -> None:
    """End a running search in good order: its trials end with the best they have, and the best model is written.

    Works from anywhere that sees the run folder. `automl-img search --resume RUN` goes on later.
    """
    from automl_img.errors import RunFolderError
    from automl_img.search.lock import driver_of, may_be_driven
    from automl_img.search.run_folder import RunFolder

    folder = RunFolder.open(run)
    driver = driver_of(folder.path)
    if not driver and not may_be_driven(folder.path):
        hint = "`automl-img status` shows what came of it, `automl-img search --resume` goes on."
        raise RunFolderError("nobody runs this search now", where=str(run), hint=hint)
    folder.refuse_outside(folder.stop_file)  # all that is written here: other links shall not keep a search from ending
    try:
        folder.stop_file.touch()
    except OSError as error:
        raise RunFolderError(f"the run folder cannot be written: {error.strerror}", where=str(run)) from error
    if driver:
        command = f"`automl-img status {shlex.quote(str(run))}`"
        print(f"asked {driver} to end the search in good order; {command} shows when it has")
    else:
        told = "whether somebody runs this search cannot be told here"
        print(f"{told}; who does finds {folder.stop_file}, and ends it in good order")
