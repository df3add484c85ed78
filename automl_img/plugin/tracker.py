"""A place that keeps the course of a search, such as TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin.base import Plugin


class Tracker(Plugin):
    """Keeps what happens in a search. For each search the core makes an instance and calls it, all in a thread of its own.

    A tracker that raises is told of once and hears nothing more; one that hangs is left behind when the search ends. Neither costs the
    search anything. A search that goes on after a break starts its trackers again: they add to what they have.
    """

    def search_started(self, name: str, folder: Path, recipe: Mapping[str, Any]) -> None:
        """A search begins, or goes on.

        Args:
            name: Of the recipe.
            folder: The run folder; a tracker that writes files puts them into a folder of its own name there.
            recipe: With all its keys.
        """

    def trial_started(self, trial: int, values: Mapping[str, Any]) -> None:
        """A trial begins, or another attempt at it; ``values`` are its hyperparameters by full name."""

    def epoch_ended(self, trial: int, epoch: float, figures: Mapping[str, float]) -> None:
        """A trial has measured itself on the validation images.

        Args:
            trial: Its number.
            epoch: Passes over the training images so far.
            figures: ``loss``, the mean in training since the measurement before; ``validation_loss``, the cross-entropy on the validation
                images; ``f1`` on them; and ``images_per_second``. A later version may tell more.
        """

    def trial_ended(self, trial: int, outcome: str, figures: Mapping[str, float]) -> None:
        """A trial has ended: "done" with ``f1``, ``loss``, ``epochs``, ``seconds`` and ``parameters``, or "failed" or "skipped".

        ``f1`` and ``loss`` are those on the validation images, at the measurement whose weights are kept.

        One that is skipped may never have begun. Where a search goes on, one that is done may have begun, and been measured, before
        this instance was made.
        """

    def artefact(self, path: Path, kind: str) -> None:
        """A file or folder of lasting worth has been written: "model", "report" or "leaderboard"."""

    def search_ended(self, figures: Mapping[str, float]) -> None:
        """The search has ended, with ``validation_f1``, and ``test_f1`` and ``test_accuracy`` if there are test images."""

    def close(self) -> None:
        """Nothing more is heard; called also after a search that has failed."""
