"""Estimates what architectures cost before any of them trains, and finds the member of each family that fits the budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from automl_img.errors import AutoMLImageError, named_reason_of, reason_of
from automl_img.plugin import PluginRegistry
from automl_img.training.cost import Estimate, count_cost, too_large
from automl_img.training.hardware import Hardware
from automl_img.training.network import NetworkPlan, build_network
from automl_img.training.trial import TrialData

MOST_ABOVE = 1.75  # times the wanted time of a step that a chosen member may take; many lie three times apart
LONGEST_REASON = 1000  # characters; it may say which file to put where


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
    """Choose for each architecture the member whose training step on one image takes ``seconds_per_image`` most nearly, by ratio.

    Members may be far apart, and one of half of the wanted time is worse than one of 1.3 times; one of more than 1.75 times is not
    chosen. The smallest is chosen where none is fast enough. Members are built, not compiled, from the smallest on.

    Pretrained weights are loaded here already, outside the time of any trial: a download may take longer than a trial has. An architecture
    that cannot have them is one that cannot be built.

    Args:
        candidates: Names of architectures with the full hyperparameter values of their members, smallest first.
        data: The data of the search.
        registry: The plugins.
        hardware: The machine that they are sized for.
        precision: Keras dtype policy.
        seconds_per_image: Wanted time of a training step, divided by the batch size.
        weights: "none" or pretrained weights.
        parameter_limit: The most weights that a member may have, or None.
    """
    keras.mixed_precision.set_global_policy(precision)
    for architecture, members in candidates:
        yield _nearest_that_fits(
            architecture,
            members,
            data,
            registry,
            hardware,
            precision,
            seconds_per_image,
            weights,
            parameter_limit,
        )
        keras.backend.clear_session()


def _nearest_that_fits(
    architecture: str,
    members: Sequence[Mapping[str, Any]],
    data: TrialData,
    registry: PluginRegistry,
    hardware: Hardware,
    precision: str,
    seconds_per_image: float,
    weights: str,
    parameter_limit: int | None,
) -> Estimate:
    chosen: Estimate | None = None
    below = 0.0
    pretrained = weights != "none"
    for position, values in enumerate(members):
        plan = NetworkPlan(values, data.store.traits, data.mean, data.std, pretrained)
        try:
            model = _built(plan, registry, weights)
            cost = count_cost(model, hardware, precision)
        except Exception as error:
            if chosen is None:
                return Estimate(architecture, -1, len(members), values, None, _problem_of(error))
            return chosen
        if problem := too_large(cost, parameter_limit):
            return chosen or Estimate(architecture, -1, len(members), values, None, problem)
        found = Estimate(architecture, position, len(members), values, cost)
        if cost.seconds > seconds_per_image:
            return found if chosen is None or _is_nearer(cost.seconds, below, seconds_per_image) else chosen
        chosen, below = found, cost.seconds
    assert chosen is not None
    return chosen


def _built(plan: NetworkPlan, registry: PluginRegistry, weights: str) -> Any:
    """Return the network with its pretrained weights, if it has some.

    Where memory or disk are too small for these now, it is the network alone: a trial meets that again, and is tried again.
    """
    if plan.pretrained:
        try:
            return build_network(plan, registry, weights=weights).model
        except AutoMLImageError:  # they cannot be had, or are another network's
            raise
        except Exception:
            keras.backend.clear_session()
    return build_network(plan, registry).model


def _problem_of(error: Exception) -> str:
    if isinstance(error, AutoMLImageError):  # a message to a person
        return reason_of(error, LONGEST_REASON)
    return named_reason_of(error)


def _is_nearer(above: float, below: float, wanted: float) -> bool:
    return above <= MOST_ABOVE * wanted and above / wanted < wanted / below
