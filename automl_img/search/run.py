"""What the parts of one search share: its recipe, folder, journal and clock, and the listener that hears its events."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl_img import events
from automl_img.plugin import PluginRegistry
from automl_img.recipe import Recipe
from automl_img.search.journal import Journal
from automl_img.search.run_folder import RunFolder
from automl_img.training.hardware import Hardware


class Run:
    """One search's belongings.

    Args:
        recipe: What to search.
        registry: The plugins.
        folder: A new run folder.
        listener: Receives each event.
        begun: ``time.monotonic()`` from which the budget counts.

    Attributes:
        skipped: Architectures that got no trial, with the reason.
    """

    def __init__(
        self, recipe: Recipe, registry: PluginRegistry, folder: Path, listener: events.Listener, begun: float
    ) -> None:
        self.recipe, self.registry = recipe, registry
        self.folder = RunFolder.create(folder)
        self.journal = Journal(self.folder.path, create=True)
        self.hardware = Hardware.detect()
        self.skipped: list[tuple[str, str]] = []
        self._listener, self._begun = listener, begun

    @property
    def elapsed(self) -> float:
        """Seconds of the budget that have gone."""
        return time.monotonic() - self._begun

    @property
    def slots(self) -> int:
        """Trials that run at once."""
        return self.hardware.slots(self.recipe.compute.slots)

    def say(self, event: Callable[..., events.Event], *fields: Any, **named: Any) -> None:
        """Tell the listener of an event that happens now."""
        self._listener(event(self.elapsed, *fields, **named))

    def decided(self, text: str) -> None:
        """Tell, and keep, a decision."""
        self.journal.remark(text)
        self.say(events.Decided, text)

    def skip(self, architecture: str, reason: str) -> None:
        """Tell, and keep, that an architecture gets no trial."""
        self.skipped.append((architecture, reason))
        self.journal.set_meta("skipped", self.skipped)
        self.journal.remark(f"{architecture} was skipped: {reason}")
        self.say(events.TrialSkipped, architecture, reason)
