"""Files are replaced whole, and nothing that lies in wait for them is followed."""

import os
import stat

import pytest

from automl_img.replacing import replacing


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "metrics.json"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError("power loss")
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]


def test_the_temporary_file_is_hidden_and_ends_as_the_one_whose_place_it_takes(tmp_path):
    with replacing(tmp_path / "new" / "model.weights.h5") as temporary:
        assert temporary.parent == tmp_path / "new" and temporary.read_bytes() == b""
        assert temporary.name.startswith(".") and temporary.name.endswith(".weights.h5")
        temporary.write_text("weights")
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["model.weights.h5"]


def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "report.html") as temporary:
            temporary.write_text("page")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o640


def test_a_link_by_the_number_of_the_process_is_not_followed(tmp_path):
    precious, link = tmp_path / "precious", tmp_path / f".{os.getpid()}.report.html"
    precious.write_text("mine")
    link.symlink_to(precious)
    with replacing(tmp_path / "report.html") as temporary:
        temporary.write_text("page")
    assert precious.read_text() == "mine" and link.is_symlink()
    assert (tmp_path / "report.html").read_text() == "page" and not (tmp_path / "report.html").is_symlink()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_whose_name_was_guessed_is_an_error_and_is_left(there, tmp_path, monkeypatch):
    monkeypatch.setattr("automl_img.replacing.NAMES", 1)
    precious, link = tmp_path / "precious", tmp_path / ".0.report.html"
    if there:
        precious.write_text("mine")
    link.symlink_to(precious)
    with pytest.raises(FileExistsError), replacing(tmp_path / "report.html") as temporary:
        temporary.write_text("page")
    assert link.is_symlink() and precious.exists() == there
    assert not there or precious.read_text() == "mine"


def test_a_link_in_the_place_of_the_file_gives_way_to_it(tmp_path):
    precious, target = tmp_path / "precious", tmp_path / "report.html"
    precious.write_text("mine")
    target.symlink_to(precious)
    with replacing(target) as temporary:
        temporary.write_text("page")
    assert precious.read_text() == "mine"
    assert target.read_text() == "page" and not target.is_symlink()
