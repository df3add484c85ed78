"""Chooses where trials run."""

from __future__ import annotations

from automl_img.executors.local import LocalSite
from automl_img.executors.site import Site
from automl_img.recipe import ComputeSettings


def site_of(compute: ComputeSettings, memory: int | None) -> Site:
    """Return where the recipe wants trials to run.

    Args:
        compute: The recipe's ``[compute]``.
        memory: Bytes of main memory that each trial may take; None: its share.

    Raises:
        SearchError: The cluster does not answer, or none of its nodes can run a trial.
    """
    if compute.executor == "local":
        return LocalSite(compute, memory)
    from automl_img.executors.ray_site import RaySite  # Ray is an extra

    return RaySite(compute, memory)
