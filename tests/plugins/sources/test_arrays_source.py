"""Which arrays of an .npz file become images and labels."""

import numpy as np
import pytest
from automl_img_sources.arrays import Arrays

from automl_img.data.arrays import validated
from automl_img.plugin import DataError

X, Y = np.zeros((4, 8, 8), np.uint8), np.array([0, 1, 0, 1])


def load(path):
    return Arrays().load(path, {})


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "data.npz", **arrays)
    return tmp_path / "data.npz"


@pytest.mark.parametrize("names", [("x", "y"), ("x_train", "y_train"), ("images", "labels")])
def test_images_and_labels_are_found_by_their_names(tmp_path, names):
    dataset = load(saved(tmp_path, **dict(zip(names, (X, Y), strict=True))))
    assert dataset.name == "data"
    assert validated(dataset).train.images.shape == (4, 8, 8, 1)


def test_given_splits_and_class_names_are_taken(tmp_path):
    path = saved(
        tmp_path, x_train=X, y_train=Y, x_val=X[:1], y_val=Y[:1], x_test=X[:2], y_test=Y[:2], class_names=["a", "b"]
    )
    dataset = validated(load(path))
    assert dataset.class_names == ("a", "b")
    assert dataset.validation is not None and len(dataset.validation) == 1
    assert dataset.test is not None and len(dataset.test) == 2


def test_pickled_objects_are_never_loaded(tmp_path):
    with pytest.raises(DataError, match="the array 'y' holds Python objects, which are never loaded"):
        load(saved(tmp_path, x=X, y=np.array([0, "a", None, 1], object)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": X, "b": Y}, "the arrays have other names; found 'a, b'"),
        ({"x": X}, "there is x without y"),
        ({"x": X, "y": Y, "y_test": Y}, "there is y_test without x_test"),
    ],
)
def test_names_that_do_not_fit_say_so(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message):
        load(saved(tmp_path, **arrays))


def test_what_is_no_npz_file_says_so(tmp_path):
    path = saved(tmp_path, x=X, y=Y)
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:200], whole[:60] + b"\xff" * 40 + whole[100:]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"data\.npz: "):
            load(path)
    with path.open("wb") as file:
        np.save(file, X)
    with pytest.raises(DataError, match="a single array"):
        load(path)
    with pytest.raises(DataError, match="there is no such file"):
        load(tmp_path / "none.npz")
    with pytest.raises(DataError, match="is not given"):
        load(None)


def test_only_npz_files_are_accepted(tmp_path):
    assert Arrays().accepts(saved(tmp_path, x=X, y=Y))
    assert not Arrays().accepts(tmp_path)
    assert not Arrays().accepts(tmp_path / "none.npz")
