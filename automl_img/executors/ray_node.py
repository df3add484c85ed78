"""What runs on the nodes of a Ray cluster: a supervisor for each attempt, which lets a process of its own train.

The supervisor is a Ray task, so that Ray knows what the attempt takes; the training is a child of the node's own fork server, as on one
machine, so that it starts in a second, and that whatever it does is told apart in the same way. When the supervisor ends, whatever the
reason, its child ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from automl_img.cache import STORES, cache_folder, completed
from automl_img.errors import DataError
from automl_img.executors.canary import Canary
from automl_img.executors.devices import Devices, part_of
from automl_img.executors.process import ChildProcess, Link, TaskDone, TaskFailed, wait_for_news
from automl_img.executors.tasks import Place, TrainArgument, train
from automl_img.replacing import replacing
from automl_img.training.hardware import Hardware
from automl_img.training.spec import FailureKind, TrialResult, TrialSpec

PATIENCE = 30.0  # seconds between two looks at a child that says nothing: a quarter of what counts as a hang
DRIVER_FILE = (
    ".driver-"  # with the executor's name: in the run folder's trials while it runs, to be seen where storage is shared
)
SPLITS_FILE = "splits.npz"

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Order:
    """One attempt, as the driver sends it.

    Attributes:
        spec: What to train.
        place: Where the driver finds the data.
        trials: The run folder's trials, as the driver sees them.
        driver: Names the executor.
        deadline: Seconds after which the process is ended; None: no limit.
        version: Of automl-img, which must be the same everywhere.
        paths: Where the driver's Python looks for modules.
        sharing: Trials that share a GPU.
        earlier: Files below ``trials`` that the attempt goes on from, in a list of one Ray reference; empty: none.
    """

    spec: TrialSpec
    place: Place
    trials: str
    driver: str
    deadline: float | None
    version: str
    paths: tuple[str, ...]
    sharing: int = 1
    earlier: list[Any] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Names the attempt."""
        return f"{self.spec.trial}/{self.spec.attempt}"


@dataclass(frozen=True)
class Parcel:
    """What a supervisor sends: what its child said, and the attempt's files by name where the driver does not see them."""

    news: Any
    files: Files = field(default_factory=dict)


class Post:
    """An actor on the driver's node: passes the driver's words on to supervisors, and hands out the data where it is not seen.

    Args:
        store: Folder of the prepared images.
        splits: File of the splits' indices.
    """

    def __init__(self, store: str, splits: str) -> None:
        self._store, self._splits = Path(store), Path(splits)
        self._words: dict[str, asyncio.Future[str]] = {}
        self._packed: Any = None
        self._packing = asyncio.Lock()

    async def listen(self, key: str) -> str:
        """Return the driver's word for an attempt, when there is one."""
        return await self._words.setdefault(key, asyncio.get_running_loop().create_future())

    async def tell(self, key: str, word: str) -> None:
        """Pass a word on."""
        waiting = self._words.setdefault(key, asyncio.get_running_loop().create_future())
        if not waiting.done():
            waiting.set_result(word)

    async def forget(self, key: str) -> None:
        """An attempt has ended: whoever still listens hears nothing."""
        await self.tell(key, "")
        self._words.pop(key, None)

    async def data(self) -> Any:
        """Return a Ray reference to the prepared images and the splits, packed once for all nodes."""
        async with self._packing:
            if self._packed is None:
                self._packed = await asyncio.to_thread(self._pack)
        return [self._packed]

    def _pack(self) -> Any:
        import numpy as np
        import ray

        files = {path.name: np.fromfile(path, np.uint8) for path in self._store.iterdir() if path.is_file()}
        return ray.put({"store": files, "splits": self._splits.read_bytes()})


def supervise(order: Order, post: Any) -> Iterator[Parcel]:
    """Run one attempt, and yield what it says; the last is a TaskDone or a TaskFailed."""
    sys.path += [path for path in order.paths if path not in sys.path and Path(path).exists()]
    version = importlib.metadata.version("automl-img")
    if version != order.version:
        text = f"this node has automl-img {version}, the driver {order.version}: install the same on all nodes"
        yield Parcel(TaskFailed(FailureKind.RAISED, text))
        return
    shared = (Path(order.trials) / f"{DRIVER_FILE}{order.driver}").is_file()
    with contextlib.ExitStack() as stack:
        trials = Path(order.trials) if shared else Path(stack.enter_context(_scratch()))
        try:
            place = _place(order, post, trials.parent)
        except DataError as error:
            yield Parcel(TaskFailed(FailureKind.RAISED, str(error)))
            return
        if not shared:
            _write(trials, _fetched(order.earlier))
        yield from _watched(order, post, place, trials, shared=shared)


