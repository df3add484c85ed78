"""What lies in a run folder: written whole, and read back as it was."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from automl_img.errors import RunFolderError
from automl_img.plugin import ImageDataset, Split
from automl_img.recipe import recipe_from_mapping
from automl_img.search.preparation import prepare_data
from automl_img.search.run_folder import DATA_FILE, STOP_FILE, RunFolder


@pytest.fixture
def folder(tmp_path):
    """A run folder in which a trial was."""
    made = RunFolder.create(tmp_path / "run")
    made.write("recipe.json", {})
    (made.trials / "7" / "1").mkdir(parents=True)
    (made.trials / "7" / "1" / "log.txt").touch()
    return made


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take UTF-8 alone")
def test_a_name_of_a_file_that_is_no_text_is_kept_and_found_again_by_a_search_that_goes_on(tmp_path):
    random = np.random.default_rng(0)
    largest = os.fsdecode(bytes(tmp_path) + b"/caf\xe9.png")
    paths = [*(str(tmp_path / f"{number}.png") for number in range(39)), largest]
    for path in paths:
        side = 40 if path == largest else 8
        Image.fromarray(random.integers(0, 256, (side, side), np.uint8)).save(path)
    dataset = ImageDataset("photos", ("a", "b"), Split(paths, np.arange(40) % 2))
    folder, recipe = RunFolder.create(tmp_path / "run"), recipe_from_mapping({}, {"data.image_size": 8})

    data = prepare_data(recipe, dataset, lambda done, total: None)
    folder.write(DATA_FILE, {"analysis": data.description, "notes": [*data.notes, f"See {largest}."]})
    found = folder.read(DATA_FILE)
    assert found["analysis"]["inspection"]["largest_file"][0]["path"] == largest
    assert found["notes"][-1] == f"See {largest}."
    again = prepare_data(recipe, dataset, lambda done, total: None, earlier=found)
    assert again.description == found["analysis"]
    assert again.store.fingerprint == data.store.fingerprint


def test_searches_that_begin_in_the_same_second_get_run_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = datetime(2026, 3, 1, 12, 30, 5)
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda number: RunFolder.create_named("photos", now).path, range(4)))
    names = [f"photos-20260301-123005{number}" for number in ("", "-2", "-3", "-4")]
    assert sorted(path.name for path in made) == sorted(path.name for path in (tmp_path / "runs").iterdir()) == names


def test_a_run_folder_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").touch()
    with pytest.raises(RunFolderError, match="the run folder cannot be made"):
        RunFolder.create_named("photos", datetime(2026, 3, 1))


def test_searches_that_begin_side_by_side_get_free_folders_of_their_own(tmp_path):
    wanted = tmp_path / "runs" / "run"
    wanted.mkdir(parents=True)
    wanted.with_name("run-3").write_text("a file of that name")
    with ThreadPoolExecutor(6) as pool:
        folders = list(pool.map(lambda _: RunFolder.create_free(wanted), range(6)))
    names = sorted(folder.path.name for folder in folders)
    assert names == ["run", "run-2", "run-4", "run-5", "run-6", "run-7"]


def test_a_folder_that_was_claimed_is_new_until_a_search_begins_in_it(tmp_path):
    claimed = RunFolder.create_free(tmp_path / "run")
    RunFolder.create(claimed.path)
    claimed.give_back()
    again = RunFolder.create_free(tmp_path / "run")
    assert again.path == claimed.path
    again.write("recipe.json", {})
    with pytest.raises(RunFolderError, match="exists and is not empty"):
        RunFolder.create(again.path)
    again.give_back()
    assert RunFolder.create_free(tmp_path / "run").path == tmp_path / "run-2"


@pytest.mark.parametrize("target", ["precious", "not-there-yet", "precious-folder"])
@pytest.mark.parametrize(
    "place",
    [
        STOP_FILE,
        "report.html",
        "trials/finish.txt",
        "trials/7/1/log.txt",
        "trials/7/1/.1.checkpoint.npz",
        "tensorboard/trial-7/events.1",
        "a/b/c/d/e/f",
        ".hidden/file",
    ],
)
def test_a_link_out_of_the_run_folder_is_refused_wherever_it_lies(place, target, folder, tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "precious-folder").mkdir()
    link = folder.path / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path / target)
    with pytest.raises(RunFolderError, match=f"{place}: a link leads out of the run folder. If it is yours"):
        folder.prepare()
    assert link.is_symlink() and (tmp_path / "precious").read_text() == "mine"


def test_a_link_out_of_the_run_folder_by_way_of_another_link_is_refused(folder, tmp_path):
    (folder.path / "up").symlink_to("..")
    (folder.trials / "finish.txt").symlink_to("../up/precious")
    with pytest.raises(RunFolderError, match="a link leads out of the run folder"):
        folder.refuse_links()
    (folder.path / "up").unlink()
    folder.refuse_links()
    assert not (tmp_path / "precious").exists()


def test_links_within_the_run_folder_and_one_to_it_are_no_matter(folder, tmp_path):
    (folder.path / "latest").symlink_to("trials/7")
    (folder.trials / "7" / "best").symlink_to(folder.trials / "7" / "1")
    (folder.trials / "7" / "above").symlink_to("..")
    (folder.path / "itself").symlink_to("itself")
    (tmp_path / "last-run").symlink_to(folder.path)
    folder.prepare()
    RunFolder(tmp_path / "last-run").prepare()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_looked_into_may_hide_a_link_and_is_refused(folder):
    hidden = folder.trials / "7"
    hidden.chmod(0o300)
    try:
        with pytest.raises(RunFolderError, match=r"trials.7: the run folder cannot be looked through"):
            folder.refuse_links()
    finally:
        hidden.chmod(0o700)


def test_weights_are_deleted_beside_a_link_which_is_not_followed(folder, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "model.weights.h5").write_text("mine")
    (folder.path / "notes").symlink_to(tmp_path / "precious")
    (folder.trials / "8").symlink_to(tmp_path / "precious")
    own = folder.trials / "7" / "1"
    for name in ("model.weights.h5", "checkpoint.npz", ".12.model.weights.h5", ".12.checkpoint.npz"):
        (own / name).write_text("a trial's")
    folder.delete_weights()
    assert [path.name for path in own.iterdir()] == ["log.txt"]
    assert (tmp_path / "precious" / "model.weights.h5").read_text() == "mine"
