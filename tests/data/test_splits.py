"""Which images train, validate and test."""

import os

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from automl_img.data.splits import SplitIndices, make_splits
from automl_img.errors import DataError

labels_of_many = st.lists(st.integers(1, 40), min_size=2, max_size=8).flatmap(
    lambda counts: st.permutations([label for label, count in enumerate(counts) for _ in range(count)])
)
shares = st.floats(0.01, 0.45)


def split(labels, given=None, validation=0.2, test=0.0, seed=0, **more):
    labels = np.array(labels, np.int64)
    return make_splits(labels, given or (len(labels), 0, 0), validation=validation, test=test, seed=seed, **more)


@given(labels_of_many, shares, st.one_of(st.just(0.0), shares), st.integers(0, 2**31 - 1))
def test_every_image_is_in_one_split_and_every_class_where_it_can_be(labels, validation, test, seed):
    counts = np.bincount(labels)
    assume(counts.max() >= 3)
    parts = split(labels, validation=validation, test=test, seed=seed)
    together = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(together.tolist()) == list(range(len(labels)))
    own = np.array(labels)
    for label, count in enumerate(counts):
        held, tested = (int((own[part] == label).sum()) for part in (parts.validation, parts.test))
        assert (own[parts.train] == label).any()
        assert held >= (count >= 2)
        assert tested >= (count >= 3 and test > 0)
        assert held <= max(1, np.ceil(count * validation))
        assert tested <= max(1, np.ceil(count * test))


@given(labels_of_many, st.integers(0, 1000))
def test_the_same_seed_gives_the_same_splits(labels, seed):
    assume(np.bincount(labels).max() >= 2)
    one, two = split(labels, seed=seed), split(labels, seed=seed)
    for name in ("train", "validation", "test"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@given(labels_of_many, st.integers(0, 1000))
def test_the_images_of_each_class_are_drawn_in_the_order_of_the_classes(labels, seed):
    """So that a seed gives the same splits in every version."""
    assume(np.bincount(labels).max() >= 2)
    parts = split(labels, seed=seed)
    random = np.random.default_rng(seed)
    validating = []
    for label in range(max(labels) + 1):
        members = random.permutation(np.flatnonzero(np.array(labels) == label))
        validating += members[len(members) - np.isin(members, parts.validation).sum() :].tolist()
    assert parts.validation.tolist() == sorted(validating)


def test_another_seed_gives_other_splits():
    labels = [0, 1] * 100
    assert not np.array_equal(split(labels, seed=0).validation, split(labels, seed=1).validation)


def test_shares_are_kept_to_the_image_in_large_data():
    parts = split(np.repeat(range(10), 700), validation=0.1, test=0.2)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (4900, 700, 1400)


def test_given_splits_stay_as_they_are():
    labels = [0, 1] * 10
    parts = split(labels, (12, 4, 4), validation=0.5, test=0.5)
    assert parts.train.tolist() == list(range(12))
    assert parts.validation.tolist() == [12, 13, 14, 15]
    assert parts.test.tolist() == [16, 17, 18, 19]
    parts = split(labels, (16, 0, 4), validation=0.25, test=0.9)
    assert len(parts.validation) == 4 and max(parts.validation) < 16
    assert parts.test.tolist() == [16, 17, 18, 19]


def test_a_class_of_one_image_trains_and_a_note_says_so():
    parts = split([0] * 10 + [1], class_names=("cat", "dog"))
    assert 10 in parts.train
    assert parts.notes == ("No image of class 'dog' validates the model.",)


@pytest.mark.parametrize(
    ("labels", "arguments", "message"),
    [
        ([0, 1], {"class_names": ("a", "b", "c")}, "fewer training images than classes"),
        ([0, 0, 2, 2], {}, "no training image for class '1'"),
        ([0, 0, 1, 1], {"given": (2, 2, 0)}, "no training image for class '1'"),
        ([0, 1, 2], {}, "no class has a second image"),
        ([0, 0, 1, 1], {"test": 0.2}, "no class has a third image"),
        ([0, 0, 1, 1], {"validation": 0.0}, "validation: the share for validation leaves nothing"),
        ([0, 0, 1, 1], {"validation": 1.0}, "leaves nothing"),
        ([0, 0, 1, 1], {"test": 1.0}, "the share for the test leaves nothing"),
        ([0, 0, 1, 1], {"validation": 0.6, "test": 0.5}, "leave nothing to train on"),
        ([0, 0, 1, 1], {"given": (2, 0, 0)}, "do not add up"),
    ],
)
def test_splits_that_cannot_be_made_say_why(labels, arguments, message):
    with pytest.raises(DataError, match=message):
        split(labels, **arguments)


def test_splits_are_saved_and_loaded_whole(tmp_path):
    parts = split([0] * 10 + [1], test=0.2)
    parts.save(tmp_path / "splits.npz")
    again = SplitIndices.load(tmp_path / "splits.npz")
    for name in ("train", "validation", "test"):
        assert np.array_equal(getattr(again, name), getattr(parts, name))
    assert again.notes == parts.notes
    assert [path.name for path in tmp_path.iterdir()] == ["splits.npz"]


def test_splits_are_not_written_through_a_link_that_waits_beside_them(tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / f".splits.npz.{os.getpid()}.tmp").symlink_to(precious)
    (tmp_path / f".{os.getpid()}.splits.npz").symlink_to(precious)
    split([0, 0, 1, 1]).save(tmp_path / "splits.npz")
    assert precious.read_text() == "mine"
    assert len(SplitIndices.load(tmp_path / "splits.npz").train) == 2


def test_splits_that_cannot_be_written_leave_nothing_half_written(tmp_path):
    (tmp_path / "splits.npz").mkdir()
    with pytest.raises(OSError):
        split([0, 0, 1, 1]).save(tmp_path / "splits.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["splits.npz"]


def test_a_damaged_file_of_splits_says_so(tmp_path):
    path = tmp_path / "splits.npz"
    split([0, 0, 1, 1]).save(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"splits\.npz: the file of splits cannot be read"):
        SplitIndices.load(path)
    with pytest.raises(DataError, match="cannot be read"):
        SplitIndices.load(tmp_path / "none.npz")
