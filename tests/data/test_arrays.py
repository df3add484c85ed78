"""How arrays, and what a source returned, become a checked data set."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl_img.data.arrays import dataset_from_arrays, validated
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Split

PIXELS = np.zeros((4, 8, 8), np.uint8)


def test_arrays_become_a_data_set_with_a_test_split():
    dataset = dataset_from_arrays(PIXELS, ["a", "b", "a", "b"], test=(PIXELS[:1], ["b"]))
    assert dataset.class_names == ("a", "b")
    assert dataset.train.images.shape == (4, 8, 8, 1)
    assert dataset.test is not None and dataset.test.labels.tolist() == [1]
    assert dataset.validation is None


def test_numbers_in_the_test_split_mean_the_same_classes_as_in_training():
    dataset = dataset_from_arrays(PIXELS, [3, 7, 3, 7], test=(PIXELS[:2], [7, 7]))
    assert dataset.test is not None and dataset.test.labels.tolist() == [1, 1]


def test_a_list_of_images_that_pillow_has_opened_becomes_their_colours_and_not_the_numbers_of_a_palette():
    pictures = [Image.new("RGB", (8, 8), colour).quantize(2) for colour in ((200, 0, 0), (0, 0, 200))]
    dataset = dataset_from_arrays(pictures, ["red", "blue"], test=(pictures[:1], ["red"]))
    assert dataset.train.images[:, 0, 0].tolist() == [[200, 0, 0], [0, 0, 200]]
    assert dataset.test is not None and dataset.test.images.shape == (1, 8, 8, 3)


def test_the_training_images_decide_how_all_floats_are_scaled():
    train = np.zeros((2, 8, 8), np.float32)
    train[0] = 200
    dark = np.ones((1, 8, 8), np.float32)
    dataset = dataset_from_arrays(train, [0, 1], test=(dark, [0]))
    assert dataset.test is not None and dataset.test.images.max() == 1
    assert any("0 to 255" in note for note in dataset.notes)


def test_a_guess_about_floats_is_told():
    dataset = dataset_from_arrays(PIXELS / 255, [0, 1, 0, 1])
    assert dataset.notes == ("Pixels of x are taken as values from 0 to 1: they are multiplied by 255.",)


def test_checking_twice_changes_nothing():
    once = validated(
        ImageDataset("d", (), Split(PIXELS, np.array([5, 6, 5, 6])), test=Split(PIXELS[:1], np.array([6])))
    )
    twice = validated(once)
    assert twice.class_names == once.class_names == ("5", "6")
    assert np.array_equal(twice.train.labels, once.train.labels)
    assert twice.train.images is once.train.images


@pytest.mark.parametrize("kind", [list, np.array, pd.Index, pd.Series])
@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["cat", "dog"], [1, 0, 1, 0]),
        ([5, 7], ["7", "5", "7", "5"]),
        (["cat", "dog"], [["cat", "dog"], [], ["dog"], []]),
    ],
)
def test_class_names_may_be_in_an_array_and_may_be_numbers(kind, names, labels):
    texts = tuple(map(str, names))
    for dataset in (
        validated(ImageDataset("d", kind(names), Split(PIXELS, labels))),
        dataset_from_arrays(PIXELS, labels, class_names=kind(names)),
    ):
        assert dataset.class_names == texts and {type(name) for name in dataset.class_names} == {str}
        expected = validated(ImageDataset("d", texts, Split(PIXELS, labels))).train.labels
        assert np.array_equal(dataset.train.labels, expected)


@pytest.mark.parametrize("none", [(), None, np.array([]), pd.Index([])])
def test_without_class_names_the_classes_are_the_labels_that_occur(none):
    for dataset in (
        validated(ImageDataset("d", none, Split(PIXELS, ["b", "a"] * 2))),
        dataset_from_arrays(PIXELS, ["b", "a"] * 2, class_names=none),
    ):
        assert dataset.class_names == ("a", "b")


def test_an_image_whose_group_is_missing_stands_for_itself_and_missing_metadata_is_empty():
    missing = [None, float("nan"), np.float32("nan"), pd.NA]
    split = Split(PIXELS, np.array([0, 1, 0, 1]), missing, {"camera": missing})
    checked = validated(ImageDataset("d", (), split)).train
    assert checked.groups == ("",) * 4 and checked.metadata == {"camera": ("",) * 4}
    split = Split(PIXELS, np.array([0, 1, 0, 1]), pd.Series([7.5, np.nan, 7.5, np.nan]))
    assert validated(ImageDataset("d", (), split)).train.groups == ("7.5", "", "7.5", "")


def test_paths_stay_paths():
    dataset = validated(ImageDataset("d", ("a", "b"), Split([Path("1.png"), Path("2.png")], np.array([0, 1]))))
    assert dataset.train.images == (Path("1.png"), Path("2.png"))


def test_paths_that_begin_at_the_home_folder_lead_there(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    dataset = dataset_from_arrays(["~/1.png", Path("~/2.png")], ["a", "b"], test=(["~/3.png"], ["b"]))
    assert dataset.train.images == (Path("/home/somebody/1.png"), Path("/home/somebody/2.png"))
    assert dataset.test is not None and dataset.test.images == (Path("/home/somebody/3.png"),)
    with pytest.raises(DataError, match=r"^x: there is no such home folder; found '~nobody-here/1\.png'"):
        dataset_from_arrays(["~nobody-here/1.png", "2.png"], ["a", "b"])


@pytest.mark.parametrize(
    ("x", "y", "test", "message"),
    [
        (PIXELS, [0, 1], None, "y: every image needs one label; found '4 images, 2 labels'"),
        (PIXELS[:0], [], None, "x: there are no images"),
        (PIXELS, [0, 1, 0, 1], (PIXELS[:1], ["a"]), "test y: the labels are of another kind"),
        (PIXELS, [0, 1, 0, 1], (PIXELS[:2], [0]), "test y: every image needs one label"),
        (PIXELS, [0, 1, 0, 1], (np.full((1, 8, 8), -1), [0]), "test x: .* are negative"),
    ],
)
def test_arrays_that_do_not_fit_say_which_and_why(x, y, test, message):
    with pytest.raises(DataError, match=message):
        dataset_from_arrays(x, y, test=test)


def test_the_message_on_a_source_names_the_data_set_and_the_split():
    with pytest.raises(DataError, match="clothes, validation labels: "):
        validated(ImageDataset("clothes", (), Split(PIXELS, np.array([0, 1, 0, 1])), Split(PIXELS, np.array([0]))))


def test_a_class_whose_name_is_no_text_is_refused_by_its_name():
    names = ("cat", "caf\udce9")
    with pytest.raises(DataError, match=r"^d, train labels: the name of a class holds bytes .* found 'caf\\udce9'"):
        validated(ImageDataset("d", names, Split(PIXELS, np.array([0, 1, 0, 1]))))
    with pytest.raises(DataError, match="y: the name of a class"):
        dataset_from_arrays(PIXELS, [names[place] for place in (0, 1, 0, 1)])


def test_a_class_whose_name_no_model_file_may_hold_is_refused_before_anything_is_trained():
    assert dataset_from_arrays(PIXELS, ["a" * 1000, "b"] * 2).class_names == ("a" * 1000, "b")
    with pytest.raises(DataError, match=r"^y: the name of a class is too long; found .a{40}… of 1,001 characters"):
        dataset_from_arrays(PIXELS, ["a" * 1001, "b"] * 2)
