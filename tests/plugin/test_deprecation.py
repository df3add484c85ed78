"""What is to go from the plugin API works for one more minor version, and warns."""

import importlib

import pytest

import automl_img.plugin
from automl_img.plugin import API_VERSION, Architecture, discover
from automl_img.plugin.deprecation import OUTGOING, Outgoing

PLUGIN = """
from automl_img.plugin import Network, hookimpl

class Net(Network):
    '''A network.'''
    name = "net_of_old"

@hookimpl
def register_architectures(register):
    register(Net())
"""


def test_a_plugin_that_uses_an_outgoing_name_works_and_its_file_is_warned_with_what_to_use(tmp_path, monkeypatch):
    monkeypatch.setitem(OUTGOING, "Network", Outgoing(Architecture, "Architecture", since="1.1"))
    (tmp_path / "plugin_of_old.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    with pytest.warns(DeprecationWarning, match=r"Network goes away with version 1\.2 .*: use Architecture") as warned:
        registry = discover(modules=["plugin_of_old"])
    assert "net_of_old" in registry.names("architecture")
    assert {one.filename for one in warned} == {str(tmp_path / "plugin_of_old.py")}


def test_a_name_that_never_was_is_none():
    with pytest.raises(ImportError, match="cannot import name 'Painting'"):
        from automl_img.plugin import Painting  # noqa: F401
    assert not hasattr(automl_img.plugin, "Painting")


def test_a_name_goes_when_it_has_warned_for_one_minor_version():
    assert [name for name, one in OUTGOING.items() if one.since != API_VERSION] == []
