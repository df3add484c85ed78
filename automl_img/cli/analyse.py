"""``automl-img analyse``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_img.cli.output import refuse_place, refuse_recipe, writing

if TYPE_CHECKING:
    from automl_img.api import Looked

UNUSABLE = 2
STANDARD_OUTPUT = Path("-")


def analyse(
    target: Annotated[str, typer.Argument(help="A recipe, the name of a source, or a path that a source reads.")],
    html: Annotated[Path | None, typer.Option(help="File to write a page with pictures into.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="File to write a recipe for these images into, with the reasons.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="File to write everything into as JSON; - for standard output.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Replace any key of the recipe; can be repeated."),
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Look at so many images only, chosen at random.")] = None,
    few: Annotated[int, typer.Option(min=0, help="Name classes with fewer training images.")] = 30,
    megabytes: Annotated[float, typer.Option(min=0, help="Name files that are larger.")] = 6.0,
    short_edge: Annotated[int, typer.Option(min=0, help="Name images whose shorter side has fewer pixels.")] = 256,
) -> None:
    """Look at all images before training: what is there, what is wrong (above all duplicates between splits), what to do.

    Nothing is changed. The exit code is 0 with warnings, and 2 where a search could not use the images.
    """
    import shlex
    import sys

    from rich.console import Console

    from automl_img.api import look_at
    from automl_img.cli.search import parse_settings
    from automl_img.data.inspection import Limits
    from automl_img.views.inspection import inspection_view

    _refuse_places(html, recipe, json)
    settings = parse_settings(set_ or [])
    limits = Limits(few_images=few, megabytes=megabytes, short_edge=short_edge)
    with _Bar() as bar:
        looked = look_at(target, settings=settings, limits=limits, sample=sample, progress=bar.advance)
    found = looked.inspection
    kept = [part for setting in set_ or () for part in ("--set", setting)]
    given = [target, *kept] if recipe is None else [str(recipe)]
    written = _write_all(looked, html, recipe, json, settings if not target.endswith(".toml") else None)
    if json != STANDARD_OUTPUT:
        console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
        console.print(inspection_view(found, looked.recipe.data, shlex.join(given), written, width=console.width))
    if found.unusable:
        raise typer.Exit(UNUSABLE)


class _Bar:
    """A progress bar on standard error, where that is a terminal."""

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        console = Console(stderr=True)
        columns = (TextColumn("looking at images"), BarColumn(), MofNCompleteColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._progress.start()
        self._task = self._progress.add_task("", total=None)
        return self

    def advance(self, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` images were looked at."""
        self._progress.update(self._task, completed=done, total=total)

    def __exit__(self, *error: object) -> None:
        self._progress.stop()


def _refuse_places(html: Path | None, recipe: Path | None, json: Path | None) -> None:
    """Refuse files that cannot be written before the images are looked at, which may take its time."""
    if recipe is not None:
        refuse_recipe(recipe, "--recipe")
    for option, path in (("--html", html), ("--recipe", recipe), ("--json", json)):
        if path is not None and (option != "--json" or path != STANDARD_OUTPUT):
            refuse_place(path, option)


def _write_all(
    looked: Looked, html: Path | None, recipe: Path | None, json: Path | None, settings: dict[str, Any] | None
) -> list[str]:
    """Write the files that were asked for, and return a line on each.

    Args:
        looked: What was found.
        html, recipe, json: The files.
        settings: Keys that a person has set; None: those are all keys of the recipe that was looked at.
    """
    found, written = looked.inspection, []
    if json is not None:
        _write_json(found.as_dict(), json)
    if html is not None:
        from automl_img.report import analysis_page

        _write(html, analysis_page(found, looked.dataset))
        written.append(f"{html} is written: open it in a browser")
    if recipe is not None and found.unusable:
        written.append(f"{recipe} is not written: a search could not use these images")
    elif recipe is not None and found.advice is not None:
        from automl_img.cli.advised_recipe import advised_recipe, keys_set

        kept = settings if settings is not None else keys_set(looked.recipe.model_dump(exclude_unset=True))
        _write(recipe, advised_recipe(looked.recipe, found, found.advice, file=recipe, kept=kept))
        written.append(f"{recipe} is written: change it as you like")
    return written


def _write_json(facts: dict[str, Any], path: Path) -> None:
    import json as writer

    text = writer.dumps(facts, indent=2, ensure_ascii=False) + "\n"
    if path == STANDARD_OUTPUT:
        print(text.encode(errors="backslashreplace").decode(), end="")
    else:
        _write(path, text, errors="backslashreplace")  # what UTF-8 cannot hold becomes JSON's own \\udc80


def _write(path: Path, text: str, *, errors: str = "strict") -> None:
    from automl_img.errors import UsageError

    try:
        with writing(path):
            path.write_text(text, encoding="utf-8", errors=errors)
    except UnicodeEncodeError as error:
        problem = "the file cannot be written: a name in it is not UTF-8"
        raise UsageError(problem, where=str(path), found=error.object[error.start : error.end]) from error
