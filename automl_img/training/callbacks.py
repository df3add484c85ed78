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
from automl_img.training.keeping import Keeping
from automl_img.training.scoring import Scorer
from automl_img.training.spec import STOPPED, EpochReport, FailureKind, TrialFailure

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
            self._end(STOPPED)
        elif self.clock.out_of_time:
            self._end("time")
        elif self.clock.steps >= self.clock.total_steps:
            self._end("epochs")
        elif self.clock.is_cool:
            self._end("patience")

    def _end(self, why: str) -> None:
        self.why_ended = why
        self.model.stop_training = True


class Evaluation(keras.callbacks.Callback):
    """Measures the validation split after each Keras epoch. Stands after all other callbacks that change weights.

    Args:
        scorer: Runs the network.
        images, labels: All images of the store and their labels.
        indices: The validation split.
        task: What the labels mean, and which F1 they are judged by.
        images_per_step: Batch size.
        examples: Number of training images.
        clock: The clock of this phase of the training, with its callback.
        earlier_steps: Steps of the phases before.
        done: Share of the training that these were, 0 to 1.
        share: That this phase is.
        keeping: Keeps the weights.
        patience: Measurements without a better F1 after which the training comes to an early end, if it may and its regularizers have
            settled. On a plateau the rate is lowered after every third of them.
        ends_early: Whether it may.
        report: Receives each measurement.
        kept: Called when other weights are kept.
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
        earlier_steps: int,
        done: float,
        share: float,
        keeping: Keeping,
        patience: int,
        ends_early: bool,
        report: Callable[[EpochReport], None],
        kept: Callable[[], None],
    ) -> None:
        super().__init__()
        self._scorer, self._network = scorer, network
        self._images, self._labels, self._indices = images, labels[indices], indices
        self._task, self._images_per_step, self._examples = task, images_per_step, examples
        self._clock, self._keeping, self._patience, self._ends_early = clock, keeping, patience, ends_early
        self._earlier_steps, self._done, self._share = earlier_steps, done, share
        self._report, self._kept = report, kept
        self._since = time.monotonic()
        self._steps_before = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start measuring speed."""
        self._since = time.monotonic()
        self._steps_before = self._clock.clock.steps

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measure, keep what is worth it, and see whether more makes sense."""
        clock = self._clock.clock
        trained, steps = clock.steps - self._steps_before, self._earlier_steps + clock.steps
        speed = trained * self._images_per_step / max(1e-9, time.monotonic() - self._since)
        logits = self._scorer.logits(self._images, self._indices)
        if not np.isfinite(logits).all():
            raise TrialFailure(FailureKind.NONFINITE, f"the network's answers are not finite after {steps} steps")
        score = self._task.score(self._labels, logits)
        report = EpochReport(
            epoch=steps * self._images_per_step / self._examples,
            steps=steps,
            loss=float((logs or {}).get("loss", math.nan)),
            val_loss=score.loss,
            f1=score.f1,
            progress=min(1.0, self._done + self._share * clock.progress()),
            images_per_second=speed,
        )
        if isinstance(logs, dict):
            logs["val_f1"], logs["val_loss"] = report.f1, report.val_loss
        if self._keeping.hear(report, self._network.get_weights):
            self._kept()
        self._act_if_stalled()
        self._report(report)

    def _act_if_stalled(self) -> None:
        stalled = self._keeping.stalled
        if stalled and self._clock.schedule == "reduce_on_plateau" and stalled % max(2, self._patience // 3) == 0:
            self._clock.level *= PLATEAU_FACTOR
        if self._ends_early and stalled >= self._patience and self._keeping.settled:
            self._clock.clock.cool_down()
