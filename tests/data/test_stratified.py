"""Splits of images with several labels, and of images that belong together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_img.data.splits import make_splits
from automl_img.errors import DataError


def split(labels, groups=None, validation=0.2, test=0.0, seed=0, given=None):
    return make_splits(labels, given or (len(labels), 0, 0), validation=validation, test=test, seed=seed, groups=groups)


def tags(n=400, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random((n, classes)) < np.linspace(0.5, 0.05, classes)).astype(np.uint8)


def test_each_label_keeps_its_share_in_every_split():
    labels = tags()
    found = split(labels, test=0.2)
    assert sorted(np.concatenate([found.train, found.validation, found.test])) == list(range(400))
    for part in (found.validation, found.test):
        assert len(part) == pytest.approx(80, abs=8)
        shares = labels[part].sum(0) / labels.sum(0)
        assert (np.abs(shares - 0.2) < 0.1).all(), shares


def test_the_same_seed_gives_the_same_multilabel_split():
    first, again, other = split(tags(), seed=1), split(tags(), seed=1), split(tags(), seed=2)
    np.testing.assert_array_equal(first.validation, again.validation)
    assert not np.array_equal(first.validation, other.validation)


@pytest.mark.parametrize("test", [0.0, 0.1])
@pytest.mark.parametrize("each", [1, 2])
def test_images_are_held_out_where_each_label_has_so_few_that_stratification_takes_none(each, test):
    images = np.arange(20)
    labels = np.zeros((20, 10), np.uint8)
    for turn in range(each):
        labels[images, (images + turn) % 10] = 1
    found = split(labels, validation=0.1, test=test, seed=1)
    for part, wanted in ((found.validation, True), (found.test, test > 0)):
        assert wanted <= len(part) <= 2 * wanted
    assert labels[found.train].sum(0).min() > 0, "every label trains"
    np.testing.assert_array_equal(split(labels, validation=0.1, test=test, seed=1).validation, found.validation)


def test_an_image_that_alone_has_a_label_trains_and_is_told():
    labels = tags()
    labels[:, 4] = 0
    labels[7, 4] = 1
    found = split(labels)
    assert 7 in found.train
    assert "No image of class '4' validates the model." in found.notes


@settings(max_examples=30, deadline=None)
@given(
    groups=st.lists(st.integers(0, 12), min_size=30, max_size=80),
    several=st.booleans(),
    seed=st.integers(0, 5),
)
def test_no_group_is_ever_torn_apart(groups, several, seed):
    groups = np.array(groups)
    rng = np.random.default_rng(seed)
    labels = (rng.random((len(groups), 3)) < 0.4).astype(np.uint8) if several else rng.integers(0, 2, len(groups))
    if (labels.sum(0) if several else np.bincount(labels, minlength=2)).min() == 0:
        return
    try:
        found = split(labels, groups=groups, seed=seed)
    except DataError:
        return  # too few groups, or each is the only one of a class
    assert not set(groups[found.train]) & set(groups[found.validation])
    assert sorted([*found.train, *found.validation]) == list(range(len(groups)))
    counts = labels[found.train].sum(0) if several else np.bincount(labels[found.train], minlength=2)
    assert counts.min() > 0, "every class trains"


@pytest.mark.parametrize("test", [0.0, 0.1])
def test_groups_of_classes_smaller_than_the_number_of_folds_are_split(test):
    labels = np.repeat(np.arange(20), 5)
    groups = labels * 4 + np.tile([0, 0, 1, 2, 3], 20)
    found = split(labels, groups=groups, validation=0.1, test=test)
    held = [part for part in (found.validation, found.test) if len(part)]
    assert len(held) == 1 + (test > 0) and all(5 <= len(part) <= 30 for part in held)
    for part in held:
        assert not set(groups[found.train]) & set(groups[part])
    assert set(labels[found.train]) == set(range(20)), "every class trains"


@pytest.mark.parametrize("seed", range(10))
def test_a_label_of_two_groups_is_never_held_out_whole(seed):
    labels = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0]])  # the third label is that of two groups
    found = split(labels, groups=np.arange(4), validation=0.5, seed=seed)
    assert len(found.validation) and labels[found.train].sum(0).min() > 0


def test_groups_are_drawn_at_random_where_each_of_the_rarest_labels_has_one_image():
    # The first image must train for its last label.
    labels = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    found = split(labels, groups=np.arange(4), validation=0.25)
    assert len(found.validation) == 1 and 0 in found.train


def test_grouped_splits_say_what_share_came_out():
    found = split(np.arange(100) % 2, groups=np.arange(100) // 10)
    assert any("Groups stay together" in note and "20.0% were asked for" in note for note in found.notes)


@pytest.mark.parametrize("seed", range(5))
def test_of_unequal_groups_those_are_held_out_that_come_nearest_to_the_share(seed):
    labels, groups = np.repeat([0, 0, 1, 1], [40, 20, 20, 20]), np.repeat(np.arange(4), [40, 20, 20, 20])
    found = split(labels, groups=groups, validation=0.25, seed=seed)
    assert len(found.validation) == 20 and len(set(groups[found.validation])) == 1
    assert any("20.0% of the images validate the model, 25.0% were asked for" in note for note in found.notes)


def test_a_group_in_both_given_splits_is_a_warning():
    labels = np.arange(40) % 2
    found = split(labels, groups=np.arange(40) % 20, given=(20, 0, 20))
    assert any("16 groups have images in both the training and the given test split" in note for note in found.notes)


def test_one_group_alone_cannot_be_split():
    with pytest.raises(DataError, match="held out"):
        split(np.arange(40) % 2, groups=np.zeros(40, int))


def test_groups_of_which_each_is_a_class_are_told_with_where_they_come_from():
    labels = np.arange(40) % 4
    with pytest.raises(DataError, match=r"Each group has all images of some class: .* data\.options\.group"):
        split(labels, groups=labels)
    with pytest.raises(DataError) as few:
        split(np.arange(4) % 2, validation=0.1, groups=np.arange(4))
    assert not few.value.hint, "it is for want of images"
