"""Which files of a folder become images of which class."""

import shutil
import unicodedata
from pathlib import Path

import pytest
from automl_img_sources.folder import Folder
from PIL import Image

from automl_img.plugin import DataError


def write(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(root / path)
    return root


def load(root):
    return Folder().load(root, {})


def relative(split, root):
    return [str(Path(path).relative_to(root)) for path in split.images]


def test_sub_folders_are_classes_and_everything_is_sorted(tmp_path):
    write(tmp_path, "dog/2.png", "dog/1.JPG", "cat/x.webp", "cat/a.bmp")
    dataset = load(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert relative(dataset.train, tmp_path) == ["cat/a.bmp", "cat/x.webp", "dog/1.JPG", "dog/2.png"]
    assert dataset.train.labels.tolist() == [0, 0, 1, 1]
    assert dataset.validation is None and dataset.test is None and dataset.notes == ()


@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_split_folders_become_splits(tmp_path, validation):
    write(tmp_path, "train/a/1.png", "train/b/1.png", f"{validation}/b/2.png", "test/a/3.png", "test/b/3.png")
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b")
    assert dataset.validation is not None and dataset.validation.labels.tolist() == [1]
    assert dataset.test is not None and dataset.test.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("Training", "Validation", "Testing"), ("Training", "valid", "Test"), ("TRAIN", "dev", "testing")],
)
def test_split_folders_have_the_names_that_splits_have_in_tables(tmp_path, train, validation, test):
    write(
        tmp_path, f"{train}/a/1.png", f"{train}/b/1.png", f"{validation}/b/2.png", f"{test}/a/3.png", f"{test}/b/3.png"
    )
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b") and dataset.notes == ()
    assert relative(dataset.validation, tmp_path) == [f"{validation}/b/2.png"]
    assert dataset.test is not None and dataset.test.labels.tolist() == [0, 1]


def test_a_folder_for_training_that_holds_no_class_folders_or_stands_beside_other_classes_is_a_class(tmp_path):
    assert load(write(tmp_path / "1", "Training/1.png", "match/1.png")).class_names == ("Training", "match")
    write(tmp_path / "2", "training/indoor/1.png", "training/outdoor/1.png", "match/indoor/1.png")
    assert load(tmp_path / "2").class_names == ("match", "training")


def test_beside_train_a_folder_whose_name_holds_that_of_a_split_is_one_where_it_has_the_same_classes(tmp_path):
    write(tmp_path, *(f"{folder}/{name}/1.png" for folder in ("train", "test_set") for name in ("cat", "dog")))
    write(tmp_path, "test_notes/1.png")
    found = Folder().load(tmp_path, {})
    assert found.class_names == ("cat", "dog") and len(found.test) == 2
    assert found.notes == ("test_notes/ was not used: beside train/, only validation/ and test/ count.",)


@pytest.mark.parametrize("name", ["{}_set", "flowers-{}", "{} images"])
def test_folders_whose_names_hold_those_of_splits_are_splits_where_they_have_the_same_classes(tmp_path, name):
    train, test = name.format("training"), name.format("test")
    dataset = load(write(tmp_path, f"{train}/cat/1.png", f"{train}/dog/2.png", f"{test}/dog/3.png"))
    assert dataset.class_names == ("cat", "dog") and dataset.notes == ()
    assert relative(dataset.train, tmp_path) == [f"{train}/cat/1.png", f"{train}/dog/2.png"]
    assert dataset.test is not None and relative(dataset.test, tmp_path) == [f"{test}/dog/3.png"]


def test_a_split_folder_may_lie_in_another_of_its_name(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / "1", f"seg_{split}/seg_{split}/glacier/1.png", f"seg_{split}/seg_{split}/sea/1.png")
        write(tmp_path / "2", f"{split}/{split}/glacier/1.png", f"{split}/{split}/sea/1.png")
    write(tmp_path / "1", "seg_pred/seg_pred/1.png")
    first, second = load(tmp_path / "1"), load(tmp_path / "2")
    assert first.class_names == second.class_names == ("glacier", "sea") and first.task == second.task == "auto"
    assert first.test is not None and first.test.labels.tolist() == [0, 1] and second.test is not None
    assert first.notes == ("seg_pred/ was not used: beside train/, only validation/ and test/ count.",)


@pytest.mark.parametrize(
    "paths",
    [
        ("train-station/1.png", "test_tube/1.png"),
        ("train-station/hall/1.png", "train-station/platform/1.png", "test_tube/glass/1.png"),
        ("train_station/a/1.png", "train_toy/a/1.png"),
        ("train_test_a/x/1.png", "train_test_b/x/1.png"),
    ],
)
def test_folders_whose_names_hold_those_of_splits_are_classes_otherwise(tmp_path, paths):
    names = {Path(path).parts[0] for path in paths}
    assert {name.split("/")[0] for name in load(write(tmp_path, *paths)).class_names} == names


