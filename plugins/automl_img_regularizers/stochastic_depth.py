"""Stochastic depth: in training some images skip some residual branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from automl_img.plugin import ImageTraits, Regularizer, Space, hookimpl


class StochasticDepth(Regularizer):
    """Leaves out residual branches in training, later ones more often; without effect on a network that has none.

    The linear decay rule of the paper: branch l of L is left out with the probability ``rate``·l/L. Where the paper
    makes branches smaller in prediction, they are made larger in training here, which is the same.

    Source: Huang et al., "Deep Networks with Stochastic Depth", 2016.
    """

    name = "stochastic_depth"

    def space(self, hp: Space, image: ImageTraits) -> None:
        """Declare ``rate``, the probability that the last branch is left out."""
        hp.Float("rate", 0.02, 0.5, default=0.1)

    def network(self, hp: Mapping[str, Any], model: Any) -> Any:
        """Return a clone of ``model`` with its weights and random branches; ``model`` itself if it has none."""
        import keras

        from automl_img_regularizers._graph import clone
        from automl_img_regularizers._residual_add import ResidualAdd

        branches = residual_branches(model)
        if not branches:
            return model
        rates = {name: hp["rate"] * (place + 1) / len(branches) for place, name in enumerate(branches)}

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if layer.name not in branches:
                return layer(*args, **kwargs)
            # A layer is given one list of two tensors, the operator + two tensors.
            return ResidualAdd(rates[layer.name], branches[layer.name], name=layer.name)(keras.tree.flatten(args))

        return clone(model, call)


def residual_branches(model: Any) -> dict[str, int]:
    """Return which input of each residual addition of a functional ``model`` is the branch, by the addition's name.

    A shortcut that changes nothing is what the branch stands on; one that adapts the shape has fewer layers than the
    branch. Sums of equals, as in a network with parallel paths, are no residual additions.
    """
    from automl_img_regularizers._graph import ancestors, parents

    graph = parents(model)
    branches: dict[str, int] = {}
    for operation in model.operations:
        calls = graph[operation.name]
        if type(operation).__name__ != "Add" or len(calls) != 1 or len(calls[0]) != 2:
            continue
        first, second = (ancestors(graph, name) for name in calls[0])
        only_first, only_second = len(first - second), len(second - first)
        shapes = {tuple(tensor.shape) for tensor in _inputs(operation)}
        if only_first != only_second and first & second and len(shapes) == 1:
            branches[operation.name] = 0 if only_first > only_second else 1
    return branches


def _inputs(operation: Any) -> list[Any]:
    import keras

    return keras.tree.flatten(operation.input)


@hookimpl
def register_regularizers(register: Callable[[Regularizer], None]) -> None:
    """Register the regularizer of this module."""
    register(StochasticDepth())
