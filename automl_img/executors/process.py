"""One task in one child process: started from a fork server, heard through a pipe, and gone when its parent is gone."""

from __future__ import annotations

import contextlib
import errno
import faulthandler
import multiprocessing
import multiprocessing.connection
import multiprocessing.util
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_img.errors import named_reason_of
from automl_img.executors.pulse import STILL_SECONDS, Pulse
from automl_img.quiet import load_alone
from automl_img.training.spec import FailureKind, TrialFailure

GRACE_SECONDS = 1.0  # in which a process that has answered may end by itself
PRELOAD = "automl_img.executors.preload"
SAFE_PATH = "PYTHONSAFEPATH"  # keeps the current folder out of the path of `python -c`
#: A terminal, `timeout` and systemd send these to all processes at once. The driver alone heeds them, and ends the others in good order.
FOR_THE_DRIVER = (signal.SIGINT, signal.SIGTERM)

Task = Callable[["Link", Any], Any]


@dataclass(frozen=True)
class TaskDone:
    """The task returned ``value``."""

    value: Any


@dataclass(frozen=True)
class TaskFailed:
    """The task ended without a value."""

    kind: FailureKind
    message: str
    traceback: str = ""


class Link:
    """The child's end of the pipe."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._stop = threading.Event()

    def send(self, message: Any) -> None:
        """Send a message to the driver."""
        self._connection.send(message)

    def stop_asked(self) -> bool:
        """Whether the driver wants the task to end in good order."""
        return self._stop.is_set()

    def _listen(self) -> None:
        """Wait for the driver's word; the end of the pipe is the driver's death, and this process goes with it."""
        try:
            while True:
                if self._connection.recv() == "stop":
                    self._stop.set()
        except (EOFError, OSError):
            os._exit(1)


class ChildProcess:
    """Runs ``task(link, argument)`` in a new process.

    Args:
        task: A function of an importable module.
        argument: Its second argument; must be picklable.
        log: File that takes what the process prints.
        deadline: Seconds after which the process is ended; None: no limit.
        stillness: Seconds without any processor time after which it is taken to hang, and ended.
    """

    def __init__(
        self, task: Task, argument: Any, log: Path, deadline: float | None = None, stillness: float = STILL_SECONDS
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        context = start_context()
        self.connection, theirs = context.Pipe()
        self._deadline = None if deadline is None else time.monotonic() + deadline
        self._limit = deadline
        self._log = log
        self._process: Any = context.Process(target=_main, args=(theirs, task, argument, str(log)), daemon=True)
        with _nothing_of_the_user():
            self._process.start()
        theirs.close()
        # When the driver exits, multiprocessing waits for what still runs after a SIGTERM, which is ignored there: it is killed before.
        multiprocessing.util.Finalize(self, self._process.kill, exitpriority=0)
        self._answered = False
        self._pulse, self._stillness = Pulse(self._process.pid), stillness

    def waitables(self) -> list[Any]:
        """What to wait on for news."""
        return [self.connection, self._process.sentinel]

    def seconds_left(self) -> float | None:
        """Seconds until the deadline, or None."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def news(self) -> Iterator[Any]:
        """Yield what the task sent; a TaskDone or TaskFailed comes last, and exactly once."""
        if self._answered:
            return
        alive = self._process.is_alive()  # asked first: what it sent before it ended is read below
        with contextlib.suppress(EOFError, OSError):
            while self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, TaskDone | TaskFailed):
                    self._answered = True
                    self.end()
                    yield message
                    return
                yield message
        if not alive:
            self._answered = True
            yield self._post_mortem()
        elif self.seconds_left() == 0.0:
            yield self._give_up(f"it did not end within its {self._limit:.0f} s and was stopped")
        elif self._pulse.still_for(self._stillness):
            yield self._give_up(f"it hung: no processor time in {self._stillness:.0f} s; see {self._log}")

    def stop(self) -> None:
        """Ask the task to end in good order."""
        with contextlib.suppress(OSError):
            self.connection.send("stop")

    def end(self) -> None:
        """End the process: wait if it has answered, then kill it."""
        if self._answered:
            self._process.join(GRACE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()

    def _give_up(self, reason: str) -> TaskFailed:
        self.end()
        self._answered = True
        return TaskFailed(FailureKind.TIMEOUT, reason)

    def _post_mortem(self) -> TaskFailed:
        self._process.join()
        code = self._process.exitcode or 0
        self.connection.close()
        if code == -signal.SIGKILL:
            return TaskFailed(
                FailureKind.OUT_OF_MEMORY, "its process was killed from outside (SIGKILL), mostly for lack of memory"
            )
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return TaskFailed(FailureKind.CRASHED, f"its process ended with {name}; see {self._log}")


_avoided = threading.Event()
_starting = threading.RLock()  # what is changed while a process starts is there for all threads


def avoid_fork_server() -> None:
    """Start all later processes afresh."""
    _avoided.set()


def start_context() -> Any:
    """The way processes are started: a fork server that holds TensorFlow, or fresh processes where there is none or it cannot be used."""
    if _avoided.is_set() or "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOAD])
    return context


def begin_fork_server() -> None:
    """Let the fork server, where processes are started by one, load TensorFlow meanwhile; the first process waits for that."""
    if start_context().get_start_method() == "forkserver":
        from multiprocessing import forkserver

        with _nothing_of_the_user():
            forkserver.ensure_running()


@contextlib.contextmanager
def _nothing_of_the_user() -> Iterator[None]:
    """Start processes with modules alone: without the user's script, and without the files of the folder that the user is in.

    multiprocessing would run the script once more in each child, and ``python -c``, by which it starts processes, looks for modules in the
    current folder first, where a keras.py or a random.py may lie. A child gets this process's own path before its task.
    """
    with _starting:
        main, safe = sys.modules["__main__"], os.environ.get(SAFE_PATH)
        sys.modules["__main__"], os.environ[SAFE_PATH] = types.ModuleType("__main__"), "1"
        try:
            yield
        finally:
            sys.modules["__main__"] = main
            del os.environ[SAFE_PATH]
            if safe is not None:
                os.environ[SAFE_PATH] = safe


def _main(connection: Any, task: Task, argument: Any, log: str) -> None:
    for number in FOR_THE_DRIVER:
        signal.signal(number, signal.SIG_IGN)
    with Path(log).open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.enable(sys.stderr)
    load_alone()  # the fork server has; a process that was started afresh has not
    link = Link(connection)
    threading.Thread(target=link._listen, daemon=True).start()
    answer = _answer(link, task, argument)
    with contextlib.suppress(OSError):
        connection.send(answer)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # nothing to tidy up, and TensorFlow's own tidying can hang


def _answer(link: Link, task: Task, argument: Any) -> TaskDone | TaskFailed:
    try:
        return TaskDone(task(link, argument))
    except TrialFailure as failure:
        return TaskFailed(failure.kind, failure.message)
    except BaseException as error:
        traceback.print_exc()
        return TaskFailed(kind_of(error), named_reason_of(error), traceback.format_exc())


def kind_of(error: BaseException) -> FailureKind:
    """Return how an attempt has failed that ended with this error."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return FailureKind.OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FailureKind.NO_SPACE
    return FailureKind.RAISED


def wait_for_news(children: list[ChildProcess], timeout: float) -> None:
    """Return when one of ``children`` has news, has passed its deadline, or after ``timeout`` seconds."""
    deadlines = [left for child in children if (left := child.seconds_left()) is not None]
    waitables = [waitable for child in children for waitable in child.waitables()]
    multiprocessing.connection.wait(waitables, min([timeout, *deadlines]))
