"""Which of a training's measurements gives the weights that it leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from automl_img.tasks.scores import share_error
from automl_img.training.spec import EpochReport

ERRORS = 2.0  # standard errors below the highest F1, within which a measurement is as good as far as anybody can tell


class Keeping:
    """Keeps the weights of the last measurement that is as good as the best one, as far as the validation images can tell.

    The highest F1 of many measurements is partly luck, the more so the fewer images there are, while later weights have seen more images
    at lower learning rates. ``benchmarks/best_measurement.py`` has what this and other rules give on test images.

    Args:
        images: How many the validation split has.

    Attributes:
        highest: The measurement with the highest F1; of equals that with the lower loss.
        kept: The one whose weights are kept.
        weights: Those weights.
        stalled: Measurements since the highest, in this phase of the training.
    """

    def __init__(self, images: int) -> None:
        self.highest: EpochReport | None = None
        self.kept: EpochReport | None = None
        self.weights: list[Any] = []
        self.stalled = 0
        self._images = images

    def hear(self, report: EpochReport, weights: Callable[[], list[Any]]) -> bool:
        """Take a measurement in; returns whether its ``weights`` are kept now."""
        best = self.highest
        if best is None or (report.f1, -report.val_loss) > (best.f1, -best.val_loss):
            self.highest = best = report
            self.stalled = 0
        else:
            self.stalled += 1
        if report.f1 < best.f1 - ERRORS * share_error(best.f1, self._images):
            return False
        self.kept, self.weights = report, weights()
        return True
