"""TensorBoard's event files, written without TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from automl_img.plugin import Tracker, hookimpl
from automl_img_trackers._own_folder import own_folder


class TensorBoardTracker(Tracker):
    """Scalars and hyperparameters of each trial in the run folder; `tensorboard --logdir RUN/tensorboard` shows them."""

    name = "tensorboard"

    def __init__(self) -> None:
        self._folder = Path()
        self._writers: dict[int, Any] = {}
        self._values: dict[int, Mapping[str, Any]] = {}

    def search_started(self, name: str, folder: Path, recipe: Mapping[str, Any]) -> None:
        """Note where the files go."""
        self._folder = own_folder(folder, self.name)

    def trial_started(self, trial: int, values: Mapping[str, Any]) -> None:
        """Begin the trial's file; another attempt adds one beside it."""
        self._end(trial)
        self._values[trial] = values
        self._begin(trial)

    def epoch_ended(self, trial: int, epoch: float, figures: Mapping[str, float]) -> None:
        """Write each figure over thousandths of a pass, for steps are whole numbers."""
        for name, value in figures.items():
            self._writers[trial].add_scalar(name, value, round(1000 * epoch))

    def trial_ended(self, trial: int, outcome: str, figures: Mapping[str, float]) -> None:
        """Write what came of a trial, with its hyperparameters if it has begun in this process."""
        if outcome == "done":
            from tensorboardX.summary import hparams

            if trial not in self._writers:
                self._begin(trial)
            values = self._values.get(trial, {})
            known = {name: value for name, value in values.items() if isinstance(value, bool | int | float | str)}
            for summary in hparams(known, dict(figures)) if known else ():
                self._writers[trial].file_writer.add_summary(summary)
            for name, value in figures.items():
                self._writers[trial].add_scalar(f"trial/{name}", value, 0)
        self._end(trial)

    def close(self) -> None:
        """Close all files."""
        for trial in list(self._writers):
            self._end(trial)

    def _begin(self, trial: int) -> None:
        from tensorboardX import SummaryWriter

        # The library names files by the second: another attempt within it would write over the first.
        folder = self._folder / f"trial-{trial}"
        attempt = len(list(folder.glob("events.*")))
        self._writers[trial] = SummaryWriter(str(folder), filename_suffix=f".{attempt}" if attempt else "")

    def _end(self, trial: int) -> None:
        writer = self._writers.pop(trial, None)
        if writer is not None:
            writer.close()


@hookimpl
def register_trackers(register: Callable[[type[Tracker]], None]) -> None:
    """Register TensorBoard."""
    register(TensorBoardTracker)
