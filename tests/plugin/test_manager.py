import sys
import types

import pytest

from automl_img.errors import PluginError
from automl_img.plugin import Architecture, Augmentation, PluginRegistry, discover, hookimpl
from automl_img.plugin.manager import KINDS


class Net(Architecture):
    """A network."""

    name = "net"


def module_with(*plugins, name="some_module"):
    module = types.ModuleType(name)

    @hookimpl
    def register_architectures(register):
        for plugin in plugins:
            register(plugin)

    module.register_architectures = register_architectures
    return module


def registry_of(*plugins, **choice):
    registry = PluginRegistry(**choice)
    registry.add_module(module_with(*plugins), label="some_module", distribution="some 1.0")
    return registry


PASSES, SHARE = "not a number of passes over the data, 0 or more", "not a share of macro-F1, 0 or more"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("least_passes", 0, ""),
        ("least_passes", 12.5, ""),
        *[("least_passes", value, PASSES) for value in (-1, float("nan"), float("inf"), "5")],
        ("natural_affinity", 0.9, ""),
        ("natural_affinity", float("inf"), ""),
        *[("natural_affinity", value, SHARE) for value in (-0.1, float("nan"), None)],
    ],
)
def test_an_augmentation_that_no_search_could_plan_with_is_left_out(name, value, problem):
    module = types.ModuleType("blurs")

    @hookimpl
    def register_augmentations(register):
        register(type("Smear", (Augmentation,), {"name": "smear", name: value})())

    module.register_augmentations = register_augmentations
    registry = PluginRegistry()
    registry.add_module(module, label="blurs", distribution="blurs 1.0")
    assert registry.names("augmentation") == ([] if problem else ["smear"])
    assert [record.left_out for record in registry.left_out] == (
        [f"its {name} is {value!r}, {problem}"] if problem else []
    )


@pytest.mark.parametrize("kind", KINDS)
def test_first_party_plugins_are_found_through_their_entry_points(kind):
    registry = discover()
    assert registry.names(kind)
    assert registry.left_out == []
    ours = [record for record in registry.records if record.kind == kind]
    assert all(record.distribution.startswith("automl-img ") for record in ours)
    assert all(record.summary.endswith(".") or record.summary for record in ours)


def test_a_module_can_bring_plugins_without_an_entry_point():
    registry = discover(modules=["automl_img_plainnet"])
    assert "plainnet" in registry.names("architecture")


def test_a_module_that_is_installed_and_asked_for_counts_once(monkeypatch):
    module = module_with(Net())

    @hookimpl
    def register_experience(register):
        register("learned.json")

    module.register_experience = register_experience
    monkeypatch.setitem(sys.modules, "some_module", module)
    points = [types.SimpleNamespace(name=name, dist=None, value="some_module", load=lambda: module) for name in "ab"]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    registry = discover(modules=["some_module", "some_module"])
    assert [(record.name, record.left_out) for record in registry.records] == [("net", "")]
    assert len(registry.experience) == 1


def test_a_module_that_was_asked_for_and_cannot_be_imported_is_an_error():
    with pytest.raises(PluginError, match="cannot be imported: RuntimeError: no such GPU"):
        discover(modules=["raises_on_import"])


def test_a_module_that_is_nowhere_is_told_with_what_to_do():
    with pytest.raises(PluginError, match=r"No module named 'my_nett'.*PYTHONPATH"):
        discover(modules=["my_nett"])


def test_a_module_without_a_marked_hook_is_left_out_with_what_is_missing():
    unmarked, empty = types.ModuleType("unmarked"), types.ModuleType("empty")
    unmarked.register_architectures = lambda register: register(Net())
    registry = PluginRegistry()
    for module in (unmarked, empty):
        registry.add_module(module, label=module.__name__)
    reasons = {record.name: record.left_out for record in registry.left_out}
    assert "nothing calls its register_architectures: mark it with @hookimpl" in reasons["unmarked"]
    assert "register_architectures(register), marked with @hookimpl" in reasons["empty"]


def test_a_hook_that_raises_costs_what_it_had_not_registered_yet():
    registry = discover(modules=["raises_in_hook"])
    assert "nothing" in registry.names("augmentation")
    assert [record.left_out for record in registry.left_out] == ["register_augmentations raised KeyError: 'weights'"]


