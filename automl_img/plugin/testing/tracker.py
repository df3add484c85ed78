"""The checks of a tracker."""

from __future__ import annotations

import copy
import pickle
import tempfile
from pathlib import Path
from typing import Any

from automl_img.plugin.testing.checks import Checks, calling, need

RECIPE = {"name": "checked", "seed": 0, "budget": {"trials": 3}, "search": {"strategy": "random"}}
VALUES = {"architecture": "plain", "optimizer.adamw.lr": 1e-3, "augmentation.flip": False, "plain.filters": 32}
DATABASE = b"SQLite format 3\0"
EARLIER = 4  # number of a trial that began before the break
BEFORE = "Where a search goes on, a trial may end whose beginning an earlier instance has heard: take it as it comes."
MEASURED = {"loss": 0.8, "validation_loss": 0.6, "f1": 0.7, "images_per_second": 2500.0}
FIGURES = {"f1": 0.7, "loss": 0.6, "epochs": 2.0, "seconds": 1.5, "parameters": 1200.0}


class TrackerChecks(Checks):
    """What every tracker owes the core: it hears any course of a search, keeps to its own folder, and changes nothing it is given."""

    def test_it_hears_a_whole_search(self) -> None:
        """It takes trials that end well, fail and are skipped, several at a time, and further attempts at one."""
        with tempfile.TemporaryDirectory() as folder:
            self._searched(Path(folder), whole=True)

    def test_it_goes_on_after_a_break(self) -> None:
        """Started again in the same run folder, a new instance keeps what the first one wrote, and hears the end of what began before."""
        with tempfile.TemporaryDirectory() as folder:
            self._searched(Path(folder))
            before = _files(Path(folder))
            self._searched(Path(folder), resumed=True)
            after = _files(Path(folder))
            lost = [name for name, content in before.items() if not _goes_on(content, after.get(name, b""))]
        hint = (
            "Append to what is there, or write another file beside it: a search that goes on starts its trackers again."
        )
        need(not lost, f"going on after a break, it overwrote {', '.join(lost)}", hint)

    def test_it_can_be_closed_at_any_time(self) -> None:
        """Closing works before a search has begun, in the middle of a trial, and twice."""
        hint = "A search may fail at any time, and close is called then too: close what is open, and nothing else."
        with tempfile.TemporaryDirectory() as folder:
            for begun in (False, True):
                tracker = self._instance()
                if begun:
                    tracker.search_started("checked", Path(folder), copy.deepcopy(RECIPE))
                    tracker.trial_started(1, dict(VALUES))
                with calling("close " + ("within a trial" if begun else "before a search"), hint):
                    tracker.close()
                    tracker.close()

    def test_it_keeps_its_files_in_a_folder_of_its_own(self) -> None:
        """What it writes into the run folder lies in one folder named after it."""
        with tempfile.TemporaryDirectory() as folder:
            self._searched(Path(folder))
            name = self.plugin.name
            elsewhere = [file for file in _files(Path(folder)) if Path(file).parts[0] != name]
        need(not elsewhere, f"it wrote {', '.join(elsewhere)} into the run folder", f'Write below folder / "{name}".')

    def test_it_changes_nothing_that_it_is_given(self) -> None:
        """The recipe, the hyperparameters and the figures are the same after it has heard them."""
        with tempfile.TemporaryDirectory() as folder:
            changed = self._searched(Path(folder))
        hint = "Others hear the same objects: make a copy before changing one."
        need(not changed, f"it changed {', '.join(changed)}", hint)

    def test_two_of_it_do_not_disturb_each_other(self) -> None:
        """Two searches in one process, each with an instance of its own, write the same files as each would alone."""
        with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
            one, two = self._instance(), self._instance()
            for tracker, folder in ((one, first), (two, second)):
                with calling("search_started of a second instance"):
                    tracker.search_started("checked", Path(folder), copy.deepcopy(RECIPE))
            with calling("calls of two instances in turn"):
                for tracker in (one, two):
                    tracker.trial_started(1, dict(VALUES))
                for tracker in (one, two):
                    tracker.trial_ended(1, "done", dict(FIGURES))
                for tracker in (one, two):
                    tracker.close()
            same = len(_files(Path(first))) == len(_files(Path(second)))
        need(
            same,
            "a second instance writes where the first one does",
            "Keep all state on self, none on the class or module.",
        )

    def _searched(self, folder: Path, *, whole: bool = False, resumed: bool = False) -> list[str]:
        """Let a new instance hear a search, with all that can happen or of one trial, and return the names of what it has changed."""
        tracker = self._instance()
        given: dict[str, Any] = {
            "the recipe": RECIPE,
            "the hyperparameters": VALUES,
            "the figures of a measurement": MEASURED,
            "the figures of a trial": FIGURES,
        }
        given = pickle.loads(pickle.dumps(given))
        before = copy.deepcopy(given)
        recipe, values, measured, figures = given.values()
        calls: list[tuple[str, tuple[Any, ...]]] = [
            ("search_started", ("checked", folder, recipe)),
            ("trial_started", (1, values)),
            ("trial_started", (2, values)),
            ("epoch_ended", (1, 0.5, measured)),
            ("epoch_ended", (2, 0.5, measured)),
            ("trial_ended", (2, "failed", {})),
            ("trial_started", (2, values)),  # another attempt
            ("epoch_ended", (1, 1.0, measured)),
            ("trial_ended", (1, "done", figures)),
            ("trial_ended", (2, "done", figures)),
            ("trial_ended", (3, "skipped", {})),  # it never began
            ("artefact", (folder, "model")),
            ("search_ended", ({"validation_f1": 0.7},)),
            ("close", ()),
        ]
        if resumed:
            calls.insert(1, ("trial_ended", (EARLIER, "done", figures)))
        for name, arguments in calls:
            if not whole and name.startswith(("trial", "epoch")) and arguments[0] not in (1, EARLIER):
                continue
            hint = BEFORE if arguments[:1] == (EARLIER,) else "A tracker that raises hears nothing more of the search."
            with calling(f"{name}{arguments}", hint):
                getattr(tracker, name)(*arguments)
        return [name for name in given if given[name] != before[name]]


def _goes_on(before: bytes, after: bytes) -> bool:
    """Whether a file begins with what it held; a database changes its pages as it likes, and is only seen to be one still."""
    return after.startswith(DATABASE if before.startswith(DATABASE) else before)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