def test_without_train_a_folder_named_test_is_a_class(tmp_path):
    assert load(write(tmp_path, "test/1.png", "text/1.png")).class_names == ("test", "text")


def test_a_class_may_be_called_train(tmp_path):
    dataset = load(write(tmp_path, "car/1.png", "train/1.png", "train/2.png"))
    assert dataset.class_names == ("car", "train") and dataset.train.labels.tolist() == [0, 1, 1]


def test_hidden_files_are_skipped_in_silence_and_others_with_a_note(tmp_path):
    write(tmp_path, "a/1.png", "b/1.png", "a/.hidden.png", ".git/1.png")
    (tmp_path / "a" / "labels.csv").touch()
    (tmp_path / "README").touch()
    dataset = load(tmp_path)
    assert len(dataset.train) == 2
    assert len(dataset.notes) == 1
    assert dataset.notes[0].startswith("2 files that are no images by their ending were skipped")


def test_images_outside_of_class_folders_are_counted_as_what_they_are(tmp_path):
    write(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "train/3.jpg", "train/4.jpg")
    write(tmp_path, *(f"test/{number}.JPG" for number in range(3)))
    (tmp_path / "test" / "sample.csv").touch()
    dataset = load(tmp_path)
    assert dataset.test is None and len(dataset.train) == 2
    assert dataset.notes == (
        "2 images in train/ lie in no class folder and were not used.",
        "3 images in test/ lie in no class folder and were not used.",
        "1 files that are no images by their ending were skipped: .csv (1).",
    )


def test_an_empty_class_folder_is_left_out_with_a_note(tmp_path):
    write(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "c").mkdir()
    dataset = load(tmp_path)
    assert dataset.class_names == ("a", "b")
    assert "holds no image: the class is left out" in dataset.notes[0]


def test_folders_inside_class_folders_make_a_hierarchy(tmp_path):
    dataset = load(write(tmp_path, "clothing/shoes/boot/1.png", "clothing/shirt/1.png", "bag/1.png", "clothing/2.png"))
    assert dataset.class_names == ("bag", "clothing", "clothing/shirt", "clothing/shoes/boot")
    assert dataset.task == "hierarchical"
    assert "classes of their own" in dataset.notes[0]
    assert relative(dataset.train, tmp_path)[dataset.train.labels.tolist().index(3)] == "clothing/shoes/boot/1.png"


def test_inner_folders_whose_names_come_again_belong_to_the_class(tmp_path):
    dataset = load(write(tmp_path, "a/2020/1.png", "a/2021/1.png", "b/2020/1.png"))
    assert dataset.class_names == ("a", "b") and dataset.task == "auto"
    assert dataset.notes[0].startswith("3 images lie deeper than their class folder; they count for that class.")


@pytest.mark.parametrize(("nested", "classes"), [("hierarchy", ("a/2020", "b/2020")), ("class", ("a", "b"))])
def test_what_nested_folders_are_can_be_said(tmp_path, nested, classes):
    write(tmp_path, "train/a/2020/1.png", "train/b/2020/1.png", "test/a/2020/2.png")
    dataset = Folder().load(tmp_path, {"nested": nested})
    assert dataset.class_names == classes and dataset.test.labels.tolist() == [0]


def test_an_unknown_meaning_of_nested_folders_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"data\.options\.nested: unknown value; found 'tree'; allowed: auto, hierarchy, class"
    ):
        Folder().load(write(tmp_path, "a/1.png"), {"nested": "tree"})


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("data/a", "read in its own place"),
        ("data", "leads back"),
        (".", "leads back"),
        ("data/b", "read in its own place"),
    ],
)
def test_a_link_to_what_is_read_anyway_is_not_followed(tmp_path, target, told):
    write(tmp_path / "data", "a/1.png", "b/1.png")
    (tmp_path / "data" / "a" / "again").symlink_to(tmp_path / target)
    dataset = load(tmp_path / "data")
    assert len(dataset.train) == 2 and dataset.class_names == ("a", "b")
    assert told in dataset.notes[0]


def test_a_link_that_leads_back_from_outside_is_not_followed(tmp_path):
    write(tmp_path / "data", "a/1.png", "b/1.png")
    write(tmp_path / "other", "1.png")
    (tmp_path / "other" / "self").symlink_to(tmp_path / "other")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "other")
    dataset = load(tmp_path / "data")
    assert len(dataset.train) == 3 and "leads back to a folder above it" in dataset.notes[0]


def test_a_link_to_itself_is_no_folder(tmp_path):
    write(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "c").symlink_to(tmp_path / "c")
    assert load(tmp_path).class_names == ("a", "b")


