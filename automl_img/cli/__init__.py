"""The command line: one file for each command; here errors become one clear line and an exit code.

Nothing heavy is imported at the top of these modules: ``automl-img --help`` must be quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from automl_img.cli import (
    analyse,
    cache,
    evaluate,
    export,
    init,
    leaderboard,
    plugins,
    predict,
    recipe,
    report,
    reproduce,
    search,
    serve,
    status,
    suspects,
    watch,
)
from automl_img.cli.output import escape_what_cannot_be_printed, tell_in_one_line, warnings_in_one_line
from automl_img.errors import AutoMLImageError
from automl_img.quiet import load_alone

app = typer.Typer(
    name="automl-img",
    help="Search the best classifier of labelled images within a budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("search")(search.search)
app.command("analyse")(analyse.analyse)
app.command("status")(status.status)
app.command("stop")(status.stop)
app.command("report")(report.report)
app.command("watch")(watch.watch)
app.command("reproduce")(reproduce.reproduce)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("suspects")(suspects.suspects)
app.command("export", cls=export.ListsFormats)(export.export)
app.command("serve")(serve.serve)
app.command("init")(init.init)
app.command("cache")(cache.cache)
app.add_typer(plugins.app, name="plugins")
app.add_typer(recipe.app, name="recipe")


def _show_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata

        print(f"automl-img {importlib.metadata.version('automl-img')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Search the best classifier of labelled images within a budget."""


def main() -> None:
    """Run the command line and exit with its code: 0 done, 1 search failed, 2 usage or recipe error, 130 interrupted."""
    load_alone()
    escape_what_cannot_be_printed()
    try:
        with warnings_in_one_line():
            app()
    except AutoMLImageError as error:
        tell_in_one_line("Error:", "bold red", str(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.exit(130)
