"""Lists of labelled files become data sets, or one clear error."""

from dataclasses import replace
from pathlib import Path

import pytest

from automl_img.plugin import DataError, Record, dataset_from_records


def record(path, *labels, split="", group="", where=""):
    return Record(Path(path), labels, split, group, where or f"row of {path}")


def made(*records, **settings):
    return dataset_from_records("labels.csv", records, **settings)


def test_one_label_each_makes_single_labels():
    dataset = made(record("1.png", "cat"), record("2.png", "dog"))
    assert [str(path) for path in dataset.train.images] == ["1.png", "2.png"]
    assert dataset.train.labels == ["cat", "dog"] and dataset.task == "auto" and dataset.train.groups is None


def test_splits_are_known_by_their_usual_names():
    dataset = made(
        record("1.png", "a", split="TRAINING"), record("2.png", "b", split="val"), record("3.png", "b", split=" Test ")
    )
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (1, 1, 1)


def test_several_labels_make_a_multilabel_task_in_which_a_file_may_come_often_or_without_label():
    dataset = made(record("1.png", "a", "b"), record("2.png"), record("3.png", "a"), record("3.png", "c"))
    assert dataset.task == "multilabel"
    assert dataset.train.labels == [("a", "b"), (), ("a", "c")]


def test_a_file_listed_twice_with_the_same_label_counts_once_and_is_told():
    dataset = made(record("1.png", "a"), record("1.png", "a"), record("2.png", "b"))
    assert len(dataset.train) == 2 and "listed more than once" in dataset.notes[0]


def test_groups_are_kept():
    assert made(record("1.png", "a", group="p1"), record("2.png", "b")).train.groups == ["p1", ""]


@pytest.mark.parametrize(
    "records, parts",
    [
        ([], ["no labelled images"]),
        (
            [record("1.png", "cat", where="row 2"), record("1.png", "dog", where="row 9")],
            ["1.png has two labels", "row 9", "dog here, cat in row 2", "multilabel"],
        ),
        (
            [record("1.png", "cat"), record("2.png", "", where="row 3")],
            ["1 of 2 images have no label", "2.png", "row 3"],
        ),
        ([record("1.png", "cat", split="trian", where="row 2")], ["unknown name", "row 2", "trian", "val"]),
        ([record("1.png", "a", split="train"), record("1.png", "a", split="test")], ["in two splits"]),
        ([record("1.png", "a", split="test")], ["no image is in the training split"]),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(records, parts):
    with pytest.raises(DataError) as caught:
        made(*records)
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "\n" not in message


def test_several_labels_are_refused_where_the_task_takes_one():
    with pytest.raises(
        DataError, match=r"row 2: 1\.png has several labels; found 'a, b'; allowed: one for the task multiclass"
    ):
        made(record("1.png", "a", "b", where="row 2"), record("2.png", "a"), task="multiclass")


def test_the_task_that_was_asked_for_lets_a_file_have_the_labels_of_all_its_records():
    dataset = made(record("1.png", "a"), record("1.png", "b"), record("2.png", "a"), task="multilabel")
    assert dataset.train.labels == [("a", "b"), ("a",)]


def test_the_file_of_a_record_is_named_where_records_come_from_several():
    train = replace(record("1.png", "cat", split="train", where="line 2"), file="train.json")
    val = replace(record("1.png", "cat", split="val", where="line 7"), file="val.json")
    with pytest.raises(DataError, match=r"val\.json, line 7: .*found 'val here, train in train\.json, line 2'"):
        made(train, val)
    with pytest.raises(DataError, match=r"val\.json, line 7: .*found 'dog here, cat in line 2'"):
        made(replace(train, file="val.json"), replace(val, labels=("dog",), split="train"))
