"""Each image is of one class, and the classes stand in a tree."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.tasks.base import Labels
from automl_img.tasks.multiclass import Multiclass

SEPARATOR = "/"
FOCAL_ALPHA = 0.25  # as Keras has it for the other tasks, beside a gamma of 2


class Hierarchical(Multiclass):
    """Each image is of one class, whose name is its path in a tree: "clothing/shoes/boot".

    The network answers with one softmax over the classes; the probability of an inner node is the sum of those below it, so that
    what is said of a class and of its ancestors always agrees. A class may be an inner node itself: "clothing/shoes" beside
    "clothing/shoes/boot" means shoes of no named kind. The loss is averaged over the levels, so that a mistake within the parent
    costs less than one across it (cf. Bertinetto et al., "Making Better Mistakes", 2020).
    """

    kind = "hierarchical"

    @cached_property
    def levels(self) -> tuple[tuple[str, ...], ...]:
        """The names of the nodes of each level, the top first; a class that ends above a level stands in it by itself."""
        deepest = max(name.count(SEPARATOR) for name in self.class_names) + 1
        return tuple(
            tuple(dict.fromkeys(ancestor(name, level) for name in self.class_names)) for level in range(1, deepest + 1)
        )

    def at_level(self, level: int) -> npt.NDArray[np.int64]:
        """Return for each class the place of its ancestor in ``levels[level]``; shape (classes,)."""
        places = {name: place for place, name in enumerate(self.levels[level])}
        return np.array([places[ancestor(name, level + 1)] for name in self.class_names], np.int64)

    @cached_property
    def lineage(self) -> npt.NDArray[np.int32]:
        """The place of each class's ancestors and of itself among all nodes, the topmost first, then −1; shape (classes, levels).

        Two classes share those ancestors that stand in the same column of both.
        """
        paths = [_path(name) for name in self.class_names]
        nodes = {node: place for place, node in enumerate(dict.fromkeys(node for path in paths for node in path))}
        lineage = np.full((len(paths), max(map(len, paths))), -1, np.int32)
        for row, path in enumerate(paths):
            lineage[row, : len(path)] = [nodes[node] for node in path]
        return lineage

    def loss(self, name: str) -> Callable[[Any, Any], Any]:
        """Return the mean of the loss over the levels of the tree that tell anything apart.

        It is computed from logarithms in float32, so that an image is learned from however improbable its class is; a loss below 1e-7 is
        lost in rounding. A level takes as much memory as the logits do, not that of classes times nodes.
        """
        from keras import ops

        of_nodes = {"focal": _focal, "mean_squared_error": _squared_error}.get(name, _cross_entropy)
        levels = [(self.at_level(level), len(nodes)) for level, nodes in enumerate(self.levels) if len(nodes) > 1]

        def over_levels(targets: Any, logits: Any) -> Any:
            # The classes stand first, as segments are summed along the first axis.
            shares = ops.transpose(ops.cast(targets, "float32"))
            logs = ops.transpose(ops.log_softmax(ops.cast(logits, "float32")))
            parts = [
                of_nodes(ops.segment_sum(shares, places, nodes), _log_sums(logs, places, nodes))
                for places, nodes in levels
            ]
            return sum(parts[1:], parts[0]) / len(parts)

        return over_levels

    def f1(self, labels: Labels, decided: Labels) -> float:
        """Return hierarchical F1."""
        return self.precision_recall_f1(labels, decided)[2]

    def precision_recall_f1(self, labels: Labels, predicted: Labels) -> tuple[float, float, float]:
        """Return hierarchical precision, recall and F1.

        Each class counts with its ancestors: precision is the share of predicted nodes that are right, recall the share of true
        nodes that were found, over all images (Kiritchenko et al., "Learning and Evaluation in the Presence of Class Hierarchies",
        2006).
        """
        true, found = self.lineage[labels], self.lineage[predicted]
        right = int(((true == found) & (true >= 0)).sum())
        precision, recall = right / max(1, int((found >= 0).sum())), right / max(1, int((true >= 0).sum()))
        return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0


def ancestor(name: str, level: int) -> str:
    """Return the first ``level`` parts of a class's path."""
    return SEPARATOR.join(name.split(SEPARATOR)[:level])


def looks_hierarchical(names: tuple[str, ...]) -> bool:
    """Whether class names look like paths in one tree: most have a parent, parts are not empty, and some share a parent."""
    paths = [name for name in names if SEPARATOR in name]
    tops = {ancestor(name, 1) for name in paths}
    return (
        2 * len(paths) >= len(names)
        and len(tops) < len(paths)
        and all(part.strip() for name in paths for part in name.split(SEPARATOR))
    )


def _path(name: str) -> list[str]:
    return [ancestor(name, level) for level in range(1, name.count(SEPARATOR) + 2)]


def _log_sums(logs: Any, places: npt.NDArray[np.int64], nodes: int) -> Any:
    """Return the logarithms of the probabilities of nodes.

    Args:
        logs: Logarithms of the probabilities of classes, shape (classes, batch).
        places: The node of each class, shape (classes,).
        nodes: How many there are; each has a class.

    Returns:
        Shape (nodes, batch).
    """
    from keras import ops

    # Of each node the largest is taken out, so that no exponential vanishes beside that of another node.
    largest = ops.stop_gradient(ops.segment_max(logs, places, nodes))
    sums = ops.segment_sum(ops.exp(logs - ops.take(largest, places, axis=0)), places, nodes)
    return largest + ops.log(sums)


def _cross_entropy(targets: Any, logs: Any) -> Any:
    """Return the loss of each image, shape (batch,), from targets and logarithms of probabilities, both of shape (nodes, batch)."""
    from keras import ops

    return -ops.sum(targets * logs, axis=0)


def _focal(targets: Any, logs: Any) -> Any:
    """As :func:`_cross_entropy`, with the weights that Keras gives it in its categorical_focal_crossentropy."""
    from keras import ops

    return -FOCAL_ALPHA * ops.sum(ops.square(1.0 - ops.exp(logs)) * targets * logs, axis=0)


def _squared_error(targets: Any, logs: Any) -> Any:
    """As :func:`_cross_entropy`, of probabilities."""
    from keras import ops

    return ops.sum(ops.square(ops.exp(logs) - targets), axis=0)
