"""What our augmentations do under each policy and together; what all do is seen by tests/plugins/conformance.py."""

import keras
import numpy as np
import pytest

OF_ANY = [
    "horizontal_flip",
    "vertical_flip",
    "rotation",
    "translation",
    "scale",
    "crop",
    "rand_augment",
    "brightness",
    "contrast",
    "gaussian_noise",
    "blur",
    "erasing",
    "mixup",
    "cutmix",
]
OF_COLOUR = ["saturation", "hue", "grayscale"]
MIXING = {"mixup", "cutmix"}
POLICIES = ["float32", "mixed_bfloat16", "mixed_float16"]
#: Grey images under one policy: the layers compute in float32 under each, however many channels there are.
CASES = [(name, 3, policy) for policy in POLICIES for name in [*OF_ANY, *OF_COLOUR]]
CASES += [(name, 1, "float32") for name in OF_ANY]
MODULES = ("geometry", "colour", "noise", "mixing")


@pytest.fixture
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


def images_of(result):
    return result[0] if isinstance(result, tuple) else result


def test_all_augmentations_are_found(registry):
    ours = {r.name for r in registry.records if r.origin.startswith("automl_img_augmentations") and not r.left_out}
    assert ours == {*OF_ANY, *OF_COLOUR}
    assert not [r for r in registry.left_out if r.name in MODULES]


@pytest.mark.parametrize(("name", "channels", "policy"), CASES, indirect=["policy"])
def test_a_batch_keeps_its_shape_and_range_under_each_policy(augment, pictures, policy, name, channels):
    apply = augment(name, 28, channels)
    images = pictures(16, 28, channels)
    images[:4] = 255.0
    for count in (16, 5, 1):
        changed = images_of(apply(images[:count]))
        assert changed.shape == images[:count].shape
        assert np.isfinite(changed).all()
        assert changed.min() >= 0.0 and changed.max() <= 255.0


@pytest.mark.parametrize("name", [*OF_ANY, *OF_COLOUR])
def test_large_images_keep_their_shape_and_range(augment, pictures, name):
    images = pictures(6, 224, 3)
    changed = images_of(augment(name, 224, 3)(images))
    assert changed.shape == images.shape
    assert np.isfinite(changed).all()
    assert changed.min() >= 0.0 and changed.max() <= 255.0


@pytest.mark.parametrize("name", [name for name in [*OF_ANY, *OF_COLOUR] if name not in MIXING])
def test_images_of_one_batch_are_changed_differently(augment, pictures, name):
    images = np.repeat(pictures(1, 12, 3), 64, axis=0)
    changed = augment(name, 12, 3)(images)
    kinds = {picture.tobytes() for picture in changed}
    assert len(kinds) == 2 if name in {"horizontal_flip", "vertical_flip", "grayscale"} else len(kinds) > 5


@pytest.mark.parametrize("name", OF_COLOUR)
def test_changes_of_colour_say_why_they_do_not_suit_grey_images(registry, traits, name):
    augmentation = registry.get("augmentation", name)
    assert "colour" in augmentation.suits(traits(28, 1))
    assert augmentation.suits(traits(28, 3)) == ""


@pytest.mark.parametrize("name", OF_ANY)
def test_all_others_suit_grey_and_colour(registry, traits, name):
    augmentation = registry.get("augmentation", name)
    assert augmentation.suits(traits(8, 1)) == augmentation.suits(traits(224, 3)) == ""


def test_two_augmentations_do_not_draw_the_same_numbers(augment, pictures):
    images = np.repeat(pictures(1, 12, 1), 400, axis=0)
    flipped = (augment("horizontal_flip", 12, seed=1)(images) != images).any(axis=(1, 2, 3))
    upended = (augment("vertical_flip", 12, seed=1)(images) != images).any(axis=(1, 2, 3))
    assert 0.3 < (flipped == upended).mean() < 0.7


def test_augmentations_run_in_tf_data_and_inside_a_model(registry, traits, pictures):
    import tensorflow as tf

    from automl_img.plugin import Space

    image, layers = traits(28, 1), []
    for name in ("horizontal_flip", "translation", "erasing", "crop", "blur"):
        augmentation, space = registry.get("augmentation", name), Space()
        augmentation.space(space, image)
        layers += augmentation.layers(space.defaults(), image, 1)

    def change(images):
        for layer in layers:
            images = layer(images, training=True)
        return images

    dataset = tf.data.Dataset.from_tensor_slices(pictures(20)).batch(8).map(change)
    assert [batch.shape[0] for batch in dataset] == [8, 8, 4]
    model = keras.Sequential([keras.Input((28, 28, 1)), *layers])
    np.testing.assert_array_equal(model.predict(pictures(4), verbose=0), pictures(4))
