"""How a search is shown while it runs: live on a terminal, as plain lines, or as JSON lines."""

from __future__ import annotations

import sys

from automl_img.cli.views.base import JsonView, View

__all__ = ["View", "make_view"]


def make_view(*, json: bool, plain: bool) -> View:
    """The view that was asked for, or that fits what standard output is."""
    if json:
        return JsonView()
    if plain or not sys.stdout.isatty():
        from automl_img.cli.views.plain import PlainView

        return PlainView()
    from automl_img.cli.views.live import LiveView

    return LiveView()
