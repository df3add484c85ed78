"""A distribution that somebody else wrote is installed, found, searched, and can win; a broken one costs one warning."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.train]

ROOT = Path(__file__).parents[2]
PLAINNET = ROOT / "tests" / "third_party" / "automl-img-plainnet"
WIDE_RESNET = ROOT / "docs" / "examples" / "automl-img-wide-resnet"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Environment of a process that sees the distributions, and one whose module raises on import."""
    site = tmp_path_factory.mktemp("site")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        site,
        PLAINNET,
        WIDE_RESNET,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    (site / "broken_plugin.py").write_text("raise RuntimeError('no such GPU')\n")
    metadata = site / "broken_plugin-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 0.1\n")
    (metadata / "entry_points.txt").write_text("[automl_img]\nbroken = broken_plugin\n")
    return {**os.environ, "PYTHONPATH": str(site)}


def automl_img(*arguments, environment, **more):
    command = [str(Path(sys.executable).parent / "automl-img"), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, **more)


def test_an_installed_distribution_is_listed_with_where_it_came_from(installed):
    ran = automl_img("plugins", "--json", environment=installed)
    assert ran.returncode == 0, ran.stderr
    plugins = {plugin["name"]: plugin for plugin in json.loads(ran.stdout)}
    assert plugins["plainnet"]["distribution"] == "automl-img-plainnet 1.2.3"
    assert "RuntimeError: no such GPU" in plugins["broken"]["left_out"]


def test_installed_architectures_are_searched_beside_ours(installed, tmp_path):
    """One of the tests, the documentation's example, and one that comes with automl-img; one module more is broken."""
    sets = [
        "data.test=0.1",
        "train.epochs=8",
        'search.architectures=["plainnet", "simple_cnn", "wide_resnet"]',
        'search.fixed={"wide_resnet.width" = 2, "wide_resnet.blocks" = 1}',
    ]
    arguments = [argument for setting in sets for argument in ("--set", setting)]
    ran = automl_img(
        "search", "digits", "--trials", 3, "--json", "--out", tmp_path / "run", *arguments, environment=installed
    )
    assert ran.returncode == 0, ran.stderr
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    warned = [event for event in told if event["event"] == "PluginLeftOut" and event["name"] == "broken"]
    assert len(warned) == 1
    ended = {event["architecture"]: event for event in told if event["event"] == "TrialEnded"}
    assert set(ended) == {"plainnet", "simple_cnn", "wide_resnet"}
    assert ended["wide_resnet"]["f1"] > 0.8


def test_the_example_of_the_documentation_passes_its_own_test(installed, tmp_path):
    shutil.copy(WIDE_RESNET / "test_wide_resnet.py", tmp_path)  # beside nothing, so that what is installed is tested
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    ran = subprocess.run(command, env=installed, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout
