"""``automl-img plugins``: the list, ``show``, ``new`` and ``check``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl_img.cli.plugin_settings import PluginFacts
    from automl_img.plugin import PluginRegistry
    from automl_img.plugin.testing import CheckResult

app = typer.Typer(help="List every plugin, show one, start a new one, or check one.", invoke_without_command=True)
Modules = Annotated[list[str] | None, typer.Option(help="Also look into this module; can be repeated.")]


@app.callback()
def plugins(
    context: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    module: Modules = None,
) -> None:
    """List every plugin: what it is, where it came from, and why one was left out."""
    if context.invoked_subcommand is not None:
        _refuse_before(context.invoked_subcommand, json=json, module=module)
        return
    from automl_img.plugin.manager import discover

    registry = discover(modules=module or ())
    if json:
        import json as writer

        records = sorted(registry.records, key=lambda record: (record.kind, record.name))
        print(writer.dumps([asdict(record) for record in records], indent=2, ensure_ascii=False))
        return
    _show(registry)


def _refuse_before(command: str, *, json: bool, module: list[str] | None) -> None:
    """Refuse the options of the list in front of another command, which would not see them."""
    from automl_img.errors import UsageError

    for option, given in (("--json", json), ("--module", module)):
        if given:
            problem = f"in front of {command} this option says nothing"
            hint = f"Put it behind {command}; automl-img plugins {command} --help lists the options of that."
            raise UsageError(problem, where=option, hint=hint)


def _show(registry: PluginRegistry) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    records = sorted(registry.records, key=lambda record: (record.kind, record.name))
    console = Console(highlight=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    wide = console.width >= 120
    table.add_column("kind", style="dim", no_wrap=True)
    table.add_column("name", style="bold", no_wrap=True)
    if wide:
        table.add_column("version", style="dim", no_wrap=True)
    table.add_column("from", no_wrap=True)
    table.add_column("what it is, or why it was left out")
    for record in records:
        about = Text(record.summary, overflow="ellipsis", no_wrap=True)
        if record.left_out:
            about = Text(f"left out: {record.left_out}", style="red")
        version = [record.version] if wide else []
        table.add_row(record.kind or "?", record.name, *version, Text(record.distribution or record.origin), about)
    console.print(table)
    if registry.left_out:
        console.print(f"{len(registry.left_out)} of {len(records)} were left out.", style="red")


@app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Of a plugin, as automl-img plugins shows it.")],
    kind: Annotated[str | None, typer.Option(help="Its kind, where plugins of several kinds have the name.")] = None,
    module: Modules = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what a plugin is, and what a recipe may set of it: its options, or its hyperparameters by their full names."""
    from automl_img.cli.plugin_settings import facts_of
    from automl_img.plugin.manager import discover

    registry = discover(modules=module or ())
    facts = [facts_of(found, name, registry) for found in _kinds_of(name, kind, registry, module or ())]
    if json:
        import json as writer

        print(writer.dumps([asdict(one) for one in facts], indent=2, ensure_ascii=False))
        return
    for one in facts:
        _describe(one)


def _describe(facts: PluginFacts) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from automl_img.cli.plugin_settings import HYPERPARAMETERS

    console = Console(highlight=False)
    head = Text.assemble((f"{facts.kind} {facts.name}", "bold"), f", version {facts.version}")
    console.print(head.append(f", from {facts.distribution or facts.origin} ({facts.origin})", style="dim"))
    for paragraph in facts.about.replace("``", "").split("\n\n"):
        console.print(Text(f"\n{' '.join(paragraph.split())}"))
    if not facts.settings:
        console.print("\nA recipe has nothing to set of it.")
        return
    key = facts.settings[0].key
    searched = key == HYPERPARAMETERS
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(Text(f"[{key}]"), style="bold", no_wrap=True)
    for title in ("may be", "unless set", "only if") if searched else ("what it is for",):
        table.add_column(title)
    for setting in facts.settings:
        cells = (f'"{setting.name}"', setting.about, setting.default, setting.when)
        table.add_row(*map(Text, cells if searched else (setting.name, setting.about)))
    console.print(table)
    if searched:
        said = "What is not fixed is searched; networks begin in the size that the budget can train well."
        console.print(Text(f"{said} Ranges are those for colour images of 64×64 pixels."))


@app.command("new")
def new(
    name: Annotated[
        str, typer.Argument(help="Of the plugin, and of the folder: lower case letters, digits and underscores.")
    ],
    kind: Annotated[
        str, typer.Option(help="architecture, augmentation, exporter, regularizer, source, strategy or tracker.")
    ],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it, if not into ./NAME; it must not exist.")
    ] = None,
) -> None:
    """Write a distribution with a small working plugin, its entry point, its test and a page, to change from there."""
    from automl_img.errors import UsageError
    from automl_img.plugin.manager import KINDS, discover
    from automl_img.plugin.starting import write_distribution

    if kind in KINDS and name in discover().names(kind):
        raise UsageError(f"another {kind} has this name already", where="NAME", found=name, hint="Choose another name.")
    target = folder or Path(name)
    for file in write_distribution(name, kind, target):
        print(file)
    print(f"\nNext: pip install -e '{target}[test]' && pytest {target}, and then automl-img plugins check {name}")


