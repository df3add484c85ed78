"""A Ray cluster as a place where trials run."""

from __future__ import annotations

from pathlib import Path

from automl_img.executors.ray_cluster import Request, Room, connect
from automl_img.executors.ray_executor import RayExecutor
from automl_img.executors.site import Capacity
from automl_img.executors.tasks import Place
from automl_img.recipe import ComputeSettings
from automl_img.training.hardware import TRIALS_SHARE, Hardware


class RaySite:
    """The nodes of a Ray cluster: those that are there, those that join later too.

    Args:
        compute: Where the cluster is, and what each trial asks for.
        memory: Bytes of main memory that each trial may take; None: its share of the node's.

    Raises:
        SearchError: There is no such cluster, or none of its nodes can run a trial.
    """

    def __init__(self, compute: ComputeSettings, memory: int | None) -> None:
        self._compute = compute
        self._own = connect(compute.address)
        try:
            self._room = Room(compute, memory)
            self._capacity = self._measured(_look(self._room.asked))
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


def _look(request: Request) -> Hardware:
    """Return what a trial finds on the node on which it would run now."""
    import ray

    from automl_img.executors.ray_node import look_around

    found: Hardware = ray.get(ray.remote(look_around).options(num_cpus=request.cpus, num_gpus=request.gpus).remote())
    return found