def _watched(order: Order, post: Any, place: Place, trials: Path, *, shared: bool) -> Iterator[Parcel]:
    folder = trials / order.key
    folder.mkdir(parents=True, exist_ok=True)
    _prepare_fork_server()
    argument = TrainArgument(order.spec, place, str(folder), time.monotonic(), _devices(order.sharing))
    child = ChildProcess(train_here, NodeArgument(argument, _visible_gpus()), folder / "log.txt", order.deadline)
    threading.Thread(target=_obey, args=(post, order.key, child), daemon=True).start()
    try:
        while True:
            wait_for_news([child], PATIENCE)
            for news in child.news():
                ended = isinstance(news, TaskDone | TaskFailed)
                sent = ended or isinstance(news, TrialResult)
                yield Parcel(news, {} if shared or not sent else _read(folder, order.key))
                if ended:
                    return
    finally:
        child.end()
        post.forget.remote(order.key)


@functools.cache
def _prepare_fork_server() -> None:
    """Wait for this worker's fork server to hold TensorFlow, once: a trial's deadline shall not begin before."""
    with tempfile.TemporaryDirectory(prefix="automl-img-") as folder:
        Canary(Path(folder) / "canary.txt").problem()


@dataclass(frozen=True)
class NodeArgument:
    """What :func:`train_here` needs: what :func:`train` needs, and the GPUs that Ray gives, or None if the node has none."""

    argument: TrainArgument
    gpus: str | None


def train_here(link: Link, argument: NodeArgument) -> TrialResult:
    """Train one trial on the GPUs that Ray gives; the fork server's environment is older than they are."""
    if argument.gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = argument.gpus
    return train(link, argument.argument)


def _devices(sharing: int) -> Devices:
    """All GPUs that Ray lets this task see."""
    import ray

    count = len(ray.get_gpu_ids())
    memory = Hardware(1, 0, count, False).gpu_memory() if count and sharing > 1 else ()
    return Devices(tuple(range(count)), part_of(min(memory, default=0), sharing))


def _visible_gpus() -> str | None:
    import ray

    given = ray.get_gpu_ids()
    return ",".join(map(str, given)) if given else None


def _obey(post: Any, key: str, child: ChildProcess) -> None:
    """Wait for the driver's word, and ask the child to end in good order if that is what it says."""
    import ray

    with contextlib.suppress(ray.exceptions.RayError):
        if ray.get(post.listen.remote(key)) == "stop":
            child.stop()


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="automl-img-"))
    try:
        (folder / "trials").mkdir()
        yield folder / "trials"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place(order: Order, post: Any, folder: Path) -> Place:
    """Return where this node finds the data: where the driver has it, or in this node's cache, which is filled if need be.

    Raises:
        DataError: The images are read from their own files, which this node does not see; or the cache cannot be written.
    """
    from automl_img.data.store import PreparedStore

    with contextlib.suppress(DataError):
        PreparedStore.open(Path(order.place.store))
        if Path(order.place.splits).is_file():
            return order.place
    here = cache_folder() / STORES / Path(order.place.store).name
    content = None
    try:
        PreparedStore.open(here)
    except DataError:
        content = _fetched(_get(post.data.remote()))
        with completed(here) as unfinished:
            for name, pixels in content["store"].items():
                pixels.tofile(unfinished / name)
        PreparedStore.open(here)
    splits = folder / SPLITS_FILE
    if not splits.is_file():
        content = content or _fetched(_get(post.data.remote()))
        with replacing(splits) as temporary:
            temporary.write_bytes(content["splits"])
    return replace(order.place, store=str(here), splits=str(splits))


def _get(reference: Any) -> Any:
    import ray

    return ray.get(reference)


def _fetched(references: list[Any]) -> Any:
    return _get(references[0]) if references else {}


def _read(folder: Path, key: str) -> Files:
    """The files of an attempt, by their names below the trials; hidden ones are not whole yet."""
    whole = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    return {f"{key}/{path.name}": path.read_bytes() for path in whole}


def _write(trials: Path, files: Files) -> None:
    for name, content in files.items():
        path = trials / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def look_around() -> Hardware:
    """Return what the node on which this runs can do, and how much of it Ray gives to one trial."""
    import ray

    return Hardware.detect(gpus=len(ray.get_gpu_ids()))
