"""What all views share, and the view that is JSON."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import sys
from types import TracebackType
from typing import IO, Any, Self

from automl_img.events import Event, Listener

FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk, or what one may use of it


def tell(text: str, file: IO[str], *, end: str = "\n") -> None:
    """Print at once. What cannot be written is let go, for a search goes on without: see :func:`let_go`.

    Args:
        text: What to print.
        file: Standard output or standard error.
        end: What follows the text.
    """
    try:
        print(text, file=file, end=end, flush=True)
    except OSError as error:
        let_go(file, error)


def let_go(file: IO[str], error: OSError) -> None:
    """Drop what could not be written. If nobody reads ``file`` any more, it leads nowhere from then on; a full disk may have room again."""
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):  # a stand-in for a file has no descriptor
        place = file.fileno()
        before, nowhere = os.dup(place), os.open(os.devnull, os.O_WRONLY)
        for descriptor in (before, nowhere):
            stack.callback(os.close, descriptor)
        os.dup2(nowhere, place)
        if error.errno in FULL:
            stack.callback(os.dup2, before, place)
        file.flush()  # what it still holds


class View:
    """Listens to the events of one search."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def hear(self, event: Event) -> None:
        """Show an event."""

    def stopping(self) -> None:
        """Show that Ctrl-C was understood."""
        tell("Stopping in good order; press Ctrl-C again to stop at once.", sys.stderr)

    def failed(self, message: str) -> None:
        """The search has ended with an error, which is told on standard error elsewhere."""


class ListenerView(View):
    """Shows nothing itself: gives each event to a function.

    Args:
        listener: The function; None: nobody listens.
    """

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener

    def hear(self, event: Event) -> None:
        """Pass the event on."""
        if self._listener is not None:
            self._listener(event)

    def stopping(self) -> None:
        """Say nothing: who calls from Python has asked for no words."""


class JsonView(View):
    """One JSON object for each event on standard output; numbers that are not finite become null."""

    def hear(self, event: Event) -> None:
        """Write the event."""
        self._write(event.as_dict())

    def failed(self, message: str) -> None:
        """Write the error as an event of its own."""
        self._write({"event": "Error", "message": message})

    def _write(self, content: dict[str, Any]) -> None:
        tell(json.dumps(_finite(content), ensure_ascii=False), sys.stdout)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
