"""Which of a training's measurements gives the weights that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from automl_img.tasks.scores import share_error
from automl_img.training.spec import EpochReport

ERRORS = 2.0  # standard errors below the highest F1, within which a measurement is as good as far as anybody can tell


class Keeping:
    """Keeps the weights of the last measurement that is as good as the best one, as far as the validation images can tell.

    The highest F1 of many measurements is partly luck, the more so the fewer images there are, while later weights have seen more images
    at lower learning rates. ``benchmarks/best_measurement.py`` has what this and other rules give on test images.

    What was measured before all regularizers had settled, such as one that prunes, counts only until they have: it was another network's.

    Args:
        images: How many the validation split has.

    Attributes:
        highest: The measurement with the highest F1; of equals that with the lower loss.
        own_highest: That of this trial alone. It may be lower where the trial goes on from another one's checkpoint: that one's highest was
            measured at the end of a schedule, at a learning rate of zero.
        kept: The one whose weights are kept.
        weights: Those weights.
        stalled: Measurements since this trial's highest, in this phase of the training.
    """

    def __init__(self, images: int) -> None:
        self.highest: EpochReport | None = None
        self.own_highest: EpochReport | None = None
        self.kept: EpochReport | None = None
        self.weights: list[Any] = []
        self.stalled = 0
        self._images = images
        self._regularizers: Sequence[Any] = ()
        self._had_settled = True

    @property
    def settled(self) -> bool:
        """Whether no callback of a regularizer says that it still makes another network of this one."""
        return all(getattr(one, "settled", True) for one in self._regularizers)

    def follow(self, regularizers: Sequence[Any]) -> None:
        """A phase of the training begins, or goes on, with these callbacks."""
        self._regularizers = regularizers
        self._had_settled = self.settled

    def hear(self, report: EpochReport, weights: Callable[[], list[Any]]) -> bool:
        """Take a measurement in; returns whether its ``weights`` are kept now."""
        if self.settled and not self._had_settled:
            self.highest = self.own_highest = None
        self._had_settled = self.settled
        if self.own_highest is None or _is_higher(report, self.own_highest):
            self.own_highest = report
            self.stalled = 0
        else:
            self.stalled += 1
        best = self.highest
        if best is None or _is_higher(report, best):
            self.highest = best = report
        if report.f1 < best.f1 - ERRORS * share_error(best.f1, self._images):
            return False
        self.kept, self.weights = report, weights()
        return True


def _is_higher(one: EpochReport, other: EpochReport) -> bool:
    return (one.f1, -one.val_loss) > (other.f1, -other.val_loss)
