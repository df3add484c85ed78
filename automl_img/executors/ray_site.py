"""A Ray cluster as a place where trials run."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from automl_img.errors import AutoMLImageWarning, SearchError, reason_of
from automl_img.executors.ray_cluster import INSTALL, Request, Room, connect, reason_of_task
from automl_img.executors.ray_executor import RayExecutor
from automl_img.executors.site import Capacity
from automl_img.executors.tasks import Place
from automl_img.recipe import ComputeSettings
from automl_img.training.hardware import TRIALS_SHARE, Hardware

ROOM_SECONDS = 300.0  # that a search waits for room before it begins: others may have taken it, and a new machine takes minutes to start
SILENT_SECONDS = 10.0  # of those, after which it says so
WAIT_SECONDS = 0.5  # between two looks at whether it is asked to end meanwhile


class RaySite:
    """The nodes of a Ray cluster: those that are there, those that join later too.

    Args:
        compute: Where the cluster is, and what each trial asks for.
        memory: Bytes of main memory that each trial may take; None: its share of the node's.
        seconds: How long it may wait for room, five minutes at most.
        stop_asked: Whether to wait for room no longer.

    Raises:
        SearchError: There is no such cluster, none of its nodes can run a trial, or none has room for one.
    """

    def __init__(
        self,
        compute: ComputeSettings,
        memory: int | None,
        seconds: float = math.inf,
        stop_asked: Callable[[], bool] = lambda: False,
    ) -> None:
        self._compute = compute
        self._own = connect(compute.address)
        try:
            self._room = Room(compute, memory)
            self._capacity = self._measured(_look(self._room.asked, min(ROOM_SECONDS, seconds), stop_asked))
        except BaseException:
            self.close()
            raise

    def _measured(self, hardware: Hardware) -> Capacity:
        asked, gpus = self._room.asked, bool(hardware.gpus)
        whole = None if gpus else int(TRIALS_SHARE * hardware.memory)
        beside = max(1.0, hardware.cores / asked.cpus)
        return Capacity(
            hardware=hardware,
            slots=max(1, self._room.slots()),
            memory=asked.memory or (int(whole / beside) if whole else None),
            memory_alone=asked.memory or whole,
            devices=self._room.devices(gpus=gpus),
            devices_each=asked.gpus if gpus else asked.cpus,
            devices_alone=asked.gpus if gpus else self._room.largest(),
        )

    @property
    def capacity(self) -> Capacity:
        """What trials find on the node on which the first one would have run."""
        return self._capacity

    def open(self, place: Place, trials: Path) -> RayExecutor:
        """Begin to take trials."""
        return RayExecutor(self._room, place, trials, self._compute.trials_per_device)

    def close(self) -> None:
        """Leave the cluster, if this site joined it."""
        if self._own:
            import ray

            ray.shutdown()
            self._own = False


def _look(request: Request, most: float, stop_asked: Callable[[], bool]) -> Hardware:
    """Return what a trial finds on the node on which it would run now, when there is room for one.

    Raises:
        SearchError: There is none, automl-img does not run there, or the search is asked to end meanwhile.
    """
    import ray

    from automl_img.executors.ray_node import look_around

    reference = ray.remote(look_around).options(num_cpus=request.cpus, num_gpus=request.gpus).remote()
    begun, told = time.monotonic(), False
    try:
        while not ray.wait([reference], timeout=WAIT_SECONDS)[0]:
            waited = time.monotonic() - begun
            if waited > SILENT_SECONDS and not told:
                problem = f"the cluster gives no room yet to a trial, which asks for {request}; the search waits for it"
                warnings.warn(problem, AutoMLImageWarning, stacklevel=2)
                told = True
            if stop_asked() or waited > most:
                ray.cancel(reference, force=True)
                raise _no_room(request, most, asked=stop_asked())
        found: Hardware = ray.get(reference)
    except ray.exceptions.RayError as error:
        reason = reason_of_task(error) if isinstance(error, ray.exceptions.RayTaskError) else reason_of(error, 200)
        problem = f"automl-img does not run on a node of the cluster: {reason}"
        raise SearchError(problem, where="compute", hint=INSTALL) from error
    return found


def _no_room(request: Request, seconds: float, *, asked: bool) -> SearchError:
    if asked:
        return SearchError("the search was asked to end while it waited for room in the cluster", where="compute")
    return SearchError(
        f"the cluster has had no room in {max(0.0, seconds):.0f} s for a trial, which asks for {request}",
        where="compute",
        hint="`ray status` shows what is free. Search when there is room, or ask for less with compute.cpus_per_trial or "
        "compute.devices_per_trial.",
    )
