"""What makes a data set another one."""

import os
import shutil
from dataclasses import replace

import numpy as np

from automl_img.data.arrays import dataset_from_arrays
from automl_img.data.fingerprint import fingerprint, without_files
from automl_img.plugin import ImageDataset, Spill, Split

SIZE = {"height": 8, "width": 8, "channels": 1}


def test_labels_and_names_make_another_data_set_and_what_a_source_noted_does_not():
    pixels = np.zeros((4, 8, 8), np.uint8)
    dataset = dataset_from_arrays(pixels, [0, 1, 0, 1])
    noted = replace(dataset, notes=("Read from another place.",))
    assert fingerprint(noted, **SIZE) == fingerprint(dataset, **SIZE)
    assert fingerprint(replace(dataset, name="other"), **SIZE) != fingerprint(dataset, **SIZE)
    assert fingerprint(dataset_from_arrays(pixels, [0, 1, 1, 1]), **SIZE) != fingerprint(dataset, **SIZE)


def spilled(cache, monkeypatch, last=9):
    """Images of several sizes, which a source writes into the cache as files."""
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(cache))
    with Spill("far") as spill:
        for side in (4, 5, 6, last):
            spill.add(np.full((side, side), side, np.uint8))
        return ImageDataset("far", ("a", "b"), Split(spill.finish(), np.array([0, 1, 0, 1])))


def test_images_that_a_source_spills_are_the_same_after_the_cache_was_cleared_and_in_another_one(tmp_path, monkeypatch):
    def named(dataset):
        identity = fingerprint(dataset, **SIZE)
        return identity, without_files(identity, [str(dataset.train.images[0])])

    first = named(spilled(tmp_path / "cache", monkeypatch))
    shutil.rmtree(tmp_path / "cache")
    again = spilled(tmp_path / "cache", monkeypatch)
    for path in again.train.images:
        os.utime(path, ns=(0, 0))
    assert named(again) == first
    assert named(spilled(tmp_path / "other", monkeypatch)) == first
    assert named(spilled(tmp_path / "other", monkeypatch, last=10)) != first
