"""What labels mean, seen by their form, and how they are encoded alike in all splits."""

import numpy as np
import pandas as pd
import pytest

from automl_img.data.label_kinds import encoded_labels
from automl_img.errors import DataError


def encode(labels, names=(), task="auto", **others):
    raw = {split: (given, len(given), f"{split} labels") for split, given in {"train": labels, **others}.items()}
    return encoded_labels(raw, names, task)


@pytest.mark.parametrize(
    "labels, expected",
    [
        (["a", "b", "a"], "binary"),
        ([0, 1, 2], "multiclass"),
        ([["a"], ["a", "b"], []], "multilabel"),
        (np.array([[1, 0], [1, 1]]), "multilabel"),
        ([[1, 0], [1, 1]], "multilabel"),
        (pd.Series([("a",), ("b", "c"), ("c",)]).to_numpy(), "multilabel"),
        (["x/a", "x/b", "y/c"], "hierarchical"),
        (np.eye(3), "multiclass"),
        (pd.Series([["a"], ["a", "b"], []]), "multilabel"),
        (pd.DataFrame({"a": [1, 0, 1], "b": [1, 1, 0]}), "multilabel"),
        (pd.DataFrame({"a": [1, 0, 0], "b": [0, 1, 1]}), "binary"),
    ],
)
def test_the_task_is_seen_by_the_labels(labels, expected):
    assert encode(labels).task == expected


def test_the_columns_of_a_table_are_the_classes_by_their_names_in_all_splits():
    train = pd.DataFrame({"cat": [1, 0, 1], "dog": [1, 1, 0]})
    found = encode(train, test=train[["dog", "cat"]])
    assert found.names == ("cat", "dog")
    assert found.labels["test"].tolist() == found.labels["train"].tolist() == [[1, 1], [0, 1], [1, 0]]
    with pytest.raises(DataError, match="not those of the training labels"):
        encode(train, test=train.rename(columns={"dog": "cow"}))


def test_one_hot_labels_become_classes():
    found = encode(np.eye(3, dtype=int)[[2, 0, 1]], ("a", "b", "c"))
    assert found.labels["train"].tolist() == [2, 0, 1] and found.names == ("a", "b", "c")
    assert any("exactly one label" in note for note in found.notes)


def test_label_sets_are_encoded_in_the_same_classes_in_all_splits():
    found = encode([["b"], ["a", "b"]], test=[["c"], []])
    assert found.names == ("a", "b", "c")
    assert found.labels["train"].tolist() == [[0, 1, 0], [1, 1, 0]]
    assert found.labels["test"].tolist() == [[0, 0, 1], [0, 0, 0]]


def test_columns_of_booleans_beside_columns_of_numbers_are_a_matrix_of_0_and_1():
    table = pd.DataFrame({"cat": [True, False, True], "dog": [1, 1, 0], "bird": [0.0, 1.0, 1.0]})
    assert table.to_numpy().dtype == object
    for labels in (table.to_numpy(), list(table.to_numpy()), table):
        found = encode(labels, ("cat", "dog", "bird"), test=labels[:1])
        assert found.task == "multilabel" and found.names == ("cat", "dog", "bird")
        assert found.labels["train"].tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
        assert found.labels["test"].tolist() == [[1, 1, 0]]


def test_label_sets_in_arrays_of_objects_are_encoded_in_the_same_classes_too():
    train, test = (pd.Series(sets).to_numpy() for sets in ([["a", "b"], ["c"], ["a"]], [["d", "b"], ["a"]]))
    found = encode(train, test=test)
    assert found.names == ("a", "b", "c", "d")
    assert found.labels["test"].tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]
    assert encode(train, test=test[1:]).labels["test"].tolist() == [[1, 0, 0]]


def test_columns_of_a_matrix_keep_their_order_in_lists_and_beside_a_split_without_images():
    matrix = (np.eye(12, dtype=int) + np.eye(12, k=1, dtype=int)).tolist()
    found = encode(matrix, test=[])
    assert found.names == tuple(map(str, range(12))) and found.labels["test"].shape == (0, 12)
    np.testing.assert_array_equal(found.labels["train"], matrix)


def test_single_labels_make_a_multilabel_task_if_that_is_wanted():
    found = encode(["b", "a"], task="multilabel")
    assert found.task == "multilabel" and found.labels["train"].tolist() == [[0, 1], [1, 0]]


def test_classes_that_no_image_is_of_are_left_out_and_told():
    found = encode([2, 0], ("a", "b", "c"))
    assert found.names == ("a", "c") and found.labels["train"].tolist() == [1, 0]
    assert found.notes == ("No image is of 'b': left out of the classes.",)


def test_encoding_again_changes_nothing():
    first = encode([["b"], ["a", "b"], []])
    again = encoded_labels({"train": (first.labels["train"], 3, "y")}, first.names, first.task)
    assert again.names == first.names and again.notes == ()
    np.testing.assert_array_equal(again.labels["train"], first.labels["train"])


@pytest.mark.parametrize(
    "labels, names, task, parts",
    [
        ([["a"], ["a", "b"]], (), "multiclass", ["several labels", "exactly one", "multilabel"]),
        (["a", "b", "c"], (), "binary", ["3 classes"]),
        (["a", "b", "c"], (), "hierarchical", ["no hierarchy", "clothing/shoes/boot"]),
        (np.array([[0, 2], [1, 1]]), (), "auto", ["neither 0 nor 1", "image 0", "2"]),
        (np.array([[0, 1], [1, 1]]), ("a",), "auto", ["2 columns", "1 columns"]),
        ([["cat"], ["dgo", "cat"]], ("cat", "dog"), "auto", ["dgo", "Did you mean 'dog'"]),
        ([["a"], []], (), "auto", ["one class only"]),
        ([[], []], (), "auto", ["one class only"]),
        ([["a", "b"], None, ["b"]], (), "auto", ["1 of 3 labels are missing", "label 1"]),
        ([["a", "b"], ["b"], ["a", float("nan")]], (), "auto", ["1 of 3 labels are missing", "label 2"]),
        (["a", "b"], (), "regression", ["no such task", "multilabel"]),
    ],
)
def test_labels_that_do_not_fit_the_task_are_one_clear_error(labels, names, task, parts):
    with pytest.raises(DataError) as caught:
        encode(labels, names, task)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_the_number_of_images_must_fit():
    with pytest.raises(DataError, match="every image needs its labels"):
        encoded_labels({"train": ([["a"], ["b"]], 3, "y")}, (), "auto")
