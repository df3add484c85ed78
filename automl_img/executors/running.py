"""Runs tasks beside the trials, such as estimates and the final evaluation, and tries once more where a process was lost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from automl_img.executors.process import ChildProcess, Task, TaskDone, TaskFailed, wait_for_news
from automl_img.executors.pulse import STILL_SECONDS
from automl_img.training.spec import FailureKind

POLL_SECONDS = 1.0
ATTEMPTS = 2
LOST = (
    FailureKind.CRASHED,
    FailureKind.OUT_OF_MEMORY,
    FailureKind.TIMEOUT,
)  # a second attempt may have what the first had not
GIVEN_UP = TaskFailed(FailureKind.TIMEOUT, "the search was asked to end")


def run_tasks(
    task: Task,
    arguments: Sequence[Any],
    logs: Sequence[Path],
    stillness: float = STILL_SECONDS,
    *,
    deadline: float = math.inf,
    stop_asked: Callable[[], bool] = lambda: False,
    most: int = ATTEMPTS,
) -> list[TaskDone | TaskFailed]:
    """Run ``task`` with each of ``arguments`` at once, each in a process of its own, and return how each ended.

    Args:
        task: A function of an importable module.
        arguments: Its second argument.
        logs: For each the file that takes what its process prints.
        stillness: Seconds without any processor time after which a process is taken to hang.
        deadline: Seconds after which all processes are ended, first and second attempts alike.
        stop_asked: Whether to give up what has not ended yet, which then is :data:`GIVEN_UP`; asked every second.
        most: Attempts at each, if processes are lost.
    """
    end = time.monotonic() + deadline

    def started(place: int) -> ChildProcess:
        return ChildProcess(task, arguments[place], logs[place], max(0.0, end - time.monotonic()), stillness)

    def deserves_another(place: int, failure: TaskFailed) -> bool:
        return time.monotonic() < end and failure.kind in LOST and attempts[place] < most

    children = {place: started(place) for place in range(len(arguments))}
    attempts = dict.fromkeys(children, 1)
    answers: dict[int, TaskDone | TaskFailed] = {}
    try:
        while children and not stop_asked():
            wait_for_news(list(children.values()), POLL_SECONDS)
            for place, child in list(children.items()):
                for news in child.news():
                    if not isinstance(news, TaskDone | TaskFailed):
                        continue
                    del children[place]
                    if isinstance(news, TaskFailed) and deserves_another(place, news):
                        attempts[place] += 1
                        children[place] = started(place)
                    else:
                        answers[place] = news
    finally:
        for child in children.values():
            child.end()
    return [answers.get(place, GIVEN_UP) for place in range(len(arguments))]
