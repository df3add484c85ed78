"""Gathers the images of requests that come at the same time, so that the network sees them together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Answers = Sequence[Any]
Answer = Callable[[Pixels], Answers]


class Busy(Exception):
    """More images wait than may."""


@dataclass
class _Waiting:
    pixels: Pixels
    answered: asyncio.Future[Answers]


class Batcher:
    """Answers images in batches of whatever waits: while one batch is with the network, the next one gathers.

    Nothing waits for company: a request that comes alone is answered alone.

    Args:
        answer: Maps prepared images, uint8 (n, height, width, channels), to one answer each. Runs in a thread of its own.
        most: Images in one batch.
        waiting: Images that may wait; more are refused.
        told: Hears the size of each batch.
    """

    def __init__(
        self, answer: Answer, *, most: int = 64, waiting: int = 1024, told: Callable[[int], None] = lambda size: None
    ) -> None:
        self._answer, self._most, self._limit, self._told = answer, most, waiting, told
        self._queue: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to answer; called in the event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Answer nothing more; who still waits is told so."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for one in self._queue:
            one.answered.cancel()
        self._thread.shutdown(cancel_futures=True)

    async def answers(self, pixels: Pixels) -> Answers:
        """Return one answer for each of ``pixels``.

        Raises:
            Busy: Too many images wait already.
        """
        if sum(len(one.pixels) for one in self._queue) + len(pixels) > self._limit:
            raise Busy
        waiting = _Waiting(pixels, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._arrived.set()
        return await waiting.answered

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._take()
            if not batch:
                self._arrived.clear()
                continue
            pixels = np.concatenate([one.pixels for one in batch])
            self._told(len(pixels))
            try:
                found = await loop.run_in_executor(self._thread, self._answer, pixels)
            except asyncio.CancelledError:
                for one in batch:
                    one.answered.cancel()
                raise
            except Exception as error:
                for one in batch:
                    if not one.answered.done():
                        one.answered.set_exception(error)
                continue
            start = 0
            for one in batch:
                if not one.answered.done():  # its request may have gone meanwhile
                    one.answered.set_result(found[start : start + len(one.pixels)])
                start += len(one.pixels)

    def _take(self) -> list[_Waiting]:
        """The next batch: the requests that came first, as many as fit; one that is larger than a batch goes alone."""
        self._queue = [one for one in self._queue if not one.answered.done()]
        batch: list[_Waiting] = []
        size = 0
        while self._queue and (not batch or size + len(self._queue[0].pixels) <= self._most):
            batch.append(self._queue.pop(0))
            size += len(batch[-1].pixels)
        return batch
