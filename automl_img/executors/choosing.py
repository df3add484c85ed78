"""Chooses where trials run."""

from __future__ import annotations

import math
from collections.abc import Callable

from automl_img.executors.local import LocalSite
from automl_img.executors.site import Site
from automl_img.recipe import ComputeSettings


def site_of(
    compute: ComputeSettings,
    memory: int | None,
    seconds: float = math.inf,
    stop_asked: Callable[[], bool] = lambda: False,
) -> Site:
    """Return where the recipe wants trials to run.

    Args:
        compute: The recipe's ``[compute]``.
        memory: Bytes of main memory that each trial may take; None: its share.
        seconds: How long it may wait for room in a cluster.
        stop_asked: Whether to wait for room in a cluster no longer.

    Raises:
        SearchError: The cluster does not answer, none of its nodes can run a trial, or none has room for one.
    """
    if compute.executor == "local":
        return LocalSite(compute, memory)
    from automl_img.executors.ray_site import RaySite  # Ray is an extra

    return RaySite(compute, memory, seconds, stop_asked)
