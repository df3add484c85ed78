"""The base classes of the plugins that make up a network and its training: architectures, augmentations, regularizers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.plugin.space import Space


@dataclass(frozen=True)
class ImageTraits:
    """What a plugin may know of the data before it sees an image.

    Attributes:
        height, width: Size of the images as the network gets them, in pixels.
        channels: 1 (grey) or 3 (RGB).
        classes: Number of classes.
        examples: Number of training images.
        task: "binary", "multiclass", "multilabel" or "hierarchical".
    """

    height: int
    width: int
    channels: int
    classes: int
    examples: int
    task: str = "multiclass"

    @property
    def side(self) -> int:
        """The shorter side in pixels."""
        return min(self.height, self.width)


class Plugin:
    """What all plugins share.

    Attributes:
        name: The name by which recipes know the plugin: lower case letters, digits and underscores.
        version: Changes when the same hyperparameters would give another result; recorded with each trial.
        summary: One line for ``automl-img plugins``; the first line of the class's docstring unless set.
    """

    name: str = ""
    version: str = "1"
    summary: str = ""

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare the hyperparameters that suit ``image``. Builds nothing and imports no Keras.

        Where the condition of one does not hold, it has no value: ``hp`` lacks its name in the calls that build.
        """

    def suits(self, image: ImageTraits) -> str:
        """Return why this plugin cannot be used on such images, or an empty string if it can."""
        return ""

    def _undefined(self, method: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} does not define {method}")


class Architecture(Plugin):
    """A family of networks, from a member that a small budget can train to its full size.

    A subclass declares its hyperparameters in :meth:`space`, builds in :meth:`build` and names good starting points in
    :meth:`members`. It must build for every image from 8×8×1 to 512×512×3 and say in its docstring what it does with small ones.
    """

    #: The names of weight sets that :meth:`pretrained` can load by name, such as ``"imagenet"``; empty: none.
    weight_sets: tuple[str, ...] = ()

    def build(self, hp: Mapping[str, Any], inputs: Any) -> Any:
        """Return the features that the classification head stands on.

        Args:
            hp: The values of the hyperparameters of :meth:`space`, by their short names.
            inputs: A symbolic Keras tensor, shape (batch, height, width, channels), floating point, standardised: mean 0 and
                standard deviation 1 for each channel over the training images. A ``Conv2D`` over it whose kernel is random
                begins with the principal components of their patches instead.

        Returns:
            A symbolic Keras tensor, shape (batch, features) or (batch, rows, columns, features); the core averages the latter over
            its positions, and adds the head that the task needs.
        """
        raise self._undefined("build")

    def members(self, image: ImageTraits) -> Sequence[Mapping[str, Any]]:
        """Return starting points for ``image``, from the smallest member of the family to its full size.

        Each is a set of hyperparameter values, those left out keep their default. The core starts with the largest member that the
        budget can train well. A key "lr" overrides the learning rate that the core would start with.
        """
        return [{}]

    def pretrained(self, hp: Mapping[str, Any], inputs: Any, weights: str | Path | None) -> Any:
        """Return the features of the full-size network with given weights, from images as they are.

        Args:
            hp: As in :meth:`build`; the hyperparameters that change the network's size have no effect here.
            inputs: A symbolic Keras tensor of RGB images, shape (batch, height, width, 3), floating point, 0 to 255. The right
                preprocessing for the weights is part of what this method builds.
            weights: One of :attr:`weight_sets`, or the path of a ``.weights.h5`` file of the network without its top, or None: the
                structure alone, as a saved model needs it.

        Returns:
            As :meth:`build`. The layers between ``inputs`` and the result are what fine-tuning freezes and thaws.
        """
        raise self._undefined("pretrained")


class Augmentation(Plugin):
    """A random change of the training images that keeps their class; never applied in validation or prediction.

    The search switches it on and off; :meth:`space` declares its strength.
    """

    #: Whether a long training starts with it switched on, if it leaves validation images recognisable.
    recommended: bool = False

    #: Passes over the data that a training must have for that: what hides or moves a part of the image slows learning at first.
    least_passes: float = 0.0

    #: Affinity from which on images are taken to vary so by themselves: for these :attr:`least_passes` does not count.
    natural_affinity: float = math.inf

    #: Whether it changes the labels too (MixUp, CutMix). Such ones are applied after all others.
    mixes_labels: bool = False

    def layers(self, hp: Mapping[str, Any], image: ImageTraits, seed: int) -> Sequence[Any]:
        """Return the Keras layers that make the change, in their order.

        Args:
            hp: The values of the hyperparameters of :meth:`space`, by their short names.
            image: The traits of the data.
            seed: Seed of everything random in the layers.

        Returns:
            Layers that map a batch of images (batch, height, width, channels), floating point from 0 to 255, to images of the same
            shape and range when called with ``training=True``. With ``mixes_labels`` they take and return a dictionary
            ``{"images": ..., "labels": ...}``, labels being probabilities of shape (batch, classes): Keras's own convention. Where images
            have weights in the loss, ``labels`` has one more column, to be mixed as the others are.
        """
        raise self._undefined("layers")


class Regularizer(Plugin):
    """A means against overfitting. It acts at one or more of the places below; the search switches it on and off."""

    #: Whether starting points have it switched on.
    recommended: bool = False

    def network(self, hp: Mapping[str, Any], model: Any) -> Any:
        """Return ``model`` (a functional keras.Model from images to features) or a changed clone of it.

        The clone must have the same inputs and the same shape of outputs. Called after :meth:`Architecture.build`. A layer of yours
        that differs from one of Keras's in training alone has ``for_prediction()``, which returns that one: it takes its place in
        files for programs that know Keras and no plugins.
        """
        return model

    def features(self, hp: Mapping[str, Any], features: Any) -> Any:
        """Return the features, a symbolic tensor (batch, features), as the head shall see them."""
        return features

    def optimizer(self, hp: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return keyword arguments for the Keras optimizer, such as ``{"weight_decay": 0.01}``."""
        return {}

    def targets(self, hp: Mapping[str, Any], targets: Any) -> Any:
        """Return the training targets, a tensor of probabilities (batch, classes), changed. Runs in the training graph."""
        return targets

    def targets_for(self, hp: Mapping[str, Any], targets: Any, image: ImageTraits) -> Any:
        """Return the training targets as :meth:`targets` does, which it calls unless you override it: for what depends on the task."""
        return self.targets(hp, targets)

    def callbacks(self, hp: Mapping[str, Any], model: Any) -> Sequence[Any]:
        """Return Keras callbacks for the training of ``model``, the whole network.

        A callback may read ``self.params["progress"]``, a function that returns how much of the training is done, from 0 to 1. One that
        remembers something from step to step has ``get_state()``, which returns a dict of arrays and lists of arrays, and
        ``set_state(state)``: a training that is cut off then goes on from its checkpoint as if nothing had been. There ``set_state`` is
        called on a new callback, before ``set_model``, ``set_params`` and ``on_train_begin``, which must leave its state alone.

        One that makes another network of this one by and by, such as a sparse one, has ``settled``: False until it has come to its end.
        The training does not end early before, and once it is True, no earlier measurement gives the weights that the training leaves.
        """
        return ()
