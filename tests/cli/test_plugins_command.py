"""``automl-img plugins new`` and ``check``, and that what ``new`` writes is right at once."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from automl_img.cli.plugins import _refuse_left_out
from automl_img.plugin import ImageTraits, PluginError, discover
from automl_img.plugin.manager import KINDS
from automl_img.recipe import recipe_from_mapping
from automl_img.search.space import build_space


def run(*arguments, paths=()):
    command = [str(Path(sys.executable).parent / "automl-img"), *map(str, arguments)]
    path = os.pathsep.join(map(str, [*paths, *sys.path]))
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture
def importable(tmp_path, monkeypatch):
    """A function that makes the modules of a folder below the test's own importable, until the test ends."""
    yield monkeypatch.syspath_prepend
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_new_plugin_of_each_kind_is_green_and_found_at_once(typed, importable, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / f"my_{kind}" for kind in KINDS]
    for kind, folder in zip(KINDS, folders, strict=True):
        made = typed("plugins", "new", folder.name, "--kind", kind)
        assert made.returncode == 0, made.stderr
        assert sorted(path.suffix for path in folder.iterdir()) == [".md", ".py", ".py", ".toml"]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "--rootdir", tmp_path, *folders],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert tested.returncode == 0, tested.stdout
    assert "skipped" not in tested.stdout.lower()
    assert all(f"{folder.name}/test_{folder.name}.py" in tested.stdout for folder in folders)
    modules = [part for folder in folders for part in ("--module", f"automl_img_{folder.name}")]
    for folder in folders:
        importable(folder)
    listed = json.loads(typed("plugins", "--json", *modules).stdout)
    assert {folder.name for folder in folders} <= {one["name"] for one in listed}
    assert not any(one["left_out"] for one in listed)


def test_an_architecture_shows_its_hyperparameters_as_a_recipe_fixes_them(typed):
    shown = " ".join(typed("plugins", "show", "simple_cnn").stdout.split())
    assert shown.startswith(
        "architecture simple_cnn, version 1, from automl-img 0.1.0 (automl_img_architectures.simple_cnn)"
    )
    assert "each block doubles the channels" in shown and "[search.fixed]" in shown
    assert '"simple_cnn.units" a whole number from 64 to 512 128 simple_cnn.pooling is "flatten"' in shown
    (facts,) = json.loads(typed("plugins", "show", "rotation", "--json").stdout)
    names = [setting["name"] for setting in facts["settings"]]
    recipe = recipe_from_mapping({"search": {"fixed": {"augmentation.rotation": True}}})
    space = build_space(recipe, discover(), ImageTraits(64, 64, 3, 10, 10_000))
    assert names == [one.name for one in space.parameters if one.name.startswith("augmentation.rotation")]


def test_sources_and_strategies_show_their_options_and_trackers_nothing(typed):
    shown = " ".join(typed("plugins", "show", "table").stdout.split())
    assert "[data.options]" in shown and "levels Columns that make a hierarchy from the top" in shown
    assert "[search.options]" in typed("plugins", "show", "grid").stdout
    assert "A recipe has nothing to set of it." in typed("plugins", "show", "tensorboard").stdout
    unknown = typed("plugins", "show", "simple_cmm")
    assert unknown.returncode == 2 and "Did you mean 'simple_cnn'" in unknown.stderr


@pytest.mark.parametrize("option", [["--module", "my_net"], ["--json"]])
def test_an_option_in_front_of_the_command_that_it_is_for_is_refused(typed, option):
    ran = typed("plugins", *option, "show", "my_net")
    assert ran.returncode == 2 and ran.stdout == ""
    assert f"{option[0]}: in front of show this option says nothing. Put it behind show;" in ran.stderr


