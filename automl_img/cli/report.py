"""``automl-img report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run folder; its search may still run.")],
    out: Annotated[Path | None, typer.Option(help="The file; report.html in the run folder unless given.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the page on a run: the best model and the evidence for it, in one file that needs nothing from outside."""
    from automl_img.search.reporting import write_report

    written = write_report(run, out)
    print(f"{written} is written ({written.stat().st_size / 1e6:.1f} MB){'' if show else ': open it in a browser'}")
    if show:
        import webbrowser

        webbrowser.open(written.absolute().as_uri())
