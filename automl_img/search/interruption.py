"""Ends a search in good order when somebody asks for it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Interruption:
    """Asked by the search between events; set by a signal handler or another thread."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        """End the search with the best model so far."""
        self.asked = True

    @contextlib.contextmanager
    def on_ctrl_c(self, told: Callable[[], None] = lambda: None) -> Iterator[None]:
        """While inside, the first Ctrl-C asks, and calls ``told``; the second raises KeyboardInterrupt. SIGTERM asks too.

        Outside of the main thread, where Python allows no handler, nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def handle(number: int, frame: FrameType | None) -> None:
            if self.asked and number == signal.SIGINT:
                raise KeyboardInterrupt
            self.ask()
            told()

        for number in before:
            signal.signal(number, handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
