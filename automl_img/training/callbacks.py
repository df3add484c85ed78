"""Keras callbacks of a trial: its clock and learning rate, and its measurement by macro-F1."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from automl_img.tasks import Task
from automl_img.training.clock import TrainingClock
from automl_img.training.scoring import Scorer
from automl_img.training.spec import EpochReport, FailureKind, TrialFailure

PLATEAU_FACTOR = 0.3


class ClockCallback(keras.callbacks.Callback):
    """Sets the learning rate before each execution, and ends the training when its time or its steps are over.

    Args:
        clock: The trial's clock.
        schedule: Name of the schedule.
        peak: Highest learning rate.
        stop_asked: Tells whether the search wants this trial to end in good order.
    """

    def __init__(self, clock: TrainingClock, schedule: str, peak: float, stop_asked: Callable[[], bool]) -> None:
        super().__init__()
        self.clock = clock
        self.schedule = schedule
        self.level = 1.0
        self.why_ended = ""
        self._peak = peak
        self._stop_asked = stop_asked

    def set_params(self, params: dict[str, Any]) -> None:
        """Offer the progress to all callbacks, which share ``params``."""
        super().set_params(params)
        params["progress"] = self.clock.progress

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the learning rate of the next steps."""
        rate = self.clock.learning_rate(self.schedule, self._peak * self.level, self.model.steps_per_execution)
        self.model.optimizer.learning_rate.assign(rate)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count, and see whether it is enough."""
        self.clock.steps += self.model.steps_per_execution
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise TrialFailure(FailureKind.NONFINITE, f"the loss became {loss} after {self.clock.steps} steps")
        if self._stop_asked():
            self._end("stopped")
        elif self.clock.out_of_time:
            self._end("time")
        elif self.clock.steps >= self.clock.total_steps:
            self._end("epochs")

    def _end(self, why: str) -> None:
        self.why_ended = why
        self.model.stop_training = True


class Evaluation(keras.callbacks.Callback):
    """Measures the validation split after each Keras epoch and keeps the best weights in memory.

    The best is the highest F1; ties go to the lower loss. Stands after all other callbacks that change weights.

    Args:
        scorer: Runs the network.
        images, labels: All images of the store and their labels.
        indices: The validation split.
        task: What the labels mean, and which F1 they are judged by.
        images_per_step: Batch size.
        examples: Number of training images.
        clock: The trial's clock, with its callback.
        patience: Measurements without a better F1 after which the training ends.
        report: Receives each measurement.
        improved: Called when there are new best weights.
    """

    def __init__(
        self,
        *,
        scorer: Scorer,
        network: Any,
        images: Any,
        labels: npt.NDArray[Any],
        indices: npt.NDArray[np.int64],
        task: Task,
        images_per_step: int,
        examples: int,
        clock: ClockCallback,
        patience: int,
        report: Callable[[EpochReport], None],
        improved: Callable[[], None],
    ) -> None:
        super().__init__()
        self.best: EpochReport | None = None
        self.best_weights: list[Any] = []
        self.stalled = 0
        self._scorer, self._network = scorer, network
        self._images, self._labels, self._indices = images, labels[indices], indices
        self._task, self._images_per_step, self._examples = task, images_per_step, examples
        self._clock, self._patience = clock, patience
        self._report, self._improved = report, improved
        self._since = time.monotonic()
        self._steps_before = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start measuring speed."""
        self._since = time.monotonic()
        self._steps_before = self._clock.clock.steps

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure, keep the best, and see whether more makes sense."""
        clock = self._clock.clock
        trained = clock.steps - self._steps_before
        speed = trained * self._images_per_step / max(1e-9, time.monotonic() - self._since)
        logits = self._scorer.logits(self._images, self._indices)
        if not np.isfinite(logits).all():
            raise TrialFailure(FailureKind.NONFINITE, f"the network's answers are not finite after {clock.steps} steps")
        score = self._task.score(self._labels, logits)
        report = EpochReport(
            epoch=clock.steps * self._images_per_step / self._examples,
            steps=clock.steps,
            loss=float((logs or {}).get("loss", math.nan)),
            val_loss=score.loss,
            f1=score.f1,
            progress=clock.progress(),
            images_per_second=speed,
        )
        if isinstance(logs, dict):
            logs["val_f1"], logs["val_loss"] = report.f1, report.val_loss
        self._keep_best(report)
        self._report(report)

    def _keep_best(self, report: EpochReport) -> None:
        if self.best is None or (report.f1, -report.val_loss) > (self.best.f1, -self.best.val_loss):
            self.best = report
            self.best_weights = self._network.get_weights()
            self.stalled = 0
            self._improved()
            return
        self.stalled += 1
        if self._clock.schedule == "reduce_on_plateau" and self.stalled % max(2, self._patience // 3) == 0:
            self._clock.level *= PLATEAU_FACTOR
        if self.stalled >= self._patience:
            self._clock.why_ended = "patience"
            self.model.stop_training = True
