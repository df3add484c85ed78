"""What all views share, and the view that is JSON."""

from __future__ import annotations

import json
import math
import sys
from types import TracebackType
from typing import Any, Self

from automl_img.events import Event, Listener


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
        print("Stopping in good order; press Ctrl-C again to stop at once.", file=sys.stderr, flush=True)

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
        print(json.dumps(_finite(content), ensure_ascii=False), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
