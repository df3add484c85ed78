"""Which arrays of an .npz file, or of .npy files, become images and labels."""

from pathlib import Path

import numpy as np
import pytest
from automl_img_sources.arrays import Arrays

from automl_img.data.arrays import validated
from automl_img.data.pixels import as_uint8
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


def test_groups_and_label_matrices_pass_through(tmp_path):
    matrix = np.array([[1, 1], [0, 0], [0, 1], [1, 0]], np.uint8)
    dataset = load(saved(tmp_path, x=X, y=matrix, groups=np.array([7, 7, 8, 9])))
    assert dataset.train.groups == ["7", "7", "8", "9"]
    checked = validated(dataset)
    assert checked.task == "multilabel" and checked.train.labels.tolist() == matrix.tolist()


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (np.array([1.5, np.nan, 1.5, np.nan]), ["1.5", "", "1.5", ""]),
        (np.array(["2026-03-01", "NaT", "2026-03-01", "NaT"], "M8[D]"), ["2026-03-01", "", "2026-03-01", ""]),
    ],
)
def test_an_image_whose_group_is_missing_stands_for_itself(tmp_path, groups, names):
    assert load(saved(tmp_path, x=X, y=Y, groups=groups)).train.groups == names


def test_names_as_medmnist_and_scikit_learn_write_them_are_known(tmp_path):
    arrays = {"train_images": X, "train_labels": Y[:, None], "val_images": X, "val_labels": Y, "test_images": X}
    dataset = validated(load(saved(tmp_path, **arrays, test_labels=Y)))
    assert dataset.validation is not None and dataset.test is not None
    assert len(load(saved(tmp_path, X_train=X, Y_train=Y)).train) == 4


def test_npy_files_of_a_folder_are_mapped_and_not_copied(tmp_path):
    np.save(tmp_path / "x_train.npy", X)
    np.save(tmp_path / "y_train.npy", Y)
    np.save(tmp_path / "notes.npy", X)
    for path in (tmp_path, tmp_path / "x_train.npy"):
        assert Arrays().accepts(path)
        dataset = load(path)
        assert isinstance(dataset.train.images, np.memmap)
        assert np.shares_memory(as_uint8(dataset.train.images), dataset.train.images)
        assert np.shares_memory(validated(dataset).train.images, dataset.train.images)


@pytest.mark.parametrize("order", ["C", "F"])
def test_large_uncompressed_members_are_mapped_and_not_copied(tmp_path, order):
    pixels = np.asarray(np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8), order=order)
    path = saved(tmp_path, x=pixels, y=Y)
    source = Arrays()
    source.mapped_from = pixels.nbytes
    images = source.load(path, {}).train.images
    assert isinstance(images, np.memmap) and images.tolist() == pixels.tolist()
    assert not isinstance(load(path).train.images, np.memmap)
    np.savez_compressed(path, x=pixels, y=Y)
    assert not isinstance(source.load(path, {}).train.images, np.memmap)


def test_damage_to_a_mapped_member_says_so(tmp_path):
    source = Arrays()
    source.mapped_from = 0
    path = saved(tmp_path, x=X, y=Y)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"(4, 8, 8)", b"(4, 8, 9)"))
    with pytest.raises(DataError, match="the array 'x' is damaged"):
        source.load(path, {})
    with pytest.raises(DataError, match="'y' holds Python objects, which are never loaded"):
        source.load(saved(tmp_path, x=X, y=np.array([0, "a", None, 1], object)), {})


def test_npy_files_that_cannot_be_used_say_so(tmp_path):
    np.save(tmp_path / "photos.npy", X)
    with pytest.raises(DataError, match=r"the arrays have other names; found 'photos\.npy'"):
        load(tmp_path)
    with pytest.raises(DataError, match="the file has another name; found 'photos'"):
        load(tmp_path / "photos.npy")
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(DataError, match="there is x without y"):
        load(tmp_path)
    np.save(tmp_path / "y.npy", np.array([0, "a", None, 1], object))
    with pytest.raises(DataError, match=r"y\.npy: the array 'y' holds Python objects, which are never loaded"):
        load(tmp_path)
    for content in (b"", b"text", b"\x93NUMPY"):
        (tmp_path / "y.npy").write_bytes(content)
        with pytest.raises(DataError, match=r"y\.npy: the array 'y' (is damaged|holds)"):
            load(tmp_path)


def test_a_folder_that_may_not_be_read_says_so(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="the folder cannot be read: Permission denied"):
        load(tmp_path)


def test_npz_and_npy_files_are_accepted_and_folders_with_such_a_pair(tmp_path):
    assert Arrays().accepts(saved(tmp_path, x=X, y=Y))
    assert not Arrays().accepts(tmp_path)
    assert not Arrays().accepts(tmp_path / "none.npz")


def test_a_folder_of_classes_is_not_accepted(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", X)
    assert not Arrays().accepts(tmp_path)
    np.save(tmp_path / "x.npy", X)
    assert not Arrays().accepts(tmp_path)
