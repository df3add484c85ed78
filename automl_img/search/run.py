"""What the parts of one search share: its recipe, folder, journal and clock, and the listener that hears its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any

from automl_img import events
from automl_img.executors.site import Site
from automl_img.plugin import PluginRegistry
from automl_img.recipe import Recipe
from automl_img.search.interruption import Interruption
from automl_img.search.journal import CHOSEN, Journal
from automl_img.search.lock import RunLock
from automl_img.search.run_folder import RECIPE_FILE, RunFolder
from automl_img.search.tracking import Tracking, trackers_of


class Run:
    """One search's belongings. There is one driver at a time: a second one is refused until :meth:`close`.

    Args:
        recipe: What to search.
        registry: The plugins.
        folder: A new run folder, or with ``resume`` that of an earlier search; None: a new one below ``runs``.
        listener: Receives each event.
        begun: ``time.monotonic()`` from which the budget counts; time that an earlier process spent counts too.
        site: Where its trials run.
        resume: Whether to go on with the search in ``folder``.
        interruption: What asks the search to end; the run folder's stop file does so too.

    Attributes:
        capacity: What trials find where they run.
        skipped: Architectures that got no trial, with the reason.
        resumed: Whether an earlier process has begun this search.
        spent_before: Seconds of the budget that had gone when the last earlier process was last heard of.

    Raises:
        RunFolderError: The folder cannot be used, or another process drives this run.
    """

    def __init__(
        self,
        recipe: Recipe,
        registry: PluginRegistry,
        folder: Path | None,
        listener: events.Listener,
        begun: float,
        site: Site,
        *,
        resume: bool = False,
        interruption: Interruption | None = None,
    ) -> None:
        self.recipe, self.registry = recipe, registry
        self.interruption = interruption or Interruption()
        if folder is None:
            self.folder = RunFolder.create_named(recipe.name, datetime.now())
        else:
            self.folder = RunFolder.open(folder) if resume else RunFolder.create(folder)
        self._lock = RunLock(self.folder.path)
        self._listener, self._begun = listener, begun
        self.resumed = resume
        self.folder.prepare()
        self.interruption.heed(self.folder.stop_file)
        self.journal = Journal(self.folder.path, create=True)
        self.spent_before = float(self.journal.meta("elapsed") or 0.0)
        self._begun -= self.spent_before
        self.journal.clock = lambda: self.elapsed
        if not resume:
            self.begin()
        self._tracking = Tracking(trackers_of(recipe, registry), self.folder.path, recipe.plain(), self.decided)
        self.capacity = site.capacity
        self.skipped = [(name, reason) for name, reason in self.journal.meta("skipped") or []]

    def begin(self) -> None:
        """From here on it is a search with this recipe that has not ended; one that goes on stays what it was until it is let go on."""
        self.folder.write(RECIPE_FILE, self.recipe.plain())
        self.journal.set_meta("state", "running")
        self.journal.set_meta(CHOSEN, None)

    @property
    def elapsed(self) -> float:
        """Seconds of the budget that have gone."""
        return time.monotonic() - self._begun

    def close(self) -> None:
        """Let go of the trackers, the journal and the run."""
        self._tracking.close()
        self.journal.close()
        self._lock.release()

    def say(self, event: Callable[..., events.Event], *fields: Any, **named: Any) -> None:
        """Tell the listener of an event that happens now."""
        said = event(self.elapsed, *fields, **named)
        self._listener(said)
        self._tracking.hear(said)

    def decided(self, text: str) -> None:
        """Tell, and keep, a decision."""
        self.journal.remark(text)
        self.say(events.Decided, text)

    def try_after_all(self, architectures: Collection[str]) -> None:
        """Architectures that were skipped for want of time, perhaps, have some now."""
        left = [one for one in self.skipped if one[0] not in architectures]
        if left != self.skipped:
            self.skipped = left
            self.journal.set_meta("skipped", left)

    def skip(self, architecture: str, reason: str) -> None:
        """Tell, and keep, that an architecture gets no trial."""
        if (architecture, reason) in self.skipped:
            return
        self.skipped.append((architecture, reason))
        self.journal.set_meta("skipped", self.skipped)
        self.journal.remark(f"{architecture} was skipped: {reason}")
        self.say(events.TrialSkipped, architecture, reason)
