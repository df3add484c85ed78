"""Estimates what architectures cost before any of them trains, and finds the member of each family that fits the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from automl_img.errors import named_reason_of
from automl_img.plugin import PluginRegistry
from automl_img.training.cost import Estimate, count_cost, too_large
from automl_img.training.hardware import Hardware
from automl_img.training.network import NetworkPlan, build_network
from automl_img.training.trial import TrialData


def estimate_architectures(
    candidates: Sequence[tuple[str, Sequence[Mapping[str, Any]]]],
    data: TrialData,
    registry: PluginRegistry,
    *,
    hardware: Hardware,
    precision: str,
    seconds_per_image: float,
    weights: str = "none",
    parameter_limit: int | None = None,
) -> Iterator[Estimate]:
    """Choose for each architecture the largest member whose training step on one image takes at most ``seconds_per_image``.

    The smallest member is chosen where none is that fast. Members are built, not compiled, from the smallest on.

    Args:
        candidates: Names of architectures with the full hyperparameter values of their members, smallest first.
        data: The data of the search.
        registry: The plugins.
        hardware: The machine that they are sized for.
        precision: Keras dtype policy.
        seconds_per_image: Longest wanted time of a training step, divided by the batch size.
        weights: "none" or pretrained weights.
        parameter_limit: The most weights that a member may have, or None.
    """
    keras.mixed_precision.set_global_policy(precision)
    for architecture, members in candidates:
        yield _largest_that_fits(
            architecture,
            members,
            data,
            registry,
            hardware,
            precision,
            seconds_per_image,
            weights != "none",
            parameter_limit,
        )
        keras.backend.clear_session()


def _largest_that_fits(
    architecture: str,
    members: Sequence[Mapping[str, Any]],
    data: TrialData,
    registry: PluginRegistry,
    hardware: Hardware,
    precision: str,
    seconds_per_image: float,
    pretrained: bool,
    parameter_limit: int | None,
) -> Estimate:
    chosen: Estimate | None = None
    for position, values in enumerate(members):
        plan = NetworkPlan(values, data.store.traits, data.mean, data.std, pretrained)
        try:
            model = build_network(plan, registry).model
            cost = count_cost(model, hardware, precision)
        except Exception as error:
            if chosen is None:
                return Estimate(architecture, -1, len(members), values, None, named_reason_of(error))
            return chosen
        if problem := too_large(cost, parameter_limit):
            return chosen or Estimate(architecture, -1, len(members), values, None, problem)
        if chosen is not None and cost.seconds > seconds_per_image:
            return chosen
        chosen = Estimate(architecture, position, len(members), values, cost)
    assert chosen is not None
    return chosen
