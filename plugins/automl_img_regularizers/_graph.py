"""The graph of a functional network: which layer stands on which, read from the network's configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

#: parents[name] holds one list for each call of the layer: the names of the layers whose outputs it was given, in
#: their order.
Parents = Mapping[str, list[list[str]]]


def parents(model: Any) -> Parents:
    """Return what each layer and operation of a functional ``model`` stands on, from the input to the output."""
    return {
        layer["name"]: [_sources(node) for node in layer["inbound_nodes"]] for layer in model.get_config()["layers"]
    }


def _sources(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        if node.get("class_name") == "__keras_tensor__":
            return [node["config"]["keras_history"][0]]
        return [name for value in node.values() for name in _sources(value)]
    if isinstance(node, list | tuple):
        return [name for value in node for name in _sources(value)]
    return []


def ancestors(graph: Parents, name: str) -> set[str]:
    """Return the names of all layers that the layer ``name`` stands on, itself included."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        layer = waiting.pop()
        if layer not in found:
            found.add(layer)
            waiting.extend(parent for call in graph[layer] for parent in call)
    return found


def trunk(graph: Parents) -> set[str]:
    """Return the layers that all others stand on or lead to: nothing goes past them."""
    above = {name: ancestors(graph, name) for name in graph}
    below = dict.fromkeys(graph, 0)
    for found in above.values():
        for name in found:
            below[name] += 1
    return {name for name in graph if len(above[name]) + below[name] == len(graph) + 1}


def clone(model: Any, call: Callable[..., Any]) -> Any:
    """Return a clone of a functional ``model`` with its weights.

    Args:
        model: A functional keras.Model.
        call: What keras.models.clone_model takes as ``call_function``: called with a cloned layer and its arguments,
            returns outputs.
    """
    import keras

    copy = keras.models.clone_model(model, call_function=call)
    # By name: an added layer may change the order of layers that stand side by side, and with it that of get_weights().
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy
