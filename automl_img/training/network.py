"""Builds the network of a trial: standardisation, the architecture's features, the regularizers' changes, and the head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl_img.errors import PluginError
from automl_img.plugin import ImageTraits, PluginRegistry, Regularizer
from automl_img.tasks import KINDS
from automl_img.training.cost import flat_layers

STANDARDISE = "standardise"  # the layer from which an architecture gets its images
LEAST_DEVIATION = 1.0  # of a channel, on the scale 0 to 255


@dataclass(frozen=True)
class NetworkPlan:
    """All that decides the structure of a network; with the weights it is the model.

    Attributes:
        values: Hyperparameter values by full name.
        image: Traits of the images.
        mean, std: Of each channel over the training images, on the scale 0 to 255.
        pretrained: Whether the network is the architecture's pretrained one, with its own preprocessing.
    """

    values: Mapping[str, Any]
    image: ImageTraits
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pretrained: bool = False

    @property
    def deviation(self) -> tuple[float, ...]:
        """What each channel is divided by: its standard deviation, or 1 where it hardly varies."""
        return tuple(max(std, LEAST_DEVIATION) for std in self.std)


@dataclass(frozen=True)
class Network:
    """A built network.

    Attributes:
        model: keras.Model from float32 images (batch, height, width, channels), 0 to 255, to float32 logits (batch, classes).
        backbone: The layers that came with pretrained weights, from the input to the features, those of nested models one by one; empty
            when trained from scratch.
    """

    model: Any
    backbone: tuple[Any, ...] = ()


def plugin_values(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the values below ``prefix``, by their short names."""
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}


def active_plugins(values: Mapping[str, Any], kind: str, registry: PluginRegistry) -> list[tuple[Any, dict[str, Any]]]:
    """Return the plugins of ``kind`` that ``values`` switch on, each with its own values, sorted by name."""
    prefix = f"{kind}."
    names = sorted(
        name.removeprefix(prefix)
        for name, on in values.items()
        if on is True and name.startswith(prefix) and name.count(".") == 1
    )
    return [(registry.get(kind, name), plugin_values(values, f"{kind}.{name}")) for name in names]


def build_network(plan: NetworkPlan, registry: PluginRegistry, *, weights: str | None = None) -> Network:
    """Build the network of ``plan``.

    Args:
        plan: What to build.
        registry: Where the plugins are.
        weights: A weight set or file to load into a pretrained network; None: the structure alone.

    Raises:
        PluginError: A plugin is missing, or returned something that is no tensor of features.
    """
    import keras

    architecture = registry.get("architecture", plan.values["architecture"])
    own = plugin_values(plan.values, architecture.name)
    image = plan.image
    inputs = keras.Input((image.height, image.width, image.channels), name="images")
    if plan.pretrained:
        rgb = inputs if image.channels == 3 else keras.layers.Concatenate(name="grey_to_rgb")([inputs] * 3)
        features = architecture.pretrained(own, rgb, weights)
    else:
        variance = [deviation**2 for deviation in plan.deviation]
        standard = keras.layers.Normalization(
            axis=-1, mean=list(plan.mean), variance=variance, dtype="float32", name=STANDARDISE
        )
        features = architecture.build(own, standard(inputs))
    _check_features(features, architecture.name)
    base = keras.Model(inputs, features)
    backbone = tuple(flat_layers(base)) if plan.pretrained else ()
    regularizers: Sequence[tuple[Regularizer, dict[str, Any]]] = active_plugins(plan.values, "regularizer", registry)
    for regularizer, hp in regularizers:
        changed = regularizer.network(hp, base)
        if changed is not base and plan.pretrained:
            changed.set_weights(base.get_weights())
            backbone = tuple(flat_layers(changed))
        base = changed
    head = base.output
    if len(head.shape) == 4:
        head = keras.layers.GlobalAveragePooling2D(name="pool")(head)
    for regularizer, hp in regularizers:
        head = regularizer.features(hp, head)
    logits = KINDS[image.task].head(head, image.classes)
    return Network(keras.Model(base.inputs[0], logits, name=architecture.name), backbone)


def _check_features(features: Any, architecture: str) -> None:
    shape = getattr(features, "shape", None)
    if shape is None or len(shape) not in (2, 4) or shape[-1] is None:
        raise PluginError(
            "build must return a tensor of shape (batch, features) or (batch, rows, columns, features)",
            where=f"architecture {architecture}",
            found=tuple(shape) if shape is not None else type(features).__name__,
        )
