"""A Ray cluster as a site for trials: connecting, what its nodes have, and whether they can meet what a trial asks for.

Ray is an extra; it is imported in the functions that need it.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl_img.errors import SearchError
from automl_img.executors.site import Capacity
from automl_img.executors.tasks import Place
from automl_img.recipe import ComputeSettings
from automl_img.training.hardware import TRIALS_SHARE, Hardware
from automl_img.training.spec import TrialSpec

if TYPE_CHECKING:
    from automl_img.executors.ray_executor import RayExecutor

GIB = 2**30
LOOK_SECONDS = 2.0  # between two looks at which nodes there are
INSTALL = "Install it with `pip install 'automl-img[ray]'`, on all nodes of the cluster."
CONNECT_SECONDS = 10.0  # after which an address that does not answer is not waited for; Ray itself would take minutes


@dataclass(frozen=True)
class Request:
    """What one trial asks for.

    Attributes:
        cpus: Processor cores.
        gpus: GPUs; a fraction of one where trials share it.
        memory: Bytes of main memory; 0: it does not say.
    """

    cpus: float
    gpus: float = 0.0
    memory: int = 0

    def __str__(self) -> str:
        parts = [_counted(self.cpus, "core")]
        parts += [_counted(self.gpus, "GPU")] if self.gpus else []
        parts += [f"{self.memory / GIB:.1f} GiB"] if self.memory else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Node:
    """What one node has.

    Attributes:
        name: Its address.
        cpus, gpus: How many cores and GPUs.
        memory: Bytes of main memory that tasks may ask for.
    """

    name: str
    cpus: float
    gpus: float
    memory: int

    def room(self, request: Request) -> int:
        """How many such trials run at once on this node when nothing else does."""
        parts = [self.cpus / request.cpus]
        parts += [self.gpus / request.gpus] if request.gpus else []
        parts += [self.memory / request.memory] if request.memory else []
        return math.floor(min(parts) + 1e-9)

    def __str__(self) -> str:
        return f"{self.name} has {Request(self.cpus, self.gpus, self.memory)}"


def _counted(number: float, what: str) -> str:
    return f"{number:g} {what}" + ("" if number == 1 else "s")


def ray_module() -> Any:
    """Import Ray.

    Raises:
        SearchError: It is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning about its next version
    try:
        import ray
    except ImportError as error:
        raise SearchError("Ray is not installed", where="compute.executor", found="ray", hint=INSTALL) from error
    return ray


def connect(address: str) -> bool:
    """Connect this process to a cluster; returns whether it was not connected before.

    Args:
        address: "local": begin one on this machine; "auto": the one that this machine belongs to; or "host:port" of its head.

    Raises:
        SearchError: Ray is missing, or there is no such cluster.
    """
    ray = ray_module()
    if ray.is_initialized():
        return False
    _silence(ray)
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == "local":
            ray.init(address="local", include_dashboard=False, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise SearchError(
            f"no Ray cluster answers: {' '.join(str(error).split())[:200]}",
            where="compute.address",
            found=address,
            hint="`ray start --head` begins one; this process must run on one of its nodes.",
        ) from error
    return True


def _silence(ray: Any) -> None:
    """Ray prints what happens to its nodes to standard output, between the search's own lines, and has no switch for it."""
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *data, **options: None


def _knock(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def nodes() -> list[Node]:
    """The nodes that are alive."""
    import ray

    return [
        Node(
            str(node["NodeManagerAddress"]),
            node["Resources"].get("CPU", 0.0),
            node["Resources"].get("GPU", 0.0),
            int(node["Resources"].get("memory", 0)),
        )
        for node in ray.nodes()
        if node["Alive"]
    ]


def refuse_unless_met(request: Request, present: Sequence[Node]) -> None:
    """Refuse what no node can ever meet: Ray would wait for it without end.

    Raises:
        SearchError: No node has as much; the message says what each has.
    """
    if any(node.room(request) for node in present):
        return
    has = "; ".join(map(str, present)) or "it has no nodes"
    raise SearchError(
        f"no node of the cluster can run a trial, which asks for {request}: {has}",
        where="compute",
        hint="Ask for less with compute.cpus_per_trial, compute.devices_per_trial or search.limits.memory.",
    )


class RaySite:
    """The nodes of a Ray cluster: those that are there, those that join later too.

    Args:
        compute: Where the cluster is, and what each trial asks for.
        memory: Bytes of main memory that each trial may take; None: its share of the node's.

    Raises:
        SearchError: There is no such cluster, or none of its nodes can run a trial.
    """

    def __init__(self, compute: ComputeSettings, memory: int | None) -> None:
        self.compute = compute
        self._own = connect(compute.address)
        self._looked, self._nodes = time.monotonic(), nodes()
        gpus = compute.devices_per_trial / compute.trials_per_device if any(node.gpus for node in self._nodes) else 0.0
        self._request = Request(float(compute.cpus_per_trial), gpus, memory or 0)
        try:
            refuse_unless_met(self._request, self._nodes)
            self._capacity = self._measured(_look(self._request))
        except BaseException:
            self.close()
            raise

    def _measured(self, hardware: Hardware) -> Capacity:
        asked = self._request
        whole = None if hardware.gpus else int(TRIALS_SHARE * hardware.memory)
        beside = max(1.0, hardware.cores / asked.cpus)
        return Capacity(
            hardware=hardware,
            slots=max(1, self.slots()),
            memory=asked.memory or (int(whole / beside) if whole else None),
            memory_alone=asked.memory or whole,
            devices=sum(node.gpus if hardware.gpus else node.cpus for node in self._nodes),
            devices_each=asked.gpus if hardware.gpus else asked.cpus,
            devices_alone=asked.gpus if hardware.gpus else self._largest(),
        )

    @property
    def capacity(self) -> Capacity:
        """What trials find on the node on which the first one would have run."""
        return self._capacity

    def open(self, place: Place, trials: Path) -> RayExecutor:
        """Begin to take trials."""
        from automl_img.executors.ray_executor import RayExecutor

        return RayExecutor(self, place, trials)

    def slots(self) -> int:
        """How many trials run at once, by the nodes that there are now; never more than the recipe says."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked, self._nodes = time.monotonic(), nodes()
        room = sum(node.room(self._request) for node in self._nodes)
        wanted = self.compute.slots
        return room if wanted == "auto" else min(room, wanted)

    def request_of(self, spec: TrialSpec) -> Request:
        """What a trial asks for; one that runs alone gets all cores of the largest node."""
        cpus = self._largest() if spec.threads == 0 else self._request.cpus
        return Request(cpus, self._request.gpus, self._request.memory)

    def _largest(self) -> float:
        return max((node.cpus for node in self._nodes if node.room(self._request)), default=self._request.cpus)

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
