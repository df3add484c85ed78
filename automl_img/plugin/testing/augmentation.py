"""The checks of an augmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from automl_img.plugin.base import ImageTraits
from automl_img.plugin.oracle import active
from automl_img.plugin.testing import networks
from automl_img.plugin.testing.checks import IMAGES, Checks, calling, described, need

SMALL = tuple(image for image in IMAGES if image.side < 100)


class AugmentationChecks(Checks):
    """What every augmentation owes the core: images of the same shape and range, chance under a seed, and hands off in validation."""

    def test_it_keeps_shape_and_range_of_images_of_every_size_and_task(self) -> None:
        """Images of any size, number and task come back finite, in their shape, from 0 to 255; labels stay probabilities."""
        for image in self.suited(SMALL):
            for number in (8, 1):
                images, labels = _batch(image, number)
                changed, mixed = self._apply(self._layers(image), images, labels, training=True)
                self._see(image, images, changed)
                self._see_labels(labels, mixed)
            if self.plugin.mixes_labels:
                self._see_weights(image)

    def test_it_works_with_whatever_its_space_allows(self) -> None:
        """Hyperparameters drawn at random keep shape and range too."""
        for seed, image in enumerate(self.suited(SMALL)[:3]):
            images, labels = _batch(image, 4)
            values = networks.drawn(self.space_for(image), seed)
            if not values:
                continue
            changed, _ = self._apply(self._layers(image, values), images, labels, training=True)
            self._see(image, images, changed)

    def test_it_runs_in_a_graph_of_any_batch(self) -> None:
        """Compiled for batches of an open number of images, as in training, it takes a full and a last small one."""
        networks.keras()
        import tensorflow as tf

        image = self.suited(SMALL)[0]
        layers = self._layers(image)
        shape = (None, image.height, image.width, image.channels)
        signature = [tf.TensorSpec(shape), tf.TensorSpec((None, image.classes))]

        def change(images: Any, labels: Any) -> Any:
            return self._called(layers, images, labels, training=True)

        compiled = tf.function(change, input_signature=signature)
        for number in (6, 1):
            images, labels = _batch(image, number)
            hint = (
                "Use Keras's operations on tensors, not Python's or NumPy's on values; the batch's size is not known."
            )
            with calling("its layers in a compiled training step", hint):
                changed, _ = compiled(images, labels)
            found = f"compiled, it returned shape {tuple(changed.shape)} for images of shape {images.shape}"
            need(changed.shape == images.shape, found, "Return images of the shape that came in.")

    def test_a_seed_fixes_what_it_draws(self) -> None:
        """The same seed gives the same changes in the same order, another seed gives others, and each batch is drawn anew."""
        image = self.suited(SMALL)[0]
        images, labels = _batch(image, 32)
        first, second, other = (self._layers(image, seed=seed) for seed in (1, 1, 2))
        one, two, three, again = (
            self._apply(layers, images, labels, training=True)[0] for layers in (first, second, other, first)
        )
        hint = "Give the seed that layers() gets to everything random in them."
        need(np.array_equal(one, two), "the same seed gives other changes", hint)
        need(not np.array_equal(one, images), "it changes nothing in training", "Change the images if training=True.")
        need(not np.array_equal(one, three), "another seed gives the same changes", hint)
        need(
            not np.array_equal(one, again),
            "it changes each batch in the same way",
            "Draw with keras.random.SeedGenerator(seed), made once for the layer, rather than with the seed itself.",
        )

    def test_it_leaves_validation_images_alone(self) -> None:
        """Called with training=False, its layers give images and labels back as they are."""
        image = self.suited(SMALL)[0]
        images, labels = _batch(image, 8)
        changed, kept = self._apply(self._layers(image), images, labels, training=False)
        hint = "Return what comes in unless training is true."
        need(np.array_equal(changed, images), "it changes images with training=False", hint)
        need(np.array_equal(kept, labels), "it changes labels with training=False", hint)

    def test_its_layers_can_be_saved_and_loaded(self) -> None:
        """Each layer is made anew from its configuration, and has the same one then."""
        for layer in self._layers(self.suited(SMALL)[0]):
            hint = "Let get_config return every argument of __init__."
            with calling(f"{type(layer).__name__}.from_config(get_config())", hint):
                config = layer.get_config()
                again = type(layer).from_config(config).get_config()
            need(again == config, f"{type(layer).__name__} has another configuration when it is made from it", hint)

    def test_it_costs_no_weights(self) -> None:
        """Its layers learn nothing: there are no trainable weights in them."""
        image = self.suited(SMALL)[0]
        layers = self._layers(image)
        self._apply(layers, *_batch(image, 2), training=True)
        learned = [weight.path for layer in layers for weight in layer.trainable_weights]
        hint = (
            "Weights of augmentations are not trained, saved or counted: add them with trainable=False, or do without."
        )
        need(not learned, f"its layers have trainable weights: {', '.join(learned)}", hint)

    def test_its_layers_keep_to_their_own_names(self) -> None:
        """Its own layers are registered with Keras under its own package, if at all."""
        networks.need_own_names(self._layers(self.suited(SMALL)[0]), type(self.plugin).__module__)

    def _layers(self, image: ImageTraits, values: Mapping[str, Any] | None = None, seed: int = 3) -> Sequence[Any]:
        networks.keras()
        chosen = values or active(self.space_for(image), {})
        with calling(f"layers for {described(image)} with {dict(chosen)}"):
            return list(self.plugin.layers(dict(chosen), image, seed))

    def _called(self, layers: Sequence[Any], images: Any, labels: Any, *, training: bool) -> tuple[Any, Any]:
        if not self.plugin.mixes_labels:
            for layer in layers:
                images = layer(images, training=training)
            return images, labels
        data = {"images": images, "labels": labels}
        for layer in layers:
            data = layer(data, training=training)
        return data["images"], data["labels"]

    def _apply(self, layers: Sequence[Any], images: Any, labels: Any, *, training: bool) -> tuple[Any, Any]:
        hint = "Its layers must take batches of any number, and with mixes_labels a dictionary of images and labels."
        with calling(f"its layers on a batch of {images.shape}", hint):
            changed, mixed = self._called(layers, images.copy(), labels.copy(), training=training)
            return np.asarray(changed, "float32"), np.asarray(mixed, "float32")

    def _see(self, image: ImageTraits, images: Any, changed: Any) -> None:
        what = f"for {described(image)}"
        shape = f"it returned shape {changed.shape} {what} of shape {images.shape}"
        need(changed.shape == images.shape, shape, "Return images of the shape that came in.")
        inside = bool(np.isfinite(changed).all()) and changed.min() >= 0 and changed.max() <= 255
        found = f"it returned values from {changed.min():g} to {changed.max():g} {what}"
        need(inside, found, "Clip the images to 0 to 255 at the end.")

    def _see_labels(self, labels: Any, mixed: Any) -> None:
        inside = (
            mixed.shape == labels.shape and bool(np.isfinite(mixed).all()) and mixed.min() >= 0 and mixed.max() <= 1.001
        )
        hint = "Mix labels with weights from 0 to 1 that add up to 1, or leave them alone."
        need(inside, "its labels are no probabilities of the shape that came in", hint)

    def _see_weights(self, image: ImageTraits) -> None:
        """A weight for each image, which here follows from its classes, stands beside its labels and is mixed with them."""
        images, labels = _batch(image, 8)
        each = 0.1 + 0.1 * (np.arange(image.classes, dtype="float32") % 4)
        joined = np.concatenate([labels, labels @ each[:, np.newaxis]], axis=1)
        _, mixed = self._apply(self._layers(image), images, joined, training=True)
        alike = mixed.shape == joined.shape and bool(np.allclose(mixed[:, -1], mixed[:, :-1] @ each, atol=0.01))
        hint = "Where images have weights in the loss, labels has one more column: mix it as the others are mixed."
        need(alike, "it does not mix a further column of the labels", hint)


def _batch(image: ImageTraits, number: int) -> tuple[Any, Any]:
    """Random images with some white ones, and labels as the task has them."""
    chance = np.random.default_rng(5)
    images = chance.integers(0, 256, (number, image.height, image.width, image.channels)).astype("float32")
    images[: number // 4] = 255.0
    labels = np.eye(image.classes, dtype="float32")[np.arange(number) % image.classes]
    if image.task == "multilabel":
        labels = np.maximum(labels, np.roll(labels, 1, axis=1))
    return images, labels
