"""How a search is shown while it runs: live on a terminal or in a notebook, as plain lines, or as JSON lines."""

from __future__ import annotations

import sys

from automl_img.events import Listener
from automl_img.views.base import JsonView, ListenerView, View

__all__ = ["View", "make_view", "python_view"]


def make_view(*, json: bool, plain: bool) -> View:
    """The view that was asked for, or that fits what standard output is; a terminal that can only add lines gets plain ones."""
    if json:
        return JsonView()
    from rich.console import Console

    if plain or not sys.stdout.isatty() or Console().is_dumb_terminal:
        from automl_img.views.plain import PlainView

        return PlainView()
    from automl_img.views.live import LiveView

    return LiveView()


def python_view(listener: Listener | None) -> View:
    """The view of a search that Python code began: the listener's if there is one, a notebook's picture, or none."""
    if listener is None:
        from automl_img.views.notebook import NotebookView, in_notebook

        if in_notebook():
            return NotebookView()
    return ListenerView(listener)
