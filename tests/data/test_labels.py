"""How labels become indices and class names."""

import numpy as np
import pandas as pd
import pytest

from automl_img.data.labels import encode_labels
from automl_img.errors import DataError


@pytest.mark.parametrize(
    ("labels", "indices", "names"),
    [
        ([0, 1, 1], [0, 1, 1], ("0", "1")),
        ([10, 2, 10], [1, 0, 1], ("2", "10")),
        (["dog", "cat", "dog"], [1, 0, 1], ("cat", "dog")),
        (np.array([[3], [4], [3]]), [0, 1, 0], ("3", "4")),
        (np.array([1.0, 2.0, 1.0]), [0, 1, 0], ("1", "2")),
        (np.array([True, False, True]), [1, 0, 1], ("False", "True")),
        (np.array(["b", "a", "b"], object), [1, 0, 1], ("a", "b")),
        (pd.Series([5, 6, 5]), [0, 1, 0], ("5", "6")),
        (pd.Categorical(["x", "y", "x"]), [0, 1, 0], ("x", "y")),
    ],
)
def test_labels_that_occur_become_classes_in_their_order(labels, indices, names):
    encoded, found = encode_labels(labels, 3)
    assert encoded.dtype == np.int64
    assert encoded.tolist() == indices
    assert found == names


def test_class_names_give_numbers_a_meaning_and_strings_an_order():
    assert encode_labels([2, 0], 2, ("a", "b", "c"))[1] == ("a", "b", "c")
    assert encode_labels(["c", "a"], 2, ("c", "b", "a"))[0].tolist() == [0, 2]


@pytest.mark.parametrize(
    ("labels", "class_names", "message"),
    [
        ([0, 1], None, "every image needs one label; found '3 images, 2 labels'"),
        ([0.0, np.nan, 1.0], None, "1 of 3 labels are missing .* the first is label 1"),
        (np.array(["a", None, "b"], object), None, "1 of 3 labels are missing"),
        (["a", float("nan"), "b"], None, "1 of 3 labels are missing"),
        (pd.Series(["a", pd.NA, "b"], dtype="string"), None, "1 of 3 labels are missing"),
        (pd.Series([1, pd.NA, 2], dtype="Int64"), None, "1 of 3 labels are missing"),
        ([0, 0.5, 1], None, "1 of 3 labels are no whole numbers, the first is label 1"),
        ([7, 7, 7], None, "one class only; found '7'"),
        (np.eye(3), None, r"y\.argmax\(axis=1\)"),
        (np.array([[1, 1], [0, 1], [1, 0]]), None, r"too many dimensions; .* allowed: shape \(n,\)$"),
        (np.array(["a", 1, "b"], object), None, "mixed or unusable kinds; found 'int, str'"),
        (["a", 1, "b"], None, "mixed or unusable kinds; found 'int, str'"),
        (np.array([1j, 2, 3]), None, "unusable kind"),
        ([0, 1, 3], ("a", "b"), "no class name, the first is label 2; found 3"),
        (["a", "b", "bb"], ("a", "bbb", "b"), "not among the class names; found 'bb'. Did you mean 'bbb'"),
        ([0, 1, 1], ("a", "a"), "a class name is given twice"),
        ([[1], [2, 3], [4]], None, "not one value each"),
    ],
)
def test_labels_that_cannot_be_used_say_why(labels, class_names, message):
    with pytest.raises(DataError, match=message):
        encode_labels(labels, 3, class_names)


def test_class_names_are_not_each_compared_with_all_others():
    class Name(str):
        compared = 0
        __hash__ = str.__hash__

        def __str__(self):
            return self

        def __eq__(self, other):
            Name.compared += 1
            return str.__eq__(self, other)

    names = [Name(f"class {number}") for number in range(300)]
    assert encode_labels([2, 0], 2, names)[1] == tuple(names)
    assert Name.compared <= 2 * len(names), "each of 100,000 with all others takes minutes"


def test_no_labels_at_all_say_so():
    with pytest.raises(DataError, match="there are no labels"):
        encode_labels([], 0)
