"""What is found in a data set, and what is proposed and warned of."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from automl_img.data.analysis import analyse, propose_size
from automl_img.data.arrays import dataset_from_arrays
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Split


def files(folder, sizes, mode="RGB", colour=(9, 9, 9)):
    paths = [folder / f"{place}.png" for place in range(len(sizes))]
    for path, (width, height) in zip(paths, sizes, strict=True):
        Image.new(mode, (width, height), colour).save(path)
    return ImageDataset("files", ("a", "b"), Split(paths, np.arange(len(sizes)) % 2), task="binary")


def test_arrays_keep_their_small_size_and_counts_are_by_class_and_split():
    pixels = np.zeros((100, 28, 20), np.uint8)
    found = analyse(dataset_from_arrays(pixels, np.arange(100) % 2, test=(pixels[:3], [0, 0, 1])))
    assert (found.height, found.width, found.channels) == (28, 20, 1)
    assert found.counts == {"train": (50, 50), "test": (2, 1)}
    assert found.smallest == found.median == found.largest == (28, 20)
    assert found.imbalance == 1.0


@pytest.mark.parametrize(
    ("median", "proposed"),
    [
        ((28, 28), (28, 28)),
        ((64, 50), (64, 50)),
        ((96, 96), (96, 96)),
        ((100, 60), (96, 60)),
        ((300, 300), (224, 224)),
        ((600, 800), (160, 224)),
        ((3, 5), (8, 8)),
        ((4000, 100), (224, 8)),
    ],
)
def test_a_size_is_proposed_that_fits_the_median(median, proposed):
    assert propose_size(*median) == proposed


def test_files_are_measured_by_their_headers(tmp_path):
    found = analyse(files(tmp_path, [(100, 90), (110, 100), (400, 300)]))
    assert (found.smallest, found.median, found.largest) == ((90, 100), (100, 110), (300, 400))
    assert (found.height, found.width) == (96, 96)


def test_colour_files_that_hold_grey_pixels_are_grey(tmp_path):
    assert analyse(files(tmp_path, [(10, 10)] * 4)).channels == 1
    assert analyse(files(tmp_path, [(10, 10)] * 4, colour=(9, 9, 10))).channels == 3
    grey = np.repeat(np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1), 3, axis=3)
    assert analyse(dataset_from_arrays(np.concatenate([grey, grey]), [0, 1])).channels == 1
    grey[0, 0, 0, 0] = 200
    assert analyse(dataset_from_arrays(np.concatenate([grey, grey]), [0, 1])).channels == 3


def test_of_unreadable_files_the_rest_is_used(tmp_path):
    dataset = files(tmp_path, [(10, 10)] * 5)
    dataset.train.images[2].write_bytes(b"")
    assert analyse(dataset).median == (10, 10)


def test_no_readable_file_at_all_stops(tmp_path):
    dataset = files(tmp_path, [(10, 10)] * 2)
    for path in dataset.train.images:
        path.unlink()
    with pytest.raises(DataError, match=r"no image file can be read.*0\.png: there is no such file"):
        analyse(dataset)


def test_what_was_found_goes_through_json():
    found = analyse(dataset_from_arrays(np.zeros((4, 8, 8), np.uint8), ["a", "b", "a", "b"]))
    plain = found.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["counts"] == {"train": {"a": 2, "b": 2}}
    assert plain["median"] == [8, 8]


@pytest.mark.parametrize(
    ("labels", "class_names", "message"),
    [
        ([], ("a", "b"), "there are no training images"),
        ([0, 0], ("a",), "one class only"),
        ([0, 1], ("a", "b", "c"), "fewer training images than classes; found '2 images, 3 classes'"),
        ([0, 0, 1], ("a", "b", "c"), "a class has no training image; found 'c'"),
    ],
)
def test_data_that_cannot_be_learned_from_stops(labels, class_names, message):
    dataset = dataset_from_arrays(np.zeros((2, 8, 8), np.uint8), [0, 1])
    split = Split(np.zeros((len(labels), 8, 8, 1), np.uint8), np.array(labels, np.int64))
    with pytest.raises(DataError, match=message):
        analyse(replace(dataset, class_names=class_names, train=split))
