"""What lies in a run folder: written whole, and read back as it was."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

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
