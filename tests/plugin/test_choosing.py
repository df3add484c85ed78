"""Which plugins may be used, by name and by version."""

import sys
import types

import pytest

from automl_img.errors import PluginError
from automl_img.plugin import API_VERSION, Architecture, PluginRegistry, discover, hookimpl
from automl_img.plugin.choosing import other_version


class Net(Architecture):
    """A network."""

    name = "net"


def module_for(version=None):
    module = types.ModuleType("versioned")
    if version is not None:
        module.AUTOML_IMG_API = version

    @hookimpl
    def register_architectures(register):
        register(Net())

    module.register_architectures = register_architectures
    return module


def registry_of(module, **choice):
    registry = PluginRegistry(**choice)
    registry.add_module(module, label="versioned")
    return registry


@pytest.mark.parametrize("version", [None, "1", "1.0", "1.7", 1])
def test_a_plugin_of_this_major_version_is_used(version):
    assert API_VERSION.startswith("1.")
    assert registry_of(module_for(version)).names("architecture") == ["net"]


@pytest.mark.parametrize(("version", "remedy"), [("2", "a newer automl-img"), ("0.9", "a newer version of the plugin")])
def test_a_plugin_of_another_major_version_is_left_out_with_one_line(version, remedy):
    registry = registry_of(module_for(version))
    assert registry.names("architecture") == []
    (record,) = registry.left_out
    found = f"it was made for version {version} of the plugin API, this is {API_VERSION}: install {remedy}"
    assert record.left_out == found


def test_a_version_that_is_none_is_told():
    assert "should be a version" in other_version(module_for("new"))


def test_the_package_of_a_module_may_say_the_version(tmp_path, monkeypatch):
    package = tmp_path / "package_of_two"
    package.mkdir()
    (package / "__init__.py").write_text('AUTOML_IMG_API = "2"\n')
    (package / "net.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="version 2 of the plugin API"):
        discover(modules=["package_of_two.net"])


@pytest.mark.parametrize("version", ["2.1", "1.99"])
def test_a_module_that_needs_what_a_later_version_has_is_refused_for_its_version(version, tmp_path, monkeypatch):
    text = f'from automl_img.plugin import FromTheFuture\n\nAUTOML_IMG_API = "{version}"\n'
    (tmp_path / "from_the_future.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=rf"made for version {version} of the plugin API, this is {API_VERSION}"):
        discover(modules=["from_the_future"])
    assert "from_the_future" not in sys.modules


def test_the_environment_blocks_plugins(monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_PLUGINS_BLOCK", "other, net")
    registry = registry_of(module_for())
    with pytest.raises(PluginError, match="blocked by AUTOML_IMG_PLUGINS_BLOCK"):
        registry.get("architecture", "net")


def test_a_plugin_must_be_allowed_by_the_recipe_and_by_the_environment(monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_PLUGINS_ONLY", "net")
    assert registry_of(module_for()).names("architecture") == ["net"]
    assert "[plugins] only" in registry_of(module_for(), only=["other"]).left_out[0].left_out
    monkeypatch.setenv("AUTOML_IMG_PLUGINS_ONLY", "other another")
    refused = registry_of(module_for(), only=["net"]).left_out[0].left_out
    assert refused == "not among AUTOML_IMG_PLUGINS_ONLY"


def test_an_empty_variable_allows_everything(monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_PLUGINS_ONLY", " ")
    assert registry_of(module_for()).names("architecture") == ["net"]
