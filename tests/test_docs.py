"""What the pages say is so."""

import csv
import doctest
import importlib
import itertools
import re
import statistics
import subprocess
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

import automl_img
from automl_img.plugin.manager import KINDS

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if ".pytest_cache" not in page.parts)]


def test_the_reference_pages_follow_from_the_code():
    ran = subprocess.run([sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_each_page_stands_in_the_navigation_once():
    named = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert sorted(named) == sorted(pages)


def test_each_architecture_with_pretrained_weights_is_named_with_its_network():
    from automl_img.plugin import discover

    text = (ROOT / "docs" / "transfer-learning.md").read_text()
    having = [plugin.name for plugin in discover().all("architecture") if plugin.weight_sets]
    table = dict(re.findall(r"\| `(\w+)` \| (\w+) \|", text))
    assert sorted(table) == sorted(having)
    for name, network in table.items():
        source = (ROOT / "plugins" / "automl_img_architectures" / f"{name}.py").read_text()
        assert f'application("{network}"' in source


def test_what_a_page_includes_is_there():
    for page in PAGES:
        for name in re.findall(r'^--8<-- "(.+)"$', page.read_text(encoding="utf-8"), re.MULTILINE):
            assert (ROOT / name).is_file(), f"{page.name}: {name}"


def test_each_hook_is_documented():
    text = (ROOT / "docs" / "plugins.md").read_text()
    for hook, _ in KINDS.values():
        assert hook in text


def test_ci_runs_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- command: test -->\n```sh\n(.+?)\n```", readme, re.DOTALL)
    assert block, "the README has no test command"
    assert "command: test" in (ROOT / ".ci" / "run").read_text()


def test_the_plugin_in_the_readme_is_a_working_module():
    block = re.search(r"```python\n(from automl_img\.plugin import.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    import types

    from automl_img.plugin import PluginRegistry

    module = types.ModuleType("readme")
    exec(block.group(1), module.__dict__)
    registry = PluginRegistry()
    registry.add_module(module, label="readme")
    assert registry.names("architecture") == ["plainnet"]
    assert registry.left_out == []


def test_every_public_name_of_python_is_in_the_changelog_or_the_pages():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in ("fit", "load", "ImageClassifier", "Predictor"):
        assert name in automl_img.__all__
        assert name in text


def test_each_marker_of_the_tests_is_explained():
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for marker in markers:
        assert f"| `{marker.split(':')[0]}` |" in text


def test_the_checks_before_a_commit_are_those_of_ci():
    lint = re.search(r"^lint:.*\n((?:\t.+\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    checks = {" ".join(line.split()).split("$(BIN)/")[1] for line in lint.splitlines()}
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    before = {entry.replace(" --force-exclude", "") for entry in re.findall(r"entry: \.venv/bin/([^,]+)", hooks)}
    assert before == {check.removesuffix(" .") for check in checks}


def test_the_version_to_cite_is_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_each_form_for_an_issue_can_be_read():
    yaml = pytest.importorskip("yaml")
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert forms
    for form in forms:
        content = yaml.safe_load(form.read_text())
        assert content["name"] and content["description"]
        assert all(part["attributes"]["label"] for part in content["body"] if part["type"] != "markdown")
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["type"] == "software"


def examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    for path in sorted((ROOT / "automl_img").rglob("*.py")):
        if ">>> " in path.read_text():
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield from (one for one in finder.find(importlib.import_module(name)) if one.examples)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_each_example_of_a_docstring_is_python_and_is_run_where_it_needs_no_images(example):
    for line in example.examples:
        compile(line.source, example.name, "single")
    if example.name.startswith("automl_img.plugin."):
        assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example).failed == 0


NAMED = re.compile(r"(?:`|python |search )((?:tests|benchmarks|recipes|plugins|docs|automl_img)/[\w./-]+)(?!…)\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_file_of_the_repository_that_a_page_names_is_there(page):
    for name in NAMED.findall(page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists(), name


def test_each_extra_that_a_page_names_can_be_installed():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {name for page in PAGES for name in re.findall(r"automl-img\[(\w+)\]", page.read_text(encoding="utf-8"))}
    assert named and named <= extras.keys()


PEERS = {
    "automl-img": "automl-img",
    "a script": "expert",
    "expert": "expert",
    "AutoKeras": "autokeras",
    "keras-tuner": "keras-tuner",
    "Ultralytics": "ultralytics",
}


UNITS = ("AMX", "AVX-512 BF16, Zen 5", "AVX-512 BF16, Zen 4", "float32", "AVX2")
AMX, *OTHERS = (f"2 cores x86_64, {unit}" for unit in UNITS)
TABLES = [("README.md", [AMX]), ("docs/benchmarks.md", [AMX, *OTHERS])]
SETS = {"emoji": "emoji", "digits": "digits", "CIFAR-10": "cifar10", "Fashion-MNIST": "fashion"}


def measured(machine):
    """The median test macro-F1 by data set, minutes and peer, as the benchmark left them."""
    found = defaultdict(list)
    with (ROOT / "benchmarks" / "peers" / "results.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["machine"] == machine:
                found[row["data"], row["minutes"], row["peer"]].append(float(row["test_f1"]))
    return {key: statistics.median(values) for key, values in found.items()}


@pytest.mark.parametrize(("page", "machines"), TABLES)
def test_the_figures_beside_those_of_others_are_those_that_were_measured(page, machines):
    lines = (ROOT / page).read_text().splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"\| *\| Fashion-MNIST, 2 minutes", line)]
    for head, machine in zip(heads, machines, strict=True):
        known, compared = measured(machine), set()
        columns = [re.search(r"(\d+) minutes", cell)[1] for cell in lines[head].split("|")[2:-1]]
        heading = lines[head].split("|")[2:-1]
        sets = [next((data for name, data in SETS.items() if name in cell), "fashion") for cell in heading]
        for line in itertools.takewhile(lambda line: line.startswith("|"), lines[head + 2 :]):
            name, *cells = (cell.strip() for cell in line.split("|")[1:-1])
            peer = next(peer for begin, peer in PEERS.items() if name.startswith(begin))
            for data, minutes, cell in zip(sets, columns, cells, strict=True):
                assert bool(cell) == ((data, minutes, peer) in known), f"{peer}, {data}, {minutes} minutes: {cell!r}"
                if cell:
                    figure = re.search(r"\d\.(\d+)", cell)
                    assert figure[0] == f"{known[data, minutes, peer]:.{len(figure[1])}f}", (peer, data, minutes)
                    compared.add((data, minutes, peer))
        told = set(zip(sets, columns, strict=True))
        assert compared == {place for place in known if place[:2] in told}, "each that was measured so stands there"
