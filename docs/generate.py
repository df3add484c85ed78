"""Writes the reference pages that follow from the code: recipe keys, the command line, Python, hooks, errors, the list of decisions.

usage: python docs/generate.py [--check]
"""

import argparse
import dataclasses
import inspect
import sys
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import automl_img
from automl_img import errors, events
from automl_img.data.inspection import findings
from automl_img.recipe import Recipe
from automl_img.recipe.models import BudgetSettings
from automl_img.training.spec import FailureKind

DOCS = Path(__file__).resolve().parent
EXIT_CODES = (
    "| exit code | when |",
    "|---|---|",
    "| 0 | done |",
    "| 1 | the search ended without a model, and the reason is printed; `reproduce`: the F1 does not agree; `plugins check`: a check failed |",
    "| 2 | a wrong argument, recipe, data set, plugin or folder; one line says what |",
    "| 3 | `predict`: some images could not be read; the others are predicted |",
    "| 130 | interrupted with Ctrl-C, SIGTERM, or by `automl-img stop`: a search ends in good order with the best model so far, at a second Ctrl-C at once |",
)
EXAMPLES = (
    {
        "problem": "unknown key 'trails'",
        "where": "cats.toml:8: budget.trails",
        "allowed": sorted(BudgetSettings.model_fields),
        "hint": "Did you mean 'trials'?",
    },
    {"problem": "there is no such column", "where": "data.options.label", "found": "lable", "allowed": ["image", "label"]},
)
FAILURES = {  # one for each kind: a new one without its sentence fails here
    "RAISED": "its code raised an error: most often a plugin's",
    "CRASHED": "its process ended without a word; tried once more, from its checkpoint",
    "OUT_OF_MEMORY": "it took more memory than it may; tried once more with half the batch size and a lower learning rate",
    "TIMEOUT": "it was not done at its deadline, or did nothing for two minutes",
    "NODE_LOST": "the node of the cluster on which it ran is gone; tried elsewhere, up to three times; or the search itself was gone, and no time is left to go on with it",
    "NONFINITE": "its loss or its weights left the finite numbers",
    "NO_SPACE": "the disk is full; the search waits, and goes on when there is room",
    "SKIPPED": "it was not trained: too large, too slow or too costly for the limits and the budget, with the figures",
}
NOTICE = "<!-- Written by docs/generate.py; change the code instead. -->\n\n"


def recipe_page():
    lines = [
        "# Recipes\n",
        "A recipe is a TOML file. Every key has a default; `automl-img init` writes a commented one, `automl-img recipe check FILE` says whether",
        "one is right, `automl-img recipe schema` prints the JSON Schema. `--set table.key=value` replaces any of them.\n",
        "A search without a recipe, of a path or a source, has these defaults too, but for one: it keeps 10% of the images for the test,",
        "as `data.test = 0.1` does.\n",
        'Durations are numbers with units, such as `"90s"`, `"10m"`, `"1h30m"` or `"2d"`; sizes are, too: `"500MB"`, `"4GB"`, `"2GiB"`.',
        "`automl-img plugins` lists the names of sources, strategies, architectures and all other plugins, `automl-img plugins show NAME` what can be set of one.\n",
    ]
    schema = Recipe.model_json_schema()
    _table(Recipe, "", schema, schema["$defs"], lines)
    _options("source", "data.options", lines)
    _options("strategy", "search.options", lines)
    return NOTICE + "\n".join(lines) + "\n"


