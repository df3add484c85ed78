"""What is advised: mirrored clothes are clothes, mirrored digits are not; sizes, budgets and weights follow from the data."""

import json
import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import load_digits

from automl_img.data.arrays import dataset_from_arrays, validated
from automl_img.data.inspection import inspect_dataset
from automl_img.data.inspection.advice import EPOCHS, IMAGES_PER_SECOND, propose_budget
from automl_img.data.inspection.changes import agreement, judge_changes
from automl_img.errors import DataError
from automl_img.plugin import ImageDataset, Split, discover
from automl_img.recipe import Recipe


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return np.rint(data.images * 255 / 16).astype(np.uint8), data.target


def effects(images, labels, names, **more):
    return {change.name: change.effect for change in judge_changes(images, labels, names, **more)}


def advised(pixels, labels):
    return inspect_dataset(dataset_from_arrays(pixels, labels), advice=True).advice


def arrows(count=60, side=16, seed=0):
    """Arrows to the left and to the right, and boxes, each shifted and with noise: a mirror exchanges the first two."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 40, (3 * count, side, side)).astype(np.uint8)
    labels = np.arange(3 * count) % 3
    for image, label in zip(images, labels, strict=True):
        row, column = random.integers(-1, 2, 2)
        shape = np.zeros((side, side), bool)
        for step in range(5):
            shape[7 - step : 9 + step, 4 + step] = True
        shape[6:10, 8:13] = True
        if label == 2:
            shape[:] = False
            shape[3:13, 3:13] = True
        shape = shape[:, ::-1] if label == 1 else shape
        image[np.roll(shape, (row, column), (0, 1))] = 220
    return images, labels


@pytest.mark.parametrize("seed", range(3))
def test_mirroring_digits_is_unsafe_in_each_direction(digits, seed):
    found = effects(*digits, [str(digit) for digit in range(10)], seed=seed)
    assert found == {"horizontal_flip": "unsafe", "vertical_flip": "unsafe", "quarter_turn": "unsafe"}


@pytest.mark.parametrize(("one", "other"), [(6, 9), (2, 5)])
def test_digits_that_are_each_others_mirror_images_are_not_to_be_mirrored(digits, one, other):
    images, labels = digits
    chosen = np.isin(labels, (one, other))
    found = judge_changes(images[chosen], (labels[chosen] == other).astype(int), [str(one), str(other)])
    upside_down = next(change for change in found if change.name == "vertical_flip")
    assert upside_down.effect == "unsafe" and upside_down.kept < 0.1


def test_noughts_and_eights_may_be_mirrored(digits):
    images, labels = digits
    chosen = np.isin(labels, (0, 8))
    found = effects(images[chosen], (labels[chosen] == 8).astype(int), ["0", "8"])
    assert found["horizontal_flip"] == found["vertical_flip"] == "safe"


def test_clothes_may_be_mirrored_but_not_turned_upside_down():
    try:
        clothes = discover().get("source", "fashion_mnist", where="test").load(None, {}).train
    except DataError as error:
        pytest.skip(str(error))
    for seed in range(3):
        found = effects(
            np.asarray(clothes.images)[..., 0], clothes.labels, [str(name) for name in range(10)], seed=seed
        )
        assert found == {"horizontal_flip": "safe", "vertical_flip": "unsafe", "quarter_turn": "unsafe"}


def test_two_classes_that_a_mirror_exchanges_are_named():
    left_to_right, upside_down, _ = judge_changes(*arrows(), ["left", "right", "box"])
    assert left_to_right.effect == "unsafe" and "'left' and 'right' take each other's place" in left_to_right.reason
    assert upside_down.effect == "safe"


def test_a_few_exchanged_classes_among_many_are_enough():
    images, labels = arrows(count=100)
    random = np.random.default_rng(1)
    patterns = random.integers(0, 255, (17, 16, 8)).astype(np.uint8)
    patterns = np.concatenate([patterns, patterns[:, :, ::-1]], axis=2)
    others = np.repeat(patterns, 50, axis=0)
    names = ["left", "right", "box", *(f"pattern {number}" for number in range(17))]
    found = judge_changes(
        np.concatenate([images, others]), np.concatenate([labels, 3 + np.repeat(np.arange(17), 50)]), names
    )
    assert found[0].kept > 0.8 and found[0].effect == "unsafe"


def test_noise_says_nothing_of_augmentations():
    pixels = np.random.default_rng(0).integers(0, 255, (400, 16, 16), np.uint8)
    advice = advised(pixels, np.arange(400) % 2)
    assert {change.effect for change in advice.changes} == {"open"}
    assert "thumbnails do not say" in advice.point("augmentation").reason


def test_a_handful_of_images_says_nothing(digits):
    images, labels = digits
    assert set(effects(images[:20], labels[:20], [str(name) for name in range(10)]).values()) == {"open"}
    assert set(effects(images[:0], labels[:0], ["a", "b"]).values()) == {"open"}


def test_few_images_are_named_as_the_reason_where_neighbours_know_all_of_them(digits):
    images, labels = digits
    chosen = np.flatnonzero(np.isin(labels, (0, 1)))[:60]
    reasons = {change.reason for change in judge_changes(images[chosen], labels[chosen], ["0", "1"])}
    assert reasons == {"there are too few images to compare"}


def test_thousands_of_classes_take_no_memory_of_classes_squared_or_of_all_images():
    classes = 3_000
    patterns = np.random.default_rng(0).integers(0, 255, (classes, 6, 6)).astype(np.uint8)
    labels = np.tile(np.arange(classes), 4)
    tracemalloc.start()
    found = judge_changes(patterns[labels], labels, [str(number) for number in range(classes)])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {change.effect for change in found} == {"unsafe"}, "neighbours know the classes, and no change leaves them"
    assert most < 120e6, "labels of the images that are compared, as 0 and 1, and their likeness"


def test_images_that_are_no_squares_can_be_judged(digits):
    images, labels = digits
    wide = np.repeat(images, 2, axis=2)
    assert effects(wide, labels, [str(name) for name in range(10)])["horizontal_flip"] == "unsafe"


def test_several_labels_an_image_are_judged_by_what_they_share(digits):
    images, labels = digits
    rows = np.zeros((len(images), 3), np.uint8)
    rows[:, 0], rows[:, 1], rows[:, 2] = labels > 4, labels % 2, labels == 6
    advice = inspect_dataset(
        validated(ImageDataset("several", ("large", "odd", "six"), Split(images[..., np.newaxis], rows)), "multilabel"),
        advice=True,
    ).advice
    assert advice.task == "multilabel" and "any number of 3 labels" in advice.point("task").reason
    assert {change.effect for change in advice.changes} != {"open"}
    np.testing.assert_allclose(agreement(np.array([[1, 1, 0], [0, 0, 0]]), np.array([[1, 0, 0], [0, 0, 0]])), [0.5, 1])


def test_a_hierarchy_is_judged_by_its_leaves(digits):
    images, labels = digits
    names = [f"{'round' if digit in (0, 6, 8, 9) else 'open'}/{digit}" for digit in range(10)]
    advice = advised(images, [names[label] for label in labels])
    assert advice.task == "hierarchical" and "paths in a tree" in advice.point("task").reason
    assert advice.changes[0].effect == "unsafe"


def test_duplicates_do_not_make_neighbours_know_more():
    pixels = np.random.default_rng(0).integers(0, 255, (150, 16, 16), np.uint8)
    advice = advised(np.concatenate([pixels, pixels, pixels]), np.tile(np.arange(150) % 2, 3))
    assert {change.effect for change in advice.changes} == {"open"}


def test_weights_are_advised_where_classes_differ_in_size():
    pixels = np.random.default_rng(0).integers(0, 255, (100, 8, 8), np.uint8)
    assert advised(pixels, np.arange(100) % 2).point("class weights").answer == "none"
    assert "9.0 times" in advised(pixels, np.arange(100) < 10).point("class weights").reason


@pytest.mark.parametrize(
    ("images", "side", "budget"),
    [(100, 8, "2m"), (60_000, 28, "10m"), (5_000, 224, "1h"), (1_200_000, 224, "4h"), (0, 8, "2m")],
)
def test_the_budget_grows_with_the_pixels(images, side, budget):
    assert propose_budget(images, side * side)[0] == budget


def test_the_final_training_has_the_share_of_a_budget_that_a_search_gives_it():
    _, seconds = propose_budget(60_000, 28 * 28)
    final = seconds * Recipe().search.final_share
    assert final == pytest.approx(60_000 * EPOCHS / IMAGES_PER_SECOND)


def test_the_settings_are_keys_of_a_recipe(digits):
    from automl_img.recipe import recipe_from_mapping

    advice = advised(*digits)
    recipe = recipe_from_mapping(advice.settings())
    assert recipe.data.size() == (8, 8) and recipe.data.channels == 1 and recipe.data.test == 0.1


def test_advice_is_given_only_where_it_is_asked_for(digits):
    data = dataset_from_arrays(*digits)
    assert inspect_dataset(data).advice is None and inspect_dataset(data).as_dict()["advice"] is None
    facts = json.loads(json.dumps(inspect_dataset(data, advice=True).as_dict()))
    assert facts["advice"]["changes"][0]["effect"] == "unsafe"
    assert facts["advice"]["budget"] == "2m" and facts["advice"]["points"][0]["topic"] == "task"
