"""A Ray cluster as a site for trials: connecting, what its nodes have, and whether they can meet what a trial asks for.

Ray is an extra; it is imported in the functions that need it.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from automl_img.errors import SearchError, named_reason_of, reason_of
from automl_img.recipe import ComputeSettings, counted
from automl_img.training.spec import TrialSpec

GIB = 2**30
LOOK_SECONDS = 2.0  # between two looks at which nodes there are
INSTALL = "Install it with `pip install 'automl-img[ray]'`, on all nodes of the cluster."
CONNECT_SECONDS = 10.0  # after which an address that does not answer is not waited for; Ray itself would take minutes
UNIMPORTABLE = "The remote function failed to import"  # how Ray begins to say so; the last line of its text says why


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
        parts = [counted(self.cpus, "core")]
        parts += [counted(self.gpus, "GPU")] if self.gpus else []
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
        with _own_sigterm():
            if address == "local":
                ray.init(address="local", include_dashboard=False, **quiet)
            else:
                _knock(address)
                ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise SearchError(
            f"no Ray cluster answers: {reason_of(error, 200)}",
            where="compute.address",
            found=address,
            hint="`ray start --head` begins one; this process must run on one of its nodes.",
        ) from error
    return True


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Keep what a SIGTERM does to this process: Ray's own handler would end it at once."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _silence(ray: Any) -> None:
    """Ray prints what happens to its nodes to standard output, between the search's own lines, and has no switch for it."""
    if hasattr(ray._private.worker, "print_to_stdstream"):
        ray._private.worker.print_to_stdstream = lambda *data, **options: None


def _knock(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def reason_of_task(error: Any) -> str:
    """Return why a task ended with a RayTaskError, on one line."""
    text = str(error.cause).strip()
    return text.splitlines()[-1] if text.startswith(UNIMPORTABLE) else named_reason_of(error.cause)


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


class Room:
    """How many trials a cluster has room for, by the nodes that are there now.

    Args:
        compute: What each trial asks for.
        memory: Bytes of main memory that each trial may take; None: it does not say.

    Attributes:
        asked: What each trial asks for.

    Raises:
        SearchError: None of the nodes can run a trial.
    """

    def __init__(self, compute: ComputeSettings, memory: int | None) -> None:
        self._wanted = compute.slots
        self._looked, self._nodes = time.monotonic(), nodes()
        gpus = compute.devices_per_trial / compute.trials_per_device if any(node.gpus for node in self._nodes) else 0.0
        self.asked = Request(float(compute.cpus_per_trial), gpus, memory or 0)
        refuse_unless_met(self.asked, self._nodes)

    def slots(self) -> int:
        """How many trials run at once; never more than the recipe says."""
        self._look(LOOK_SECONDS)
        room = sum(node.room(self.asked) for node in self._nodes)
        return room if self._wanted == "auto" else min(room, self._wanted)

    def request_of(self, spec: TrialSpec) -> Request:
        """What a trial asks for now; one that runs alone gets all cores of the largest node."""
        self._look()
        cpus = self.largest() if spec.threads == 0 else self.asked.cpus
        return Request(cpus, self.asked.gpus, self.asked.memory)

    def has_shrunk(self, request: Request, spec: TrialSpec) -> bool:
        """Whether no node has any more what a trial asked for, while one has what it would ask for now.

        Where no node has that either, it waits for one that joins.
        """
        self._look(LOOK_SECONDS)
        return not self._is_met(request) and self._is_met(self.request_of(spec))

    def largest(self) -> float:
        """Cores of the largest node that can run a trial."""
        return max((node.cpus for node in self._nodes if node.room(self.asked)), default=self.asked.cpus)

    def devices(self, *, gpus: bool) -> float:
        """GPUs, or cores, of all nodes."""
        return sum(node.gpus if gpus else node.cpus for node in self._nodes)

    def _is_met(self, request: Request) -> bool:
        return any(node.room(request) for node in self._nodes)

    def _look(self, pause: float = 0.0) -> None:
        """See which nodes there are, unless the last look is no longer ago than ``pause`` seconds."""
        if time.monotonic() - self._looked >= pause:
            self._looked, self._nodes = time.monotonic(), nodes()
