"""What ``automl-img plugins new`` writes is right whatever the plugin is called, and says what it takes."""

import importlib
import runpy

import pytest

from automl_img.errors import DataError, PluginError
from automl_img.plugin import PluginRegistry, Problem
from automl_img.plugin.manager import CLASSES, KINDS
from automl_img.plugin.starting import write_distribution


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Write a new plugin, and return it with the names of its test."""

    def write(name, kind):
        write_distribution(name, kind, tmp_path / name)
        monkeypatch.syspath_prepend(tmp_path / name)
        registry = PluginRegistry()
        registry.add_module(importlib.import_module(f"automl_img_{name}"), label=name)
        assert not registry.left_out
        return registry.get(kind, name), runpy.run_path(str(tmp_path / name / f"test_{name}.py"))

    return write


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("none", "tracker"), ("true", "architecture"), ("false", "regularizer")),
        *(("image", "source"), ("record", "source"), ("source_checks", "source")),
        *(("suggestion", "strategy"), ("search_strategy", "strategy")),
        *((kind, kind) for kind in KINDS),
    ],
)
def test_a_plugin_may_have_the_name_of_what_its_files_use(name, kind, written, tmp_path):
    plugin, test = written(name, kind)
    (checks,) = [one for one in test.values() if getattr(one, "plugin", None) is not None]
    plugin_class = plugin if kind in CLASSES else type(plugin)
    assert (checks.plugin if kind in CLASSES else type(checks.plugin)) is plugin_class
    assert plugin_class.__name__.endswith(kind.capitalize())
    checks().test_it_says_what_it_is()
    if kind == "source":
        checks().test_it_gives_images_and_labels_that_fit()


def test_a_new_source_hears_of_the_task(written, tmp_path):
    source, _ = written("listing", "source")
    (tmp_path / "data.pairs").write_text("a.png cat\na.png dog\nb.png cat\n")
    assert source.load(tmp_path / "data.pairs", {"task": "multilabel"}).task == "multilabel"
    with pytest.raises(DataError, match="two labels"):
        source.load(tmp_path / "data.pairs", {"task": "multiclass"})


@pytest.mark.parametrize("value", ["many", -1, 2.5, True])
def test_a_new_strategy_refuses_a_wrong_value_of_its_option(value, written):
    strategy, _ = written(f"steps_{str(value).strip('-').replace('.', '_').lower()}", "strategy")
    with pytest.raises(PluginError, match="a whole number of at least 0") as caught:
        strategy().start(Problem((), 0, 5, options={"random_first": value}))
    assert caught.value.where == "[search.options] random_first"


def test_the_table_of_a_new_tracker_has_its_header_wherever_it_is_cut_off(written, tmp_path):
    kind, _ = written("tables", "tracker")
    table = tmp_path / "run" / "tables" / "measurements.csv"
    table.parent.mkdir(parents=True)
    table.touch()  # as one that was killed before it wrote
    trackers = kind(), kind()
    for tracker in trackers:
        tracker.search_started("digits", tmp_path / "run", {})
        assert table.read_text().splitlines() == ["trial,epoch,figure,value"]
    for tracker in trackers:
        tracker.close()
