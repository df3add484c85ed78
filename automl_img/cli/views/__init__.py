"""How a search is shown while it runs: live on a terminal, as plain lines, or as JSON lines."""

from automl_img.cli.views.base import View, make_view

__all__ = ["View", "make_view"]
