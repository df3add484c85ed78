"""Ends a search in good order when somebody asks for it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType


class Interruption:
    """Asked by the search between events; set by a signal handler, another thread, or a file."""

    def __init__(self) -> None:
        self._asked = False
        self._file: Path | None = None

    @property
    def asked(self) -> bool:
        """Whether the search shall end with the best model so far."""
        if not self._asked and self._file is not None and self._file.exists():
            self._asked = True
        return self._asked

    def ask(self) -> None:
        """End the search with the best model so far."""
        self._asked = True

    def heed(self, file: Path) -> None:
        """Let the presence of ``file`` ask too, from now on."""
        self._file = file

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
            if self._asked and number == signal.SIGINT:
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
