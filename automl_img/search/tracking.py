"""Lets trackers hear what happens, each in a thread of its own, so that none can harm or delay the search."""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from automl_img import events
from automl_img.errors import AutoMLImageError, reason_of
from automl_img.plugin import PluginRegistry, Tracker
from automl_img.plugin.choosing import RAISED
from automl_img.recipe import Recipe

PATIENCE = 10.0  # seconds that a tracker may take after the search has ended to write what it has heard
LONGEST = 10_000  # calls that may wait for a tracker; one that falls further behind is left
ARTEFACTS = {"model": "model", "report.html": "report", "leaderboard.csv": "leaderboard"}

Call = tuple[str, tuple[Any, ...]]
Problem = Callable[[str], None]


def trackers_of(recipe: Recipe, registry: PluginRegistry) -> list[type[Tracker]]:
    """Return the trackers that a recipe names; those that its ``[plugins]`` leaves out are left out here too.

    Raises:
        PluginError: There is no such tracker.
    """
    left_out = {record.name for record in registry.left_out if record.kind == "tracker"}
    left_out -= set(registry.names("tracker"))  # of two that have the same name, one is left out
    named = [name for name in recipe.output.trackers if name not in left_out]
    return [registry.get("tracker", name, where="output.trackers") for name in named]


class _Runner(threading.Thread):
    """Makes one tracker and calls it, one call after the other."""

    def __init__(self, kind: type[Tracker]) -> None:
        super().__init__(name=f"tracker {kind.name}", daemon=True)
        self.kind = kind
        self.problem = ""
        self._calls: queue.Queue[Call | None] = queue.Queue(LONGEST)

    def run(self) -> None:
        name = "__init__"
        try:
            tracker = self.kind()
            while (call := self._calls.get()) is not None:
                name, arguments = call
                getattr(tracker, name)(*arguments)
        except AutoMLImageError as error:
            self.problem = f"cannot go on: {reason_of(error).removesuffix('.')}"
        except RAISED as error:
            self.problem = f"raised {type(error).__name__} in {name}: {reason_of(error)}"

    def put(self, call: Call | None) -> None:
        """Let the tracker hear of something; what it cannot hear in time is lost to it."""
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self.problem = self.problem or "has fallen too far behind"


class Tracking:
    """The trackers of one search.

    Args:
        trackers: The trackers, of each of which it makes one.
        folder: The run folder.
        recipe: With all its keys.
        told: Receives one sentence for a tracker that fails; called in the thread of the search.
    """

    def __init__(
        self, trackers: Iterable[type[Tracker]], folder: Path, recipe: Mapping[str, Any], told: Problem
    ) -> None:
        self._folder, self._recipe, self._told = folder, recipe, told
        self._runners = [_Runner(kind) for kind in trackers]
        for runner in self._runners:
            runner.start()

    def hear(self, event: events.Event) -> None:
        """Pass an event on."""
        for call in self._calls(event):
            for runner in self._runners:
                runner.put(copy.deepcopy(call))  # a tracker may change what it is given, and the search has it too
        self._leave_out()

    def close(self) -> None:
        """Let the trackers write what they have heard, and leave those behind that do not end."""
        for runner in self._runners:
            runner.put(("close", ()))
            runner.put(None)
        for runner in self._runners:
            runner.join(PATIENCE)
            if runner.is_alive():
                runner.problem = f"did not end within {PATIENCE:g} s"
        self._leave_out()

    def _leave_out(self) -> None:
        failed = [runner for runner in self._runners if runner.problem]
        self._runners = [runner for runner in self._runners if runner not in failed]  # what is told comes back here
        for runner in failed:
            self._told(
                f"the tracker {runner.kind.name} {runner.problem}; it hears nothing more, and the search goes on"
            )

    def _calls(self, event: events.Event) -> list[Call]:
        match event:
            case events.SearchStarted():
                return [("search_started", (event.name, self._folder, self._recipe))]
            case events.TrialStarted():
                return [("trial_started", (event.trial, event.values))]
            case events.EpochEnded():
                figures = _figures(event, "loss", "validation_loss", "f1", "images_per_second")
                return [("epoch_ended", (event.trial, event.epoch, figures))]
            case events.TrialEnded():
                figures = _figures(event, "f1", "loss", "epochs", "seconds", "parameters")
                return [("trial_ended", (event.trial, "done", figures))]
            case events.TrialFailed():
                return [("trial_ended", (event.trial, "failed", {}))]
            case events.TrialSkipped() if event.trial is not None:
                return [("trial_ended", (event.trial, "skipped", {}))]
            case events.SearchEnded():
                figures = _figures(event, "validation_f1", "test_f1", "test_accuracy")
                made: list[Call] = [
                    ("artefact", (self._folder / name, kind))
                    for name, kind in ARTEFACTS.items()
                    if (self._folder / name).exists()
                ]
                return [*made, ("search_ended", (figures,))]
        return []


def _figures(event: events.Event, *names: str) -> dict[str, float]:
    """Return the figures of an event that are known, by name."""
    return {name: float(value) for name in names if (value := getattr(event, name)) is not None}