def test_a_link_to_a_class_elsewhere_is_followed(tmp_path):
    write(tmp_path / "data", "a/1.png")
    write(tmp_path / "other", "1.png", "2.png")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "other")
    assert load(tmp_path / "data").train.labels.tolist() == [0, 1, 1]


def test_a_link_to_a_folder_that_is_not_read_in_its_own_place_is_followed(tmp_path):
    write(tmp_path, "raw/cat/1.png", "raw/dog/1.png", "train/dog/2.png")
    (tmp_path / "train" / "cat").symlink_to(tmp_path / "raw" / "cat")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "dog").symlink_to(tmp_path / "raw" / "dog")
    (tmp_path / "test" / "cat").symlink_to(tmp_path / "train" / "dog")
    dataset = load(tmp_path)
    assert relative(dataset.train, tmp_path) == ["train/cat/1.png", "train/dog/2.png"]
    assert dataset.test is not None and relative(dataset.test, tmp_path) == ["test/dog/1.png"]
    (told,) = (note for note in dataset.notes if "own place" in note)
    assert told.startswith(f"The link {tmp_path / 'test' / 'cat'} leads")


def test_a_link_to_a_hidden_folder_is_followed(tmp_path):
    write(tmp_path, "a/1.png", ".kept/b/1.png")
    (tmp_path / "b").symlink_to(tmp_path / ".kept" / "b")
    assert load(tmp_path).class_names == ("a", "b")


def test_names_may_be_of_any_script_and_encoding(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "été") for form in ("NFC", "NFD"))
    write(tmp_path, f"train/{decomposed}/ü 1.png", "train/猫/图.png", f"test/{composed}/1.png")
    dataset = load(tmp_path)
    assert dataset.class_names == (composed, "猫")
    assert dataset.test is not None and dataset.test.labels.tolist() == [0]
    assert all(Path(path).is_file() for path in dataset.train.images)
    write(tmp_path, f"train/{composed}/1.png")
    with pytest.raises(DataError, match="two folders have the same name"):
        load(tmp_path)


def test_folders_beside_the_splits_are_named_as_unused(tmp_path):
    dataset = load(write(tmp_path, "train/a/1.png", "train/b/1.png", "extra/a/1.png"))
    assert dataset.notes == ("extra/ was not used: beside train/, only validation/ and test/ count.",)


def test_a_test_folder_without_images_counts_as_none(tmp_path):
    write(tmp_path, "train/a/1.png", "train/b/1.png")
    (tmp_path / "test" / "a").mkdir(parents=True)
    assert load(tmp_path).test is None


def test_only_folders_are_accepted(tmp_path):
    write(tmp_path, "a/1.png")
    assert Folder().accepts(tmp_path)
    assert not Folder().accepts(tmp_path / "a" / "1.png")
    assert not Folder().accepts(tmp_path / "none")


def test_a_folder_of_other_files_alone_is_left_to_other_sources(tmp_path):
    assert Folder().accepts(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").touch()
    assert not Folder().accepts(tmp_path)
    write(tmp_path, "1.png")
    assert Folder().accepts(tmp_path)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "there are no images in class folders"),
        (["1.png", "2.png"], "the images do not lie in class folders"),
        (["train/1.png"], "train: the images do not lie in class folders"),
        (["Training/1.png", "Testing/1.png"], "Training: the images do not lie in class folders"),
        (["train/1.png", "test/1.png", "extra/1.png"], "train: the images do not lie in class folders"),
        (["a/1.png"], "there is one class only; found 'a'"),
        (["data/cat/1.png", "data/dog/1.png"], "Perhaps the class folders are those inside it: give .*data"),
        (["train/a/1.png", "train/b/1.png", "test/bb/1.png"], "no training images; found 'bb'.*Did you mean 'b'"),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/a/1.png"], "more than one folder of validation"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "Testing/a/1.png"], "more than one folder of test"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, paths, message):
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, *paths))


@pytest.mark.parametrize(
    ("ending", "hint"),
    [("HEIC", "Convert HEIC files to JPEG."), ("dcm", "Convert DICOM files to PNG."), ("txt", "Put the images of")],
)
def test_where_all_files_are_of_other_kinds_these_are_named_with_what_to_do(tmp_path, ending, hint):
    for name in (f"cat/1.{ending}", f"cat/2.{ending}", f"dog/1.{ending}", "dog/notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    said = (
        rf"no images in class folders; found 'files with other endings: \.{ending.lower()} \(3\), \.md \(1\)'\. {hint}"
    )
    with pytest.raises(DataError, match=said):
        load(tmp_path)


def test_a_folder_that_is_not_there_or_not_given_says_so(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        load(tmp_path / "none")
    with pytest.raises(DataError, match="this is a file, not a folder"):
        load(shutil.copy(__file__, tmp_path / "file.py"))
    with pytest.raises(DataError, match=r"data\.path: the folder of the images is not given"):
        load(None)
