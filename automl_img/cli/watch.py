"""``automl-img watch``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def watch(
    run: Annotated[Path, typer.Argument(help="A run folder; its search may still run.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 0,
    every: Annotated[float, typer.Option(min=1.0, help="Seconds after which the browser looks again.")] = 5.0,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Show the page on a run while its search goes on, to this machine alone; Ctrl-C ends the showing, not the search."""
    from automl_img.search.watching import watch as serve

    def ready(address: str) -> None:
        print(f"{run} is shown at {address}", flush=True)
        if show:
            import webbrowser

            webbrowser.open(address)

    serve(run, port=port, every=every, ready=ready)
