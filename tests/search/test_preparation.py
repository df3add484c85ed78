"""What is decided about the images before the first trial."""

import contextlib
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from automl_img.cache import in_use
from automl_img.data.analysis import analyse
from automl_img.data.arrays import dataset_from_arrays
from automl_img.data.cached import cached
from automl_img.data.inspection import looking
from automl_img.data.splits import SplitIndices
from automl_img.errors import DataError, RecipeError, RunFolderError
from automl_img.executors.choosing import site_of
from automl_img.plugin import ImageDataset, Spill, Split, discover
from automl_img.recipe import ComputeSettings, recipe_from_mapping
from automl_img.search import preparation
from automl_img.search.engine import _prepare_data
from automl_img.search.preparation import load_dataset, prepare_data
from automl_img.search.run import Run


def recipe(**settings):
    return recipe_from_mapping({}, settings)


def grey_but_for(place, images=300):
    """Colour images of which all but one hold grey alone."""
    pixels = np.repeat(np.random.default_rng(0).integers(1, 256, (images, 8, 8, 1), np.uint8), 3, axis=3)
    pixels[place, ..., 0] //= 2
    return dataset_from_arrays(pixels, np.arange(images) % 2)


def prepared(dataset, earlier=None, **settings):
    return prepare_data(recipe(**settings), dataset, lambda done, total: None, earlier=earlier)


@pytest.fixture
def hardly_coloured():
    """A data set whose only image in colour is not in the analysis's sample."""
    made = (grey_but_for(place) for place in range(300))
    return next(dataset for dataset in made if analyse(dataset).channels == 1)


def test_one_image_in_colour_keeps_the_colour_of_all(hardly_coloured):
    data = prepared(hardly_coloured)
    assert data.store.traits.channels == 3 and data.description["channels"] == 3
    assert prepared(hardly_coloured, **{"data.channels": 1}).store.traits.channels == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_images_that_were_prepared_before_keep_the_channels_that_they_had(hardly_coloured, channels):
    data = prepared(hardly_coloured)
    earlier = {"analysis": {**data.description, "channels": channels}, "notes": data.notes}
    again = prepared(hardly_coloured, earlier)
    assert again.store.traits.channels == channels
    assert (again.store.fingerprint == data.store.fingerprint) is (channels == 3)


def test_copies_that_the_draw_of_splits_would_part_are_among_the_notes():
    pixels = np.repeat(np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8), 3, axis=0)
    notes = prepared(dataset_from_arrays(pixels, np.repeat(np.arange(40) % 2, 3))).notes
    (told,) = (note for note in notes if "80 images repeat another" in note)
    assert "drawn from them will be copies of those that train" in told


def test_that_a_sample_only_was_looked_at_is_among_the_notes(monkeypatch):
    for name, value in {"ARRAY_BYTES_AT_A_TIME": 6400, "AHEAD": 1, "cores": lambda: 1}.items():
        monkeypatch.setattr(looking, name, value)
    monkeypatch.setattr(preparation, "INSPECTION_SHARE", 0.0)
    pixels = np.random.default_rng(0).integers(0, 256, (300, 8, 8), np.uint8)
    notes = prepared(dataset_from_arrays(pixels, np.arange(300) % 2)).notes
    assert "A sample was looked at: 100 of 300 images. Duplicates were searched for within it." in notes


def test_a_search_that_goes_on_keeps_to_the_files_that_could_be_read_when_it_began(tmp_path):
    paths = [tmp_path / f"{place:02}.png" for place in range(40)]
    for place, path in enumerate(paths):
        Image.new("L", (12, 12), place).save(path)
    content, status = paths[7].read_bytes(), paths[7].stat()

    def write(seventh):
        paths[7].write_bytes(seventh)
        os.utime(paths[7], ns=(status.st_atime_ns, status.st_mtime_ns))

    dataset = ImageDataset("files", ("a", "b"), Split(paths, np.arange(40) % 2))
    write(b"x" * len(content))
    data = prepared(dataset)
    earlier = {"analysis": data.description, "notes": data.notes, "fingerprint": data.store.fingerprint}
    write(content)
    assert prepared(dataset, earlier).store.given == data.store.given == (39, 0, 0)
    assert prepared(dataset).store.given == (40, 0, 0)
    shutil.rmtree(data.store.folder)
    again = prepared(dataset, earlier).store
    assert again.given == (40, 0, 0)
    assert again.fingerprint != data.store.fingerprint, "the splits would mean other images"


