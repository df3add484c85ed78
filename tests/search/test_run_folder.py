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
from automl_img.search.run_folder import DATA_FILE, RunFolder


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
