import math

import numpy as np
import pytest

from automl_img.plugin import Space


@pytest.mark.parametrize(("name", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_rest(augment, pictures, name, axis):
    images = pictures(200)
    changed = augment(name)(images)
    mirrored = (changed == np.flip(images, axis)).all(axis=(1, 2, 3))
    same = (changed == images).all(axis=(1, 2, 3))
    assert (mirrored | same).all()
    assert 0.35 < mirrored.mean() < 0.65


def test_a_translation_shifts_by_up_to_two_of_28_whole_pixels_and_repeats_the_border(augment, pictures):
    images = np.repeat(pictures(1), 400, axis=0)
    padded = np.pad(images[0], ((2, 2), (2, 2), (0, 0)), mode="edge")
    possible = {padded[y : y + 28, x : x + 28].tobytes(): (y, x) for y in range(5) for x in range(5)}
    shifts = [possible[picture.tobytes()] for picture in augment("translation")(images)]
    assert len(set(shifts)) == 25
    counts = np.bincount([y for y, _ in shifts])
    assert counts.min() > 400 / 5 / 2


@pytest.mark.parametrize("name", ["rotation", "translation", "scale", "crop", "blur"])
def test_a_plain_image_stays_plain_up_to_its_borders(augment, name):
    images = np.full((32, 28, 28, 1), 200.0, "float32")
    np.testing.assert_allclose(augment(name)(images), images, atol=1e-3)


def test_a_rotation_turns_to_both_sides_and_not_further_than_it_says(augment):
    line = np.zeros((200, 29, 29, 1), "float32")
    line[:, 14, :] = 255.0
    changed = augment("rotation", 29, degrees=10.0)(line)[..., 0]
    heights = (changed * np.arange(29)[:, None]).sum(1) / np.maximum(changed.sum(1), 1e-6)
    angles = np.degrees(np.arctan2(heights[:, 22] - heights[:, 6], 16))
    assert angles.min() < -6 and angles.max() > 6
    assert np.abs(angles).max() < 11


def test_a_crop_enlarges(augment):
    square = np.zeros((100, 28, 28, 1), "float32")
    square[:, 12:16, 12:16] = 255.0
    grown = augment("crop", smallest=0.5)(square).sum(axis=(1, 2, 3)) / (16 * 255.0)
    assert grown.min() > 0.9 and grown.max() < 2.6
    assert np.median(grown) > 1.1


def test_a_scale_enlarges_and_shrinks(augment):
    square = np.zeros((100, 28, 28, 1), "float32")
    square[:, 9:19, 9:19] = 255.0
    grown = augment("scale", strength=0.2)(square).sum(axis=(1, 2, 3)) / (100 * 255.0)
    assert grown.min() < 0.85 and grown.max() > 1.2


def test_brightness_moves_a_whole_image_both_ways(augment):
    images = np.full((200, 8, 8, 1), 128.0, "float32")
    moved = augment("brightness", 8, strength=0.2)(images) - 128.0
    assert np.ptp(moved, axis=(1, 2, 3)).max() < 1e-3
    assert moved.min() < -30 and moved.max() > 30
    assert np.abs(moved).max() <= 51.01


def test_contrast_rises_in_some_images_and_falls_in_others(augment):
    images = np.random.default_rng(0).uniform(100, 150, (200, 12, 12, 1)).astype("float32")
    ratio = augment("contrast", 12, strength=0.3)(images).std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert 0.69 < ratio.min() < 0.8 and 1.2 < ratio.max() < 1.31


@pytest.mark.parametrize("name", ["saturation", "hue", "grayscale"])
def test_grey_pixels_have_no_colour_to_change(augment, pictures, name):
    images = np.repeat(pictures(16, 12, 1), 3, axis=-1)
    np.testing.assert_allclose(augment(name, 12, 3)(images), images, atol=0.1)


def test_saturation_moves_colours_towards_and_away_from_grey(augment):
    images = np.full((200, 8, 8, 3), (120.0, 100.0, 140.0), "float32")
    changed = augment("saturation", 8, 3, strength=0.5)(images)
    spread = np.ptp(changed, axis=-1)[:, 0, 0] / 40
    assert 0.49 < spread.min() < 0.7 and 1.3 < spread.max() < 1.51


def test_grayscale_takes_the_colour_out_of_the_share_it_says(augment, pictures):
    changed = augment("grayscale", 8, 3, probability=0.3)(pictures(1000, 8, 3))
    assert abs((np.ptp(changed, axis=-1).max(axis=(1, 2)) < 1e-3).mean() - 0.3) < 0.05


def test_noise_is_of_another_strength_in_each_image(augment):
    images = np.full((100, 28, 28, 1), 128.0, "float32")
    deviation = augment("gaussian_noise", deviation=0.1)(images).std(axis=(1, 2, 3))
    assert deviation.min() < 5 and 20 < deviation.max() < 28


def test_a_blur_smooths_half_of_the_images(augment, pictures):
    images = pictures(400)
    changed = augment("blur")(images)
    touched = (changed != images).any(axis=(1, 2, 3))
    assert 0.4 < touched.mean() < 0.6
    assert (changed[touched].std(axis=(1, 2, 3)) < images[touched].std(axis=(1, 2, 3)) + 1e-3).all()
    assert changed.std(axis=(1, 2, 3)).min() < 0.6 * images.std()


def test_erasing_covers_the_share_of_images_it_says_with_small_grey_rectangles(augment):
    images = np.zeros((2000, 28, 28, 1), "float32")
    changed = augment("erasing", probability=0.5)(images)
    assert set(np.unique(changed)) == {0.0, 127.5}
    covered = changed.astype(bool)
    assert abs(covered.any(axis=(1, 2, 3)).mean() - 0.5) < 0.04
    assert covered.any(axis=2).sum(axis=1).max() <= 9
    assert covered.any(axis=1).sum(axis=1).max() <= 9
    assert covered.sum(axis=(1, 2, 3)).max() >= 49


def test_erasing_with_noise_covers_with_many_values(augment):
    images = np.full((50, 28, 28, 1), 1.0, "float32")
    changed = augment("erasing", probability=1.0, fill="noise")(images)
    assert len(np.unique(changed)) > 50
    assert 100 < changed[changed != 1].mean() < 155, "colours of all kinds, as many dark as bright ones"


def test_small_images_are_erased_too(augment):
    images = np.zeros((200, 8, 8, 1), "float32")
    assert (augment("erasing", 8, probability=1.0)(images) > 0).any(axis=(1, 2, 3)).mean() > 0.6


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_mixes_images_and_labels_alike(augment, alpha):
    values = np.arange(10, dtype="float32") * 20
    images = np.tile(values[:, None, None, None], (50, 8, 8, 1))
    changed, labels = augment("mixup", 8, alpha=alpha)(images)
    np.testing.assert_allclose(labels.sum(1), 1.0, atol=1e-5)
    np.testing.assert_allclose(changed[:, 0, 0, 0], labels @ values, atol=1e-3)
    assert (labels.max(1) < 0.999).any()


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_share_of_two_gamma_draws_is_a_number_whatever_alpha_is_chosen(registry, traits, name):
    space = Space()
    registry.get("augmentation", name).space(space, traits())
    (alpha,) = (parameter.low for parameter in space if parameter.name == "alpha")
    is_zero = float(np.finfo(np.float32).tiny) ** alpha / math.gamma(1 + alpha)  # of one draw, in float32
    assert is_zero**2 * 1e9 < 1e-5, "a billion images are never divided by zero"


@pytest.mark.parametrize("side", [8, 28])
def test_cutmix_mixes_labels_by_the_pixels_that_were_replaced(augment, side):
    values = np.arange(10, dtype="float32") * 20
    images = np.tile(values[:, None, None, None], (50, side, side, 1))
    changed, labels = augment("cutmix", side)(images)
    shares = np.stack([(changed == value).mean(axis=(1, 2, 3)) for value in values], axis=1)
    np.testing.assert_allclose(labels, shares, atol=1e-5)
    untouched = (labels.max(1) == 1.0).mean()
    assert 0.4 < untouched < 0.75


def test_rand_augment_of_small_magnitude_leaves_the_class_and_more_changes_more(augment, pictures):
    images = np.kron(pictures(64, 7, 3)[:, :, :, :], np.ones((1, 4, 4, 1), "float32"))
    change = [np.abs(augment("rand_augment", channels=3, magnitude=m)(images) - images).mean() for m in (0.1, 0.4, 1.0)]
    assert change[0] < change[1] < change[2]
    assert change[0] < 20


def test_rand_augment_leaves_some_images_as_they_are(augment, pictures):
    images = pictures(300)
    changed = augment("rand_augment", operations=1)(images)
    same = np.isclose(changed, images, atol=1e-3).all(axis=(1, 2, 3)).mean()
    assert 0.03 < same < 0.35
