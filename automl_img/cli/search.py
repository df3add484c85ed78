"""``automl-img search``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from automl_img.views import View

#: When the command began, by ``time.monotonic()``; the budget counts from here. Not when its process did: a shell script that
#: ends with ``exec automl-img``, or with it as its last command, has been that process before.
BEGUN = time.monotonic()


def search(
    target: Annotated[
        str | None,
        typer.Argument(help="A recipe, the name of a source, a folder of images by class, a table, an export."),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Wall time of the whole command, such as 5m.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Number of trials at most.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of everything random.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Go on with the search in this run folder; no target is given then."),
    ] = None,
    warm_start: Annotated[
        str | None, typer.Option(metavar="RUN", help="Start from what another run has learned; sets search.warm_start.")
    ] = None,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Resume although plugins or the search space have changed.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/<recipe>-<time> unless given.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace any key of the recipe; can be repeated."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object for each event on standard output.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines, also on a terminal.")] = False,
) -> None:
    """Search the best classifier of labelled images within a budget.

    Ctrl-C once ends the search in good order with the best model so far; twice ends it at once. However it ended, --resume goes on.
    """
    from automl_img.errors import AutoMLImageError, UsageError
    from automl_img.resolving import resolve, run_path
    from automl_img.search.engine import run_search
    from automl_img.search.interruption import Interruption
    from automl_img.search.resuming import recipe_of_run
    from automl_img.views import make_view

    if (target is None) == (resume is None) or (resume is not None and out is not None):
        given = [target, "--resume" if resume else None, "--out" if out else None]
        raise UsageError(
            "a search takes either a target or --resume RUN, which is its run folder too",
            found=", ".join(filter(None, given)) or "neither",
            hint="A target is a recipe, a source, a folder, a table, or an export.",
        )
    overrides = parse_settings(set_ or [])
    for key, value in (
        ("budget.time", budget),
        ("budget.trials", trials),
        ("seed", seed),
        ("search.warm_start", warm_start),
    ):
        if value is not None:
            overrides[key] = value
    view: View = make_view(json=json, plain=plain)
    interruption = Interruption()
    folder: Path | None
    try:
        images = None
        if resume is not None:
            recipe, folder = recipe_of_run(resume, overrides), resume
        else:
            recipe, images = resolve(target, overrides)
            folder = run_path(recipe, out)
        with view, interruption.on_ctrl_c(view.stopping):
            outcome = run_search(
                recipe,
                folder,
                dataset=images,
                listener=view.hear,
                interruption=interruption,
                begun=BEGUN,
                resume=resume is not None,
                accept_changes=accept_changes,
            )
    except AutoMLImageError as error:
        view.failed(str(error))
        raise
    except KeyboardInterrupt:
        sys.exit(130)
    if outcome.interrupted:
        raise typer.Exit(130)


def parse_settings(settings: list[str]) -> dict[str, Any]:
    """Parse ``key=value`` pairs.

    A value is read as TOML, and as plain text where it is none, where it is a date, and where the key takes nothing but text: a folder
    may be called 2024.

    Raises:
        UsageError: There is no ``=`` or no key.
    """
    import datetime
    import tomllib

    from automl_img.errors import UsageError
    from automl_img.recipe import takes_text

    parsed: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(
                "this is no setting", where="--set", found=setting, allowed="key=value, such as search.strategy=random"
            )
        plain = text.strip() or text  # a blank or a tab is a value, too: a separator may be one
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = plain
        is_date = isinstance(value, datetime.date | datetime.time)
        parsed[key] = plain if is_date or (takes_text(key) and not isinstance(value, str)) else value
    return parsed
