"""Regularizers that switch off random features in training: before the head, or whole channels between the stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from automl_img.plugin import ImageTraits, Regularizer, Space, hookimpl


class Dropout(Regularizer):
    """Switches off random features before the head.

    Source: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting", 2014.
    """

    name = "dropout"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``rate``, the share of the features that are switched off."""
        hp.Float("rate", 0.05, 0.6, default=0.2)

    def features(self, hp: Mapping[str, Any], features: Any) -> Any:
        """Return ``features``, shape (batch, features), with some of them 0 in training and the others larger."""
        import keras

        return keras.layers.Dropout(hp["rate"], name="features_dropout")(features)


class SpatialDropout(Regularizer):
    """Switches off whole channels at the end of each stage, that is before each halving of the image.

    Source: Tompson et al., "Efficient Object Localization Using Convolutional Networks", 2015.
    """

    name = "spatial_dropout"
    version = "2"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``rate``, the share of the channels that are switched off."""
        hp.Float("rate", 0.02, 0.4, default=0.1)

    def network(self, hp: Mapping[str, Any], model: Any) -> Any:
        """Return a clone of ``model`` with its weights and dropout; ``model`` itself if it has no place for it."""
        import keras

        from automl_img_regularizers._graph import clone

        places = ends_of_stages(model)
        if not places:
            return model

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = layer(*args, **kwargs)
            if layer.name not in places:
                return outputs
            return keras.layers.SpatialDropout2D(hp["rate"], name=f"{layer.name}_spatial_dropout")(outputs)

        return clone(model, call)


def ends_of_stages(model: Any) -> set[str]:
    """Return the names of the layers that end the stages of a functional ``model``.

    A stage is what works at one size of the image. Its end is the last activation, pooling or joining layer of that
    size that nothing goes past: dropout there changes neither what normalisation layers see before it nor the order in
    which weights are stored. What no layer with weights stands before is the image itself, which keeps its channels.
    """
    from automl_img_regularizers._graph import ancestors, parents, trunk

    graph = parents(model)
    on_trunk = trunk(graph)
    weighted = {layer.name for layer in model.layers if layer.weights}
    ends: dict[tuple[int, int], str] = {}
    for layer in model.layers:
        if layer.name not in on_trunk or len(graph[layer.name]) != 1 or not _ends(layer):
            continue
        shape = layer.output.shape
        if len(shape) == 4 and shape[1:3] != (1, 1) and weighted & ancestors(graph, layer.name):
            ends[tuple(shape[1:3])] = layer.name
    return set(ends.values())


def _ends(layer: Any) -> bool:
    kind = type(layer).__name__
    if kind in {
        "Add",
        "ResidualAdd",
        "Concatenate",
        "MaxPooling2D",
        "AveragePooling2D",
        "LeakyReLU",
        "PReLU",
        "ReLU",
        "ELU",
    }:
        return True
    activation = getattr(layer, "activation", None)
    return activation is not None and getattr(activation, "__name__", "linear") != "linear"


@hookimpl
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Register the regularizers of this module."""
    for regularizer in (Dropout(), SpatialDropout()):
        register(regularizer)