def test_what_a_search_reads_of_the_cache_is_kept_as_soon_as_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "cache"))
    random, kept = np.random.default_rng(0), {}
    with Spill("far") as spill:
        for side in (8, 9) * 10:  # of one size they would be one mapped file, which can be read when it is gone
            spill.add(random.integers(0, 256, (side, side), np.uint8))
        dataset = ImageDataset("far", ("a", "b"), Split(spill.finish(), np.arange(20) % 2))

    def look(event):
        kept[type(event).__name__] = {entry.kind for entry in cached() if entry.in_use}

    settings = recipe(**{"output.trackers": [], "data.image_size": 8})
    run = Run(settings, discover(), tmp_path / "run", look, 0.0, site_of(ComputeSettings(), None))
    with contextlib.closing(run), in_use() as keep:
        _prepare_data(run, dataset, keep)
    assert "images of a library" in kept["Progress"], "while they are prepared"
    assert kept["DataReady"] == {"images of a library", "prepared images"}
    assert not any(entry.in_use for entry in cached())
    with in_use() as keep:
        prepare_data(settings, dataset, lambda done, total: None, keep=keep)
        assert all(entry.in_use for entry in cached()), "prepared before"


def test_splits_that_cannot_be_written_are_one_line(tmp_path, full_disk, monkeypatch):
    def save(self, path):
        with full_disk():
            saved(self, path)

    saved = SplitIndices.save
    monkeypatch.setattr(SplitIndices, "save", save)
    settings = recipe(**{"output.trackers": [], "data.image_size": 8})
    run = Run(settings, discover(), tmp_path / "run", lambda event: None, 0.0, site_of(ComputeSettings(), None))
    with contextlib.closing(run), in_use() as keep:
        with pytest.raises(RunFolderError, match=r"splits.npz cannot be written: File too large.*--resume RUN"):
            _prepare_data(run, grey_but_for(0), keep)
        assert not list(run.folder.path.glob("*splits.npz"))


def test_the_home_of_a_user_who_is_not_there_is_one_line():
    settings = recipe_from_mapping({"data": {"source": "folder", "path": "~nobody-here/photos"}})
    with pytest.raises(RecipeError, match=r"data\.path: there is no such home folder; found '~nobody-here/photos'"):
        load_dataset(settings, discover())


@pytest.mark.parametrize(
    "source",
    [
        "folder",
        "table",
        "arrays",
        "idx",
        "coco",
        "cvat",
        "label_studio",
        "manifest",
        "vertex",
        "huggingface",
        "tf_data",
        "fashion_mnist",
    ],
)
def test_images_that_nobody_may_look_at_are_one_line_that_says_why_whatever_reads_them(source, locked, tmp_path):
    for path, reason in ((locked / "x", "Permission denied"), (tmp_path / ("x" * 300), "File name too long")):
        settings = recipe_from_mapping({"data": {"source": source, "path": str(path)}})
        with pytest.raises(DataError, match=rf"x.*: the images cannot be read: {reason}$"):
            load_dataset(settings, discover())


def test_what_a_source_does_wrong_keeps_its_traceback(monkeypatch):
    def fail(path, options):
        raise OSError("no file is meant")

    registry = discover()
    monkeypatch.setattr(registry.get("source", "digits"), "load", fail)
    with pytest.raises(OSError, match="no file is meant"):
        load_dataset(recipe_from_mapping({"data": {"source": "digits"}}), registry)
