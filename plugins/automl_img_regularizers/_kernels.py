"""Finds the kernels of a network: the weights of convolutions and dense layers, no biases or normalisation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: The attribute that holds a kernel → the attribute and configuration key of its regularizer.
_KERNELS = {
    "kernel": "kernel_regularizer",
    "depthwise_kernel": "depthwise_regularizer",
    "pointwise_kernel": "pointwise_regularizer",
}


def penalise(model: Any, penalty: Any) -> Any:
    """Add a penalty to the kernels of ``model`` and return it.

    It is set on the variable, where the training reads it, and on the layer, whose configuration carries it into a
    clone.

    Args:
        model: A functional keras.Model.
        penalty: A keras.regularizers.Regularizer; added to one that the layer has already.
    """
    for layer, kernel, attribute in _named_kernels(model):
        whole = combined(getattr(layer, attribute), penalty)
        setattr(layer, attribute, whole)
        kernel.regularizer = whole
    return model


def combined(present: Any, added: Any) -> Any:
    """Return one regularizer that does what ``present`` (L1, L2, L1L2 or None) and ``added`` do together."""
    import keras

    if present is None:
        return added
    if not isinstance(present, keras.regularizers.L1 | keras.regularizers.L2 | keras.regularizers.L1L2):
        return present  # One that we do not know, such as an orthogonal one, is the architecture's own affair.

    def amount(kind: str) -> float:
        return float(getattr(present, kind, 0.0)) + float(getattr(added, kind, 0.0))

    return keras.regularizers.L1L2(l1=amount("l1"), l2=amount("l2"))


def kernels(model: Any, *, depthwise: bool = True) -> list[Any]:
    """Return the kernel variables of ``model``, each once.

    Args:
        model: A keras.Model; models inside it are searched too.
        depthwise: Whether those with one filter for each channel are wanted.
    """
    import keras

    found = {}
    for _layer, kernel, attribute in _named_kernels(model):
        one_per_channel = attribute == "depthwise_regularizer"
        if isinstance(kernel, keras.Variable) and (depthwise or not one_per_channel):
            found[id(kernel)] = kernel
    return list(found.values())


def _named_kernels(model: Any) -> Iterator[tuple[Any, Any, str]]:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _named_kernels(layer)
            continue
        for name, attribute in _KERNELS.items():
            kernel = getattr(layer, name, None)
            if kernel is None:
                continue
            # DepthwiseConv2D calls its kernel "kernel" and its regularizer "depthwise_regularizer".
            if not hasattr(layer, attribute):
                attribute = "depthwise_regularizer"
            if hasattr(layer, attribute):
                yield layer, kernel, attribute
