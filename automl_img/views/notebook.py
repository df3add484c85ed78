"""The live picture of a search in the output of a notebook's cell."""

from __future__ import annotations

import io
import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console, RenderableType

from automl_img import events
from automl_img.views.live import LiveView
from automl_img.views.summary import summary

WIDTH = 110  # characters of a line
PAUSE = 0.5  # seconds between two pictures at least
FRAME = '<pre style="line-height:1.25;font-size:0.8rem;white-space:pre;overflow-x:auto">{code}</pre>'


def in_notebook() -> bool:
    """Whether this runs in a Jupyter kernel, as notebooks do; a terminal's IPython is none."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class NotebookView(LiveView):
    """Draws what the terminal would show into one output, again and again, and leaves the leaderboard there."""

    def __init__(self) -> None:
        super().__init__(Console(width=WIDTH, highlight=False, force_jupyter=False))
        self._output: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        self._draw(self.render())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._draw(self.render() if self._ended is None else summary(self._ended, WIDTH))

    def hear(self, event: events.Event) -> None:
        """Take the event into the picture, and draw it unless it was drawn just now."""
        super().hear(event)
        if time.monotonic() - self._drawn >= PAUSE:
            self._draw(self.render())

    def stopping(self) -> None:
        """Say it at once."""
        super().stopping()
        self._draw(self.render())

    def _draw(self, picture: RenderableType) -> None:
        from IPython.display import HTML, display

        self._drawn = time.monotonic()
        html = HTML(as_html(picture))
        if self._output is None:
            self._output = display(html, display_id=True)
        else:
            self._output.update(html)


def as_html(picture: RenderableType) -> str:
    """The picture as preformatted text with colours; the page's own colours stay where it has none."""
    console = Console(
        width=WIDTH, file=io.StringIO(), record=True, highlight=False, force_terminal=True, force_jupyter=False
    )
    console.print(picture)
    return console.export_html(inline_styles=True, code_format=FRAME)
