"""Runs trials on the nodes of a Ray cluster."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from automl_img.errors import SearchError, reason_of
from automl_img.executors.base import Done, Failed, Message
from automl_img.executors.local import DEADLINE_GRACE, attempt_folder, message_of
from automl_img.executors.process import TaskDone, TaskFailed, kind_of
from automl_img.executors.ray_cluster import Request, Room, reason_of_task
from automl_img.executors.ray_node import DRIVER_FILE, Files, Order, Parcel, Post, supervise
from automl_img.executors.tasks import Place
from automl_img.replacing import replacing
from automl_img.training.artifacts import CHECKPOINT_FILE, WEIGHTS_FILE
from automl_img.training.spec import FailureKind, TrialResult, TrialSpec

ROOM_SECONDS = (
    120.0  # that a trial with a deadline may wait for room beyond it: other users of the cluster may have taken it
)
LISTENERS = 10_000  # supervisors that may listen to the driver at once


@dataclass
class Running:
    """An attempt that was sent to the cluster.

    Attributes:
        spec: What it trains.
        request: What it asked for.
        parcels: What it sends, a Ray generator.
        given_up: ``time.monotonic()`` after which nobody waits for it; None: no limit.
        begun: Whether it has been heard of.
    """

    spec: TrialSpec
    request: Request
    parcels: Any
    given_up: float | None
    begun: bool = False


class RayExecutor:
    """Runs as many trials at once as the cluster's nodes have room for; nodes that join are used, and trials of one that dies are lost.

    Args:
        room: How many trials the cluster has room for.
        place: Where the driver finds the data.
        trials: Where each attempt gets its own folder, ``<trial>/<attempt>``.
        sharing: Trials that share a GPU.
    """

    def __init__(self, room: Room, place: Place, trials: Path, sharing: int) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # The nodes' processes run in other folders than this one.
        place = replace(place, store=str(Path(place.store).absolute()), splits=str(Path(place.splits).absolute()))
        self._room, self._place, self._trials, self._sharing = room, place, trials.absolute(), sharing
        self._running: dict[int, Running] = {}
        self._taken_back: list[Message] = []
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        options = {"num_cpus": 0, "max_concurrency": LISTENERS, "scheduling_strategy": here}
        self._post = ray.remote(Post).options(**options).remote(place.store, place.splits)
        self._task = ray.remote(num_returns="streaming", max_retries=0)(supervise)
        self._name = uuid.uuid4().hex
        (self._trials / f"{DRIVER_FILE}{self._name}").touch()

    def slots(self) -> int:
        """How many trials run at once, by the nodes that there are now."""
        return self._room.slots()

    def submit(self, spec: TrialSpec) -> None:
        """Send a trial to a node. Its deadline runs from when it begins there."""
        request = self._room.request_of(spec)
        attempt_folder(self._trials, spec).mkdir(parents=True, exist_ok=True)
        deadline = None if spec.deadline is None else spec.deadline + DEADLINE_GRACE
        order = Order(
            spec=spec,
            place=self._place,
            trials=str(self._trials),
            driver=self._name,
            deadline=deadline,
            version=importlib.metadata.version("automl-img"),
            paths=tuple(path for path in sys.path if path),
            sharing=self._sharing,
            earlier=self._earlier(spec),
        )
        parcels = self._task.options(
            num_cpus=request.cpus, num_gpus=request.gpus, memory=request.memory or None, name=f"trial {order.key}"
        ).remote(order, self._post)
        given_up = None if deadline is None else time.monotonic() + deadline + ROOM_SECONDS
        self._running[spec.trial] = Running(spec, request, parcels, given_up)

    def _earlier(self, spec: TrialSpec) -> list[Any]:
        """The checkpoints that a trial may go on from, for a node that does not see the run folder."""
        import ray

        names = [f"{attempt}/{CHECKPOINT_FILE}" for attempt in spec.earlier_attempts]
        found = {name: (self._trials / name).read_bytes() for name in names if (self._trials / name).is_file()}
        return [ray.put(found)] if found else []

    def poll(self, timeout: float) -> Sequence[Message]:
        """Return what has happened, waiting up to ``timeout`` seconds for something to happen.

        Raises:
            SearchError: The cluster has gone.
        """
        import ray

        messages, self._taken_back = self._taken_back, []
        while self._running:
            generators = {running.parcels: trial for trial, running in self._running.items()}
            try:
                ready, _ = ray.wait(list(generators), num_returns=1, timeout=0.0 if messages else timeout)
            except ray.exceptions.RaySystemError as error:
                raise _gone(error) from error
            if not ready:
                break
            messages += self._hear(generators[ready[0]])
        return [*messages, *self._overdue(), *self._outgrown()]

    def _hear(self, trial: int) -> Iterator[Message]:
        """Take one parcel of an attempt that has sent one, or has ended."""
        running = self._running[trial]
        parcel = _parcel(running.parcels)
        running.begun = True
        news = parcel.news
        try:
            _keep(parcel.files, self._trials)
        except OSError as error:
            if isinstance(news, TrialResult):  # the disk is full, perhaps: training goes on, and sends them at its end
                return
            if isinstance(news, TaskDone):
                news = TaskFailed(kind_of(error), f"what its node sent back cannot be written: {reason_of(error)}")
        message = message_of(trial, news)
        if isinstance(message, Done | Failed):
            del self._running[trial]
        yield message

    def _overdue(self) -> Iterator[Message]:
        for trial, running in list(self._running.items()):
            if running.given_up is not None and time.monotonic() > running.given_up:
                self.cancel(trial)
                text = "it did not end in its time: its node does not answer, or the cluster had no room for it"
                yield Failed(trial, FailureKind.TIMEOUT, text)

    def _outgrown(self) -> Iterator[Message]:
        """Let go of attempts that wait for a node with as much as one had that has gone, while another node would do."""
        for trial, running in list(self._running.items()):
            if not running.begun and self._room.has_shrunk(running.request, running.spec):
                self.cancel(trial)
                text = f"the node has gone whose room it waited for: no other one has {running.request}"
                yield Failed(trial, FailureKind.NODE_LOST, text)

    def stop(self, trial: int) -> None:
        """Ask a trial to end in good order, with the best it has; one that still waits for room is taken back."""
        running = self._running.get(trial)
        if running is None:
            return
        if running.begun:
            self._post.tell.remote(f"{trial}/{running.spec.attempt}", "stop")
        else:
            self.cancel(trial)
            self._taken_back.append(Failed(trial, FailureKind.NODE_LOST, "it had not begun"))

    def cancel(self, trial: int) -> None:
        """End a trial at once; nothing more is heard of it."""
        import ray

        running = self._running.pop(trial, None)
        if running is not None:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(running.parcels, force=True)

    def close(self) -> None:
        """End everything."""
        import ray

        for trial in list(self._running):
            self.cancel(trial)
        (self._trials / f"{DRIVER_FILE}{self._name}").unlink(missing_ok=True)
        with contextlib.suppress(ray.exceptions.RayError):
            ray.kill(self._post)


def _parcel(parcels: Any) -> Parcel:
    """Return the next parcel of an attempt; one that was lost with its worker or node is a failure."""
    import ray

    errors = ray.exceptions
    try:
        parcel: Parcel = ray.get(next(parcels))
        return parcel
    except StopIteration:
        return Parcel(TaskFailed(FailureKind.NODE_LOST, "its supervisor ended without a word"))
    except errors.RayTaskError as error:
        return Parcel(TaskFailed(FailureKind.RAISED, reason_of_task(error), str(error)))
    except errors.OutOfMemoryError:
        text = "Ray ended its worker because the node ran out of memory"
        return Parcel(TaskFailed(FailureKind.OUT_OF_MEMORY, text))
    except errors.RayError as error:
        return Parcel(TaskFailed(FailureKind.NODE_LOST, f"its node or worker was lost ({type(error).__name__})"))


def _keep(files: Files, trials: Path) -> None:
    """Write an attempt's files into its folder; each is there as a whole or not at all.

    The weights come last: where one cannot be written, they stay those that the journal knows.
    """
    for name, content in sorted(files.items(), key=lambda file: file[0].endswith(WEIGHTS_FILE)):
        with replacing(trials / name) as temporary:
            temporary.write_bytes(content)


def _gone(error: Exception) -> SearchError:
    return SearchError(
        f"the Ray cluster does not answer any more: {reason_of(error, 200)}",
        where="compute.address",
        hint="What was learned is safe: `automl-img search --resume RUN` goes on, there or with compute.executor=local.",
    )
