"""What a search has used is remembered in a file of the user's own."""

import json
import os
import stat

import pytest

from automl_img.errors import PluginError
from automl_img.plugin import trust


@pytest.fixture
def used_file(tmp_path, monkeypatch):
    """Where modules are remembered for this test alone."""
    path = tmp_path / "config" / trust.USED_FILE
    monkeypatch.setattr(trust, "_used_file", lambda: path)
    return path


def test_modules_are_remembered_in_a_folder_that_others_do_not_see(used_file):
    trust.remember(["colorsys"])
    assert list(json.loads(used_file.read_text())) == ["colorsys"]
    assert [path.name for path in used_file.parent.iterdir()] == [trust.USED_FILE]
    assert stat.S_IMODE(used_file.parent.stat().st_mode) == 0o700


def test_modules_are_not_remembered_through_a_link_that_waits_beside_the_file(used_file, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    used_file.parent.mkdir()
    (used_file.parent / f".{os.getpid()}.{trust.USED_FILE}").symlink_to(precious)
    trust.remember(["colorsys"])
    assert precious.read_text() == "mine"
    assert not used_file.is_symlink() and "colorsys" in json.loads(used_file.read_text())


def test_a_file_that_cannot_be_written_is_no_error_and_its_modules_have_to_be_named(used_file, tmp_path, monkeypatch):
    (tmp_path / "seldom_module.py").write_text("raise RuntimeError('it must not be imported here')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    used_file.parent.write_text("no folder")
    trust.remember(["seldom_module"])
    with pytest.raises(PluginError, match="found 'seldom_module'"):
        trust.refuse_strange_modules(["seldom_module"], where="")
