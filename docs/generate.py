"""Writes the reference pages that follow from the code: recipe keys and the command line.

usage: python docs/generate.py [--check]
"""

import argparse
import sys
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from automl_img.recipe import Recipe

DOCS = Path(__file__).resolve().parent
NOTICE = "<!-- Written by docs/generate.py; change the code instead. -->\n\n"


def recipe_page():
    lines = [
        "# Recipes\n",
        "A recipe is a TOML file. Every key has a default but the budget, which needs at least one of its keys; `automl-img init` writes",
        "a commented one, `automl-img recipe check FILE` says whether one is right, `automl-img recipe schema` prints the JSON Schema.",
        "`--set table.key=value` replaces any of them.\n",
    ]
    _table(Recipe, "", lines)
    return NOTICE + "\n".join(lines) + "\n"


def _table(model, prefix, lines):
    rows, below = [], []
    for name, field in model.model_fields.items():
        inner = next((c for c in (field.annotation, *typing.get_args(field.annotation)) if _is_model(c)), None)
        if inner is not None:
            below.append((f"{prefix}{name}", inner))
            continue
        rows.append(f"| `{name}` | {_default(field)} | {field.description or ''} |")
    title = f"`[{prefix.rstrip('.')}]`" if prefix else "Top level"
    lines += [f"## {title}\n", *([_about(model)] if prefix else []), "| key | default | meaning |", "|---|---|---|", *rows, ""]
    for name, inner in below:
        _table(inner, f"{name}.", lines)


def _is_model(candidate):
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)


def _about(model):
    return model.__doc__.strip().split(": ", 1)[-1].capitalize() + "\n"


def _default(field):
    value = field.get_default(call_default_factory=True)
    if value is None or value is PydanticUndefined:
        return ""
    return f"`{value}`".replace("'", '"').replace("True", "true").replace("False", "false")


def command_page():
    import typer
    from typer.main import get_command

    from automl_img.cli import app

    lines = [
        "# The command line\n",
        "| exit code | when |",
        "|---|---|",
        "| 0 | done |",
        "| 1 | the search ended without a model; the reason is printed |",
        "| 2 | a wrong argument, recipe, data set, plugin or folder; one line says what |",
        "| 3 | `predict`: some images could not be read; the others are predicted |",
        "| 130 | interrupted with Ctrl-C; once ends the search in good order with the best model so far, twice ends at once |",
        "",
    ]
    root = get_command(app)
    context = typer.Context(root, info_name="automl-img")
    _command(root, context, lines)
    return NOTICE + "\n".join(lines) + "\n"


def _command(command, context, lines):
    if context.parent is not None:
        lines += [f"## `{context.command_path}`\n", (command.help or "").strip(), ""]
        for parameter in command.params:
            names = ", ".join(f"`{name}`" for name in parameter.opts)
            about = getattr(parameter, "help", None) or ""
            lines.append(f"- {names if parameter.param_type_name == 'option' else f'`{parameter.name.upper()}`'}: {about}")
        lines.append("")
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        _command(inner, type(context)(inner, info_name=name, parent=context), lines)


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    args.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not current")
    args = args.parse_args()
    stale = []
    for name, text in (("recipes.md", recipe_page()), ("command-line.md", command_page())):
        path = DOCS / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not args.check:
                path.write_text(text, encoding="utf-8")
    if args.check and stale:
        sys.exit(f"not current: {', '.join(stale)}; run make docs")


if __name__ == "__main__":
    main()
