"""Tries the fork server out before trials depend on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_img.executors.process import (
    ChildProcess,
    Link,
    Task,
    TaskDone,
    TaskFailed,
    avoid_fork_server,
    begin_fork_server,
    start_context,
    wait_for_news,
)
from automl_img.quiet import load_tensorflow
from automl_img.training.spec import FailureKind

KILLED = (FailureKind.CRASHED, FailureKind.OUT_OF_MEMORY)
SECONDS = 120.0  # for the fork server to load TensorFlow and one child to compute: a slow disk may take most of it


def compute(link: Link, argument: Any) -> int:
    """Let TensorFlow start its threads and compute; return the number of GPUs that it can use."""
    load_tensorflow(with_devices=True)
    import tensorflow as tf

    float(tf.reduce_sum(tf.matmul(tf.ones((8, 8)), tf.ones((8, 8)))))
    return len(tf.config.list_physical_devices("GPU"))


class Canary:
    """A child of the fork server that computes a little; the server loads TensorFlow from now on, while the driver does other things.

    A library that does not survive a fork, by its threads or locks, would take every trial with it: where this child fails or hangs, all
    later processes start afresh, five seconds slower. One that was killed is tried once more: it may have been somebody from outside.

    Args:
        log: File that takes what the child prints; deleted if all is well.
        task: What the child does.

    Attributes:
        gpus: Number of GPUs that TensorFlow can use, once :meth:`problem` has told that there is none; None where it was not found out.
    """

    def __init__(self, log: Path, task: Task = compute) -> None:
        self._log, self._task = log, task
        self._child: ChildProcess | None = None
        self._problem = ""
        self._again = True
        self.gpus: int | None = None
        try:
            begin_fork_server()
        except OSError as error:
            self._give_up(f"it does not start: {error}")

    def _start(self) -> None:
        try:
            self._child = ChildProcess(self._task, None, self._log, SECONDS)
        except (OSError, EOFError) as error:
            self._give_up(f"it does not start: {error}")

    def problem(self) -> str:
        """Start the child and wait for it; return why the fork server is not used, or an empty text."""
        if start_context().get_start_method() == "forkserver":
            self._start()
        while self._child is not None:
            wait_for_news([self._child], SECONDS)
            for news in self._child.news():
                if isinstance(news, TaskFailed) and news.kind in KILLED and self._again:
                    self._again = False
                    self._start()
                elif isinstance(news, TaskFailed):
                    self._give_up(news.message)
                elif isinstance(news, TaskDone):
                    self.gpus = news.value
                    self._log.unlink(missing_ok=True)
                    self._child = None
        return self._problem

    def close(self) -> None:
        """End the child, if it still runs."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _give_up(self, problem: str) -> None:
        avoid_fork_server()
        self._problem, self._child = problem, None