@pytest.mark.skipif(
    importlib.util.find_spec("hatchling") is None, reason="needs hatchling, to install without a network"
)
def test_a_new_plugin_can_be_installed_and_is_listed(typed, tmp_path):
    assert typed("plugins", "new", "mine", "--kind", "tracker", "--folder", tmp_path / "mine").returncode == 0
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--editable",
    ]
    subprocess.run(
        [*pip, tmp_path / "mine", "--prefix", tmp_path / "site"], check=True, capture_output=True, timeout=300
    )
    (metadata,) = (tmp_path / "site").rglob("*.dist-info")
    listed = json.loads(run("plugins", "--json", paths=[metadata.parent, tmp_path / "mine"]).stdout)
    (mine,) = [one for one in listed if one["name"] == "mine"]
    assert mine["distribution"] == "automl-img-mine 0.1.0"
    assert mine["left_out"] == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["My Net", "--kind", "tracker"], "lower case letters"),
        (["my_net", "--kind", "tracer"], "Did you mean 'tracker'"),
        (["tensorboard", "--kind", "tracker"], "has this name already"),
        (["architectures", "--kind", "tracker"], "there is a module automl_img_architectures already"),
        (["there", "--kind", "tracker"], "it exists already"),
    ],
)
def test_what_cannot_be_started_is_told_in_one_line(typed, arguments, words, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    ran = typed("plugins", "new", *arguments)
    assert ran.returncode == 2
    assert words in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_checking_a_good_plugin_passes():
    ran = run("plugins", "check", "tensorboard")
    assert ran.returncode == 0, ran.stdout
    assert "0 failed" in ran.stdout


def test_checking_a_plugin_that_breaks_its_promise_says_what_to_do(typed, third_party_plugins):
    ran = typed("plugins", "check", "noting", "--module", "odd_trackers", "--json")
    assert ran.returncode == 1
    failed = {result["name"]: result["message"] for result in json.loads(ran.stdout) if result["outcome"] == "failed"}
    assert 'Write below folder / "noting"' in failed["test_it_keeps_its_files_in_a_folder_of_its_own"]


def test_a_source_is_checked_with_what_it_is_given(typed, tmp_path):
    without = typed("plugins", "check", "idx", "--json")
    outcomes = [result["outcome"] for result in json.loads(without.stdout)]
    assert without.returncode == 0 and "skipped" in outcomes
    assert typed("plugins", "check", "folder", "--path", tmp_path / "nothing").returncode == 1


def test_a_plugin_that_is_not_there_or_was_left_out_is_told(typed):
    unknown = typed("plugins", "check", "resnet8")
    assert unknown.returncode == 2
    assert "Did you mean 'resnet" in unknown.stderr


@pytest.mark.parametrize("command", ["check", "show"])
def test_a_plugin_whose_name_is_taken_is_not_mistaken_for_the_other_one(typed, importable, command, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from automl_img.plugin import Architecture, hookimpl\n"
        "class Net(Architecture): name = 'resnet'\n"
        "@hookimpl\n"
        "def register_architectures(register): register(Net())"
    )
    importable(tmp_path)
    ran = typed("plugins", command, "resnet", "--module", "mine")
    words = "the plugin of mine was left out: another architecture has this name already; found 'resnet'. The other is from automl-img"
    assert ran.returncode == 2 and words in " ".join(ran.stderr.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def register_architectures(register): ...", "mark it with @hookimpl"),
        ("x = 1", "it registers nothing"),
        (
            "from automl_img.plugin import Architecture, hookimpl\n"
            "class Net(Architecture): name = 'net'\n"
            "@hookimpl\n"
            "def register_architectures(register): register(Net)",
            "registered <class 'mine.Net'>, not an instance of Architecture",
        ),
        (
            "from automl_img.plugin import Architecture, hookimpl\n"
            "class Net(Architecture): name = 'net'\n"
            "@hookimpl\n"
            "def register_architectures(register): register(Net())",
            "there is no such plugin in mine; found 'mine'; allowed: net",
        ),
    ],
)
def test_a_module_that_lacks_the_plugin_says_what_it_holds_or_misses(typed, importable, text, words, tmp_path):
    (tmp_path / "mine.py").write_text(text)
    importable(tmp_path)
    ran = typed("plugins", "check", "mine", "--module", "mine")
    assert ran.returncode == 2 and words in " ".join(ran.stderr.split())


def test_of_two_installed_plugins_with_one_name_neither_is_taken_for_the_other():
    taken = SimpleNamespace(
        kind="architecture",
        name="resnet",
        distribution="theirs 1.0",
        origin="theirs",
        left_out="another has this name already",
    )
    first = SimpleNamespace(
        kind="architecture", name="resnet", distribution="automl-img 0.1.0", origin="ours", left_out=""
    )
    registry = SimpleNamespace(left_out=[taken], records=[first, taken])
    with pytest.raises(PluginError, match=r"plugin of theirs 1\.0 was left out.*from automl-img 0\.1\.0"):
        _refuse_left_out("resnet", None, registry, None)
    _refuse_left_out("vgg", None, registry, None)
    _refuse_left_out("resnet", None, registry, ())  # what searches use is shown all the same
