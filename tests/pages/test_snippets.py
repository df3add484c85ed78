"""What the pages show can be typed: commands exist with these options, Python compiles, recipes are right; what is quick is run."""

import contextlib
import os
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from page_snippets import PAGES, ROOT, commands, recipes, snippets

from automl_img.cli import app
from automl_img.cli.search import parse_settings
from automl_img.recipe import recipe_from_mapping

FASHION = Path("/usr/share/datasets/fashion-mnist")
#: Commands that only look at a run, or at images, and take seconds.
QUICK_COMMANDS = (
    "analyse",
    "cache",
    "evaluate",
    "init",
    "leaderboard",
    "plugins",
    "predict",
    "recipe",
    "report",
    "status",
    "suspects",
)
QUICK = {
    tuple(word for word in one.words if word != "--open")
    for one in commands()
    if one.whole and one.words[0] in QUICK_COMMANDS
}
MADE = {name for page in PAGES for name in re.findall(r"(?:^ *|[`;&] ?)make ([\w-]+)", page.read_text(), re.MULTILINE)}


def need_images(text):
    """Skip a test of what needs Fashion-MNIST where it is not installed: no test asks the network."""
    if "fashion_mnist" in text and not FASHION.is_dir():
        pytest.skip("needs Debian's dataset-fashion-mnist")


def described(words):
    """The click command that the words name, its context, and the words that are left."""
    from typer.main import get_command

    command = get_command(app)
    context = command.make_context("automl-img", [], resilient_parsing=True)
    left = list(words)
    while hasattr(command, "commands"):
        if not left or left[0].startswith("-"):
            break
        assert left[0] in command.commands, f"there is no command {left[0]!r}"
        command = command.commands[left.pop(0)]
        context = type(context)(command, info_name=command.name, parent=context)
    return command, context, left


@pytest.mark.parametrize("command", commands(), ids=str)
def test_each_command_exists_with_its_options(command):
    found, context, left = described(command.words)
    if command.whole:
        found.make_context(found.name, left, parent=context.parent)
    else:
        known = {
            name for parameter in found.get_params(context) for name in (*parameter.opts, *parameter.secondary_opts)
        }
        assert {word for word in left if word.startswith("--")} <= known


@pytest.mark.parametrize("command", [one for one in commands() if one.words[0] in ("search", "analyse")], ids=str)
def test_each_setting_of_a_command_is_a_key_of_the_recipe(command):
    settings = [command.words[place + 1] for place, word in enumerate(command.words) if word == "--set"]
    recipe_from_mapping(
        {"budget": {"time": "10m"}}, parse_settings([one for one in settings if one != "table.key=value"])
    )


@pytest.mark.parametrize("recipe", recipes(), ids=str)
def test_each_recipe_is_right(recipe):
    recipe_from_mapping({"budget": {"time": "10m"}, **tomllib.loads(recipe.text)})


@pytest.mark.parametrize("snippet", snippets("python"), ids=str)
def test_each_piece_of_python_compiles(snippet):
    compile(snippet.text, str(snippet), "exec")


@pytest.mark.parametrize("snippet", [one for one in snippets("python") if one.marked], ids=str)
def test_each_piece_of_python_that_is_marked_runs(snippet):
    need_images(snippet.text)
    exec(compile(snippet.text, str(snippet), "exec"), {})


@pytest.mark.parametrize("target", sorted(MADE))
def test_each_target_of_make_exists(target):
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()


@pytest.fixture(scope="module")
def desk(tmp_path_factory, finished):
    """A folder with what the pages speak of: runs, photographs, a picture, the recipes, a plugin."""
    from PIL import Image

    place = tmp_path_factory.mktemp("desk")
    for name in ("digits", "fashion", "photos"):
        shutil.copytree(finished[0].run_dir, place / "runs" / name)
    shutil.copytree(ROOT / "recipes", place / "recipes")
    for kind, level in (("cats", 60), ("dogs", 190)):
        folder = place / "photos" / kind
        folder.mkdir(parents=True)
        for number in range(12):
            Image.effect_noise((16, 16), 20 + number).point(lambda old, level=level: (old + level) // 2).save(
                folder / f"{number}.png"
            )
    (plugin,) = [one for one in snippets("python") if one.text.startswith('"""The architecture my_net')]
    (place / "my_net.py").write_text(plugin.text)
    (place / "new").mkdir()
    for name in ("picture.png", "new.jpg", "new/1.png"):
        Image.effect_noise((8, 8), 60).save(place / name)
    return place


@pytest.mark.train
@pytest.mark.parametrize("words", sorted(QUICK), ids=" ".join)
def test_each_quick_command_does_its_work(words, desk, monkeypatch):
    from typer.testing import CliRunner

    need_images(" ".join(words))
    monkeypatch.syspath_prepend(desk)  # as PYTHONPATH=. does

    for file in ("photos.html", "photos.toml", "recipe.toml"):
        (desk / file).unlink(missing_ok=True)
    with contextlib.chdir(desk):
        ran = CliRunner().invoke(app, words, env={**os.environ, "COLUMNS": "160"})
    assert ran.exit_code == 0, f"{ran.output}\n{ran.exception!r}"
