"""How many requests are held at the same time, and for how long each may arrive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException

RETRY_SECONDS = "1"


class Room:
    """Bounds the memory that requests hold: each may be as large as one may, and may be sent a byte at a time.

    Args:
        requests: Held at the same time, from their first byte until they are answered.
        seconds: In which each has to have arrived.
    """

    def __init__(self, requests: int, seconds: float) -> None:
        self._free, self._seconds = requests, seconds

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """While inside, a request has its place.

        Raises:
            HTTPException: 503, there is none.
        """
        if self._free <= 0:
            raise HTTPException(503, "too many requests at once: try again", {"Retry-After": RETRY_SECONDS})
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1

    @asynccontextmanager
    async def arriving(self) -> AsyncIterator[None]:
        """While inside, the request is read.

        Raises:
            HTTPException: 408, it took too long.
        """
        try:
            async with asyncio.timeout(self._seconds):
                yield
        except TimeoutError as error:
            raise HTTPException(408, f"the request did not arrive within {self._seconds:g} seconds") from error