def _table(model, prefix, schema, definitions, lines):
    rows, below = [], []
    for name, field in model.model_fields.items():
        inner = next((c for c in (field.annotation, *typing.get_args(field.annotation)) if _is_model(c)), None)
        if inner is not None:
            below.append((f"{prefix}{name}", inner))
            continue
        rows.append(f"| `{name}` | {_values(schema['properties'][name])} | {_default(field)} | {field.description or ''} |")
    title = f"`[{prefix.rstrip('.')}]`" if prefix else "Top level"
    lines += [f"## {title}\n", *([_about(model)] if prefix else []), "| key | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    for name, inner in below:
        _table(inner, f"{name}.", definitions[inner.__name__], definitions, lines)


def _options(kind, key, lines):
    """The settings that each plugin of a kind takes."""
    from automl_img.plugin import discover

    registry = discover()
    rows = [
        f"| `{name}` | `{option}` | {about[:1].upper()}{about[1:]} |".replace('"|"', '"\\|"')
        for name in registry.names(kind)
        for option, about in registry.get(kind, name).options.items()
    ]
    lines += [f"## `[{key}]`\n", f"What each {kind} takes.\n", f"| {kind} | option | meaning |", "|---|---|---|", *rows, ""]


def _values(schema):
    """What a key may hold, in words, by its JSON Schema."""
    if "anyOf" in schema:
        return " or ".join(_values(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema["type"]
    if kind == "array":
        return f"two {_values(schema['prefixItems'][0])}s" if "prefixItems" in schema else f"list of {_values(schema['items'])}"
    if kind == "string" and "examples" in schema:
        return "size" if "4GB" in schema["examples"] else "duration"
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "object": "table", "string": "text"}
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:,}" for key, sign in signs.items() if key in schema]
    return f"{words[kind]} {', '.join(bounds)}".rstrip()


def _is_model(candidate):
    return isinstance(candidate, type) and issubclass(candidate, BaseModel)


def _about(model):
    about = " ".join(model.__doc__.split()).split(": ", 1)[-1]
    return f"{about[:1].upper()}{about[1:]}\n"


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
        "`--help` behind a command shows the same in the terminal, `automl-img --version` the version.\n",
        *EXIT_CODES,
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
            term, about = parameter.get_help_record(context)
            lines.append(f"- `{term}`: {about}")
        lines.append("")
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        _command(inner, type(context)(inner, info_name=name, parent=context), lines)


def _fields(event):
    names = [field.name for field in dataclasses.fields(event) if field.name != "elapsed"]
    return ", ".join(f"`{name}`" for name in names)


def python_page():
    homes = {name: automl_img._HOMES[name] for name in automl_img.__all__}
    doors = ("fit", "load", "analyse", "read_recipe")
    errors = [name for name in homes if name.endswith("Error")]
    rest = [name for name in homes if name not in (*doors, *errors)]
    lines = [
        "# Python API\n",
        "All of it is imported from `automl_img`, on first use: `import automl_img` alone imports neither TensorFlow nor Keras.\n",
        "| name | what it is |",
        "|---|---|",
        *(f"| [`{name}`](#{homes[name]}.{name}) | {_first_sentence(getattr(automl_img, name))} |" for name in (*doors, *rest)),
        "| [errors](errors.md) | everything that is raised on purpose, in one tree |",
        "",
        "## Functions\n",
        *(f"::: {homes[name]}.{name}\n" for name in doors),
        "## Classes\n",
        *(f"::: {homes[name]}.{name}\n" for name in rest),
        "## What `analyse` takes and gives\n",
        *(f"::: {one.__module__}.{one.__name__}\n" for one in (findings.Limits, findings.Inspection)),
        "## Events\n",
        "A listener of `fit` is called with each of these, of `automl_img.events`, as it happens; all have `elapsed`, the seconds since the search began.\n",
        "| event | what has happened | fields |",
        "|---|---|---|",
        *(f"| `{one.__name__}` | {_first_sentence(one)} | {_fields(one)} |" for one in events.Event.__subclasses__()),
    ]
    return NOTICE + "\n".join(lines).rstrip() + "\n"


def hooks_page():
    from automl_img import plugin
    from automl_img.plugin import hookspecs, testing
    from automl_img.plugin.manager import KINDS

    lines = [
        "# Hooks\n",
        "A plugin implements the hooks that it needs, each with `@hookimpl` from `automl_img.plugin`; [Write a plugin](plugins.md) says how to begin.\n",
        "| hook | what it is called for |",
        "|---|---|",
        *(f"| `{hook}` | {_first_sentence(getattr(hookspecs, hook))} |" for hook in (*(hook for hook, _ in KINDS.values()), "register_experience")),
        "",
        "What they register derives from these classes.\n",
    ]
    bases = [base for _, base in KINDS.values()]
    named = [getattr(plugin, name) for name in plugin.__all__]
    functions = [one for one in named if inspect.isfunction(one)]
    others = [one for one in named if isinstance(one, type)]
    others = [one for one in others if one not in bases and not issubclass(one, Exception) and one.__module__.startswith("automl_img.plugin")]
    for title, classes in (("What a plugin derives from", bases), ("What it is given and gives back", others)):
        lines += [f"## {title}\n", *(f"::: {one.__module__}.{one.__name__}\n" for one in classes if one.__name__ not in automl_img.__all__)]
    lines += [
        "`ImageDataset` and `Split`, which a source returns, stand in the [Python API](python-api.md#classes). A strategy's `ask` may also return",
        "`WAIT`, to be asked again when a trial has ended, or `DONE`.\n",
        "## What it may call\n",
        *(f"::: {one.__module__}.{one.__name__}\n" for one in functions),
        "## What checks it\n",
        *(f"::: {one.__module__}.{one.__name__}\n" for one in (testing.Checks, *testing.CHECKS.values())),
    ]
    return NOTICE + "\n".join(lines).rstrip() + "\n"


def errors_page():
    lines = [
        "# Errors and exit codes\n",
        "A mistake in what you gave is one line: where, what was wrong, what was found, what is allowed, what to do. For example:\n",
        *(f"    Error: {errors.AutoMLImageError(**example)}" for example in EXAMPLES),
        "",
        "The command line prints it and ends with the exit code. From Python it is an exception with these parts as `where`, `problem`, `found`, `allowed` and `hint`;",
        "`except automl_img.AutoMLImageError` catches all. Anything else with a traceback is a mistake of ours.\n",
        "## Exit codes\n",
        *EXIT_CODES,
        "",
        "## The tree\n",
        "| error | exit code | when |",
        "|---|---|---|",
    ]
    _error(errors.AutoMLImageError, 0, lines)
    lines += [
        "",
        "::: automl_img.errors.AutoMLImageError\n",
        "## Failures of trials\n",
        "A trial that fails costs itself alone, and where it had saved weights these count. Else the leaderboard says which kind it was and the message;",
        "[When things go wrong](when-things-go-wrong.md) says what is kept.\n",
        "| kind | when |",
        "|---|---|",
        *(f"| {kind.value} | {FAILURES[kind.name]} |" for kind in FailureKind),
    ]
    return NOTICE + "\n".join(lines) + "\n"


def _error(kind, depth, lines):
    lines.append(f"| {'&nbsp;' * 4 * depth}`{kind.__name__}` | {kind.exit_code} | {_first_sentence(kind)} |")
    for inner in kind.__subclasses__():
        _error(inner, depth + 1, lines)


def decisions_page():
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"))
    lines = [
        "# Decisions\n",
        "Why it is built as it is, a page each: the context, the choice, what it costs.\n",
        *(f"- [{page.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}]({page.name})" for page in pages),
    ]
    return NOTICE + "\n".join(lines) + "\n"


def _first_sentence(thing):
    return " ".join((thing.__doc__ or "").strip().split("\n\n")[0].split()).replace("``", "`").replace("|", "\\|")



def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    args.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is not current")
    args = args.parse_args()
    stale = []
    pages = {
        "recipes.md": recipe_page,
        "command-line.md": command_page,
        "python-api.md": python_page,
        "hooks.md": hooks_page,
        "errors.md": errors_page,
        "decisions/index.md": decisions_page,
    }
    for name, page in pages.items():
        text = page()
        path = DOCS / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not args.check:
                path.write_text(text, encoding="utf-8")
    if args.check and stale:
        sys.exit(f"not current: {', '.join(stale)}; run make docs")


if __name__ == "__main__":
    main()
