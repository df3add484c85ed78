"""What ``fit`` trains: a network with its random augmentation and its changed targets around it, which the network itself never sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from automl_img.plugin import ImageTraits, PluginRegistry
from automl_img.tasks import Task
from automl_img.training.network import active_plugins

Change = Callable[[Any], Any]

#: Of the column of weights beside labels: what looks for an image's class among the columns still finds it. A power of two rounds nothing.
WEIGHT_SCALE = 2.0**-10


class Trainee(keras.Model):
    """Wraps a network for training.

    Args:
        network: From images (batch, height, width, channels), 0 to 255, to logits (batch, classes).
        task: What the labels mean.
        augment: Maps (images, targets) to (images, targets); images float32, 0 to 255, targets probabilities. Where images have weights,
            those times ``WEIGHT_SCALE`` are one more column of the targets.
        targets: Changes of the targets, applied after ``augment``.
        parts: Parts of a batch that go through the network side by side; the batch is a multiple of them.
    """

    def __init__(self, network: Any, task: Task, augment: Augment, targets: Sequence[Change], parts: int = 1) -> None:
        # The images stay float32, whatever the policy: bfloat16 would round what augmentation made of them.
        super().__init__(name="trainee", autocast=False)
        self.network = network
        self._task = task
        self.augment = augment
        self._changes = list(targets)
        self._parts = parts
        self.built = True

    def call(self, images: Any, training: bool | None = None) -> Any:
        """Return the network's logits."""
        if not training or self._parts == 1:
            return self.network(images, training=training)
        return tf.concat([self.network(part, training=True) for part in tf.split(images, self._parts)], axis=0)

    def train_step(self, data: Any) -> Any:
        """Train on one batch (uint8 images, labels, weights)."""
        return super().train_step(self._prepared(data))

    def _prepared(self, data: Any) -> tuple[Any, Any, Any]:
        """Return a batch as the network learns from it: images, targets (batch, classes) and weights (batch,), or None; all float32."""
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        images, targets = ops.cast(images, "float32"), self._task.targets(labels)
        if weights is None:
            images, targets = self._augmented(images, targets)
        else:
            # What mixes the labels of images mixes their weights alike, as one more column.
            column = ops.reshape(ops.cast(weights, "float32"), (-1, 1)) * WEIGHT_SCALE
            images, mixed = self._augmented(images, ops.concatenate([ops.cast(targets, "float32"), column], axis=1))
            targets, weights = mixed[:, :-1], ops.cast(mixed[:, -1], "float32") / WEIGHT_SCALE
        for change in self._changes:
            targets = change(targets)
        return images, ops.cast(targets, "float32"), weights

    def _augmented(self, images: Any, targets: Any) -> tuple[Any, Any]:
        if self._parts == 1:
            return self.augment(images, targets)
        split = zip(tf.split(images, self._parts), tf.split(targets, self._parts), strict=True)
        changed, wanted = zip(*(self.augment(*part) for part in split), strict=True)
        return tf.concat(changed, axis=0), tf.concat(wanted, axis=0)


class Augment:
    """The augmentations of a trial, in their order: those that mix labels last."""

    def __init__(self, values: Mapping[str, Any], image: ImageTraits, registry: PluginRegistry, seed: int) -> None:
        chosen = active_plugins(values, "augmentation", registry)
        chosen.sort(key=lambda pair: (pair[0].mixes_labels, pair[0].name))
        self._layers: list[tuple[Any, bool]] = []
        for index, (plugin, hp) in enumerate(chosen):
            for layer in plugin.layers(hp, image, seed + 1000 * index):
                self._layers.append((layer, plugin.mixes_labels))
        self._shape = (image.height, image.width, image.channels)

    def variables(self) -> list[Any]:
        """What changes while it works: the states of its random numbers, for the most part."""
        return [variable for layer, _ in self._layers for variable in layer.variables]

    def __call__(self, images: Any, targets: Any) -> tuple[Any, Any]:
        """Return changed images (batch, height, width, channels), 0 to 255, and targets (batch, columns), mixed as their images are."""
        columns = targets.shape[-1]
        for layer, mixes in self._layers:
            if mixes:
                mixed = layer({"images": images, "labels": targets}, training=True)
                images, targets = mixed["images"], tf.ensure_shape(mixed["labels"], (None, columns))
            else:
                images = layer(images, training=True)
            # TensorFlow knows no shape of what NumPy computes, and the next layer may ask for it.
            images = tf.ensure_shape(images, (None, *self._shape))
        return images, targets