@app.command("check")
def check(
    name: Annotated[str, typer.Argument(help="Of a plugin, as automl-img plugins shows it.")],
    kind: Annotated[str | None, typer.Option(help="Its kind, where plugins of several kinds have the name.")] = None,
    module: Modules = None,
    path: Annotated[Path | None, typer.Option(help="For a source: something that it can load.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check that a plugin keeps the contract of its kind; exit code 1 if it does not."""
    from automl_img.plugin.manager import discover
    from automl_img.plugin.testing.running import checks_for, run_checks

    registry = discover(modules=module or ())
    results: list[CheckResult] = []
    _refuse_left_out(name, kind, registry, None)  # its author would take the result of another for that of his
    for found in _kinds_of(name, kind, registry, module or ()):
        checks = checks_for(found, registry.get(found, name), **({"path": path} if path is not None else {}))
        if not json:
            print(f"{found} {name}")
        for result in run_checks(checks):
            results.append(result)
            if not json:
                _tell(result)
    failed = sum(result.outcome == "failed" for result in results)
    if json:
        import json as writer

        print(writer.dumps([asdict(result) for result in results], indent=2, ensure_ascii=False))
    else:
        skipped = sum(result.outcome == "skipped" for result in results)
        passed = len(results) - failed - skipped
        print(f"\n{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    raise typer.Exit(1 if failed else 0)


def _kinds_of(name: str, kind: str | None, registry: PluginRegistry, modules: Sequence[str]) -> list[str]:
    """The kinds of which there is a plugin of this name.

    Raises:
        PluginError: There is none, or it was left out, even if another has its name; of ``modules``, which were asked for, it says what
            they hold.
        UsageError: There is no such kind.
    """
    from automl_img.errors import PluginError, nearest
    from automl_img.plugin.manager import KINDS, refuse_unknown_kind

    if kind is not None:
        refuse_unknown_kind(kind)
    _refuse_left_out(name, kind, registry, modules)
    kinds = [one for one in ([kind] if kind else KINDS) if name in registry.names(one)]
    if kinds:
        return kinds
    if kind:
        registry.get(kind, name)
    left_out = next((record.left_out for record in registry.left_out if record.name == name), "")
    if left_out:
        raise PluginError(f"the plugin was left out: {left_out}", found=name)
    held = [record for record in registry.records if record.origin in modules]
    if reasons := [f"{record.origin} was left out: {record.left_out}" for record in held if record.left_out]:
        raise PluginError(f"there is no such plugin, and {'; '.join(reasons)}", found=name)
    if held:
        allowed = [record.name for record in held]
        raise PluginError(f"there is no such plugin in {', '.join(modules)}", found=name, allowed=allowed)
    known = [one for each in KINDS for one in registry.names(each)]
    hint = nearest(name, known) or "automl-img plugins lists them; --module looks into a module that is not installed."
    raise PluginError("there is no such plugin", found=name, hint=hint)


def _refuse_left_out(name: str, kind: str | None, registry: PluginRegistry, modules: Sequence[str] | None) -> None:
    """See that what is shown or checked is the plugin that was meant, and not another of its name.

    Args:
        name, kind: Of the plugin.
        registry: The plugins.
        modules: Those that were asked for; None: any may be meant.

    Raises:
        PluginError: One of its name was left out, from a module that was asked for, or because another has its name.
    """
    from automl_img.errors import PluginError

    for record in registry.left_out:
        if record.name != name or (kind and record.kind not in ("", kind)):
            continue
        other = next(
            (one for one in registry.records if (one.kind, one.name, one.left_out) == (record.kind, name, "")), None
        )
        meant = other is not None if modules is None else record.origin in modules
        if not meant:
            continue
        where = record.distribution or record.origin
        hint = (
            f"The other is from {other.distribution or other.origin}: give one of them another name." if other else ""
        )
        raise PluginError(f"the plugin of {where} was left out: {record.left_out}", found=name, hint=hint)


def _tell(result: CheckResult) -> None:
    from rich.console import Console
    from rich.text import Text

    style = {"passed": "green", "failed": "bold red", "skipped": "yellow"}[result.outcome]
    console = Console(highlight=False, soft_wrap=True)
    words = result.name.removeprefix("test_").replace("_", " ")
    console.print(Text.assemble("  ", (result.outcome, style), f"  {words}"))
    if result.message:
        console.print(Text(f"          {result.message}"))