def test_a_hook_that_ends_the_process_costs_itself_alone():
    module = module_with(Net())

    @hookimpl
    def register_sources(register):
        sys.exit(3)

    @hookimpl
    def register_experience(register):
        sys.exit(4)

    module.register_sources, module.register_experience = register_sources, register_experience
    registry = PluginRegistry()
    registry.add_module(module, label="exits")
    assert registry.names("architecture") == ["net"]
    assert [record.left_out for record in registry.left_out] == [
        "register_sources raised SystemExit: 3",
        "register_experience raised SystemExit: 4",
    ]


@pytest.mark.parametrize("name", ["exits_at_once", "exits_in_package.net"])
def test_a_module_that_was_asked_for_and_ends_the_process_is_an_error(name, tmp_path, monkeypatch):
    (tmp_path / "exits_in_package").mkdir()
    for file in ("exits_at_once.py", "exits_in_package/__init__.py"):
        (tmp_path / file).write_text("import sys\n\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="cannot be imported: SystemExit: 3"):
        discover(modules=[name])


@pytest.mark.parametrize("declared", ["", "1.1"])
def test_a_module_that_raises_when_it_is_asked_for_a_name_is_left_out(declared):
    lazy = types.ModuleType("lazy")
    if declared:
        lazy.AUTOML_IMG_API = declared

    def missing(name):
        raise ImportError(f"no extra for {name}")

    lazy.__getattr__ = missing
    registry = registry_of(Net())
    registry.add_module(lazy, label="lazy")
    assert registry.names("architecture") == ["net"]
    (record,) = registry.left_out
    expected = "it registers nothing" if declared else "it raised ImportError: no extra for AUTOML_IMG_API"
    assert record.name == "lazy" and expected in record.left_out


def test_a_name_that_is_taken_is_left_out_and_the_first_stays():
    first, second = Net(), Net()
    registry = registry_of(first, second)
    assert registry.get("architecture", "net") is first
    assert "has this name already" in registry.left_out[0].left_out


@pytest.mark.parametrize("wrong", [Net, "net", 3])
def test_what_is_no_plugin_is_left_out_with_what_it_should_be(wrong):
    registry = registry_of(wrong)
    assert "not an instance of Architecture" in registry.left_out[0].left_out


def test_a_name_that_recipes_cannot_hold_is_left_out():
    class Odd(Net):
        name = "Odd Name!"

    assert "lower case" in registry_of(Odd()).left_out[0].left_out


def test_blocked_plugins_are_left_out_and_say_so_when_asked_for():
    registry = registry_of(Net(), block=["net"])
    with pytest.raises(PluginError, match="was left out: blocked by"):
        registry.get("architecture", "net")


def test_a_mistyped_hook_is_told():
    module = types.ModuleType("typo")

    @hookimpl
    def register_architecture(register):
        register(Net())

    module.register_architecture = register_architecture
    registry = PluginRegistry()
    registry.add_module(module, label="typo")
    assert "its hooks do not fit" in registry.left_out[0].left_out


def test_an_unknown_plugin_is_refused_with_what_there_is():
    with pytest.raises(PluginError, match=r"unknown architecture; found 'nett'; allowed: net\. Did you mean 'net'"):
        registry_of(Net()).get("architecture", "nett")


class _Distribution:
    """An installed distribution that counts how often its metadata are read."""

    version = "1.2"

    def __init__(self, name):
        self._name, self.reads = name, 0

    @property
    def name(self):
        self.reads += 1
        return self._name


def test_first_party_plugins_come_first_and_metadata_are_not_read_for_each_entry_point(monkeypatch):
    other, ours = _Distribution("another"), _Distribution("automl-img")
    points = [
        types.SimpleNamespace(name=name, dist=dist, value="m", load=lambda net=net: module_with(net()))
        for name, dist in (("b", other), ("a", other), ("d", ours), ("c", ours), ("e", None))
        for net in [type(name, (Net,), {"name": name})]
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    found = [(record.name, record.distribution) for record in discover().records]
    assert found == [
        ("c", "automl-img 1.2"),
        ("d", "automl-img 1.2"),
        ("e", ""),
        ("a", "another 1.2"),
        ("b", "another 1.2"),
    ]
    assert other.reads == ours.reads == 2, "once for the order, once for the label"


def test_an_entry_point_that_names_no_module_is_left_out_and_the_others_stay(monkeypatch):
    points = [
        types.SimpleNamespace(name=name, dist=None, value=value, load=lambda found=found: found)
        for name, value, found in (("a", "nets:a", Net()), ("b", "nets", module_with(Net())))
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    registry = discover()
    assert registry.names("architecture") == ["net"]
    (record,) = registry.left_out
    assert (record.name, record.left_out) == ("a", "its entry point names no module: nets:a is of type Net")
