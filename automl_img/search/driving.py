"""Drives the trials of a search: hands them from the scheduler to the executor, and what came of them to the journal."""

from __future__ import annotations

import contextlib
import shutil
import time
from bisect import insort
from collections.abc import Mapping
from dataclasses import replace

from automl_img import events
from automl_img.executors import Done, Epoch, Executor, Failed, Message, Saved
from automl_img.executors.local import attempt_folder
from automl_img.plugin import Signal
from automl_img.search.journal import TrialRow
from automl_img.search.run import Run
from automl_img.search.scheduler import Scheduler
from automl_img.training.artifacts import CHECKPOINT_FILE, WEIGHTS_FILE
from automl_img.training.spec import CUT_OFF, INTERRUPTED, STOPPED, EpochReport, FailureKind, TrialResult, TrialSpec

POLL_SECONDS = 0.5
FULL_SECONDS = 1.0  # between two looks at a full disk, which nothing announces to have room again
KEPT_WEIGHTS = 64  # trials that have ended, of which the best keep their weights; at the end far fewer are compared


class Driver:
    """Runs the trials of one search.

    Args:
        run: The search.
        scheduler: Says which trial comes next.
        executor: Runs it.
    """

    def __init__(self, run: Run, scheduler: Scheduler, executor: Executor) -> None:
        self.run, self.scheduler, self.executor = run, scheduler, executor
        rows = run.journal.trials()
        self.best: float | None = max((row.result.f1 for row in rows if row.result), default=None)
        self.attempts: dict[int, TrialSpec] = {}
        self.saved = {row.trial: (_that_saved(row), row.saved) for row in rows if row.status == "running" and row.saved}
        self.stopped: set[int] = set()
        self.interrupted = False
        self._with_weights: list[tuple[float, float, int, int, TrialSpec]] = []
        for row in rows:
            if row.result is not None:
                self._keep_the_best(row.spec, row.result)

    def drive(self) -> None:
        """Run trials until the scheduler has no more, or the search is asked to end."""
        scheduler, executor = self.scheduler, self.executor
        running: set[int] = set()
        stage = ""
        while True:
            self._end_if_asked(running)
            self._wait_for_room()
            signal: Signal | None = None
            while not running or len(running) < executor.slots():  # with no room at all one waits, and asks for it
                answer = scheduler.next(self.run.elapsed)
                if isinstance(answer, Signal):
                    signal = answer
                    break
                if answer.stage != stage:
                    stage = answer.stage
                    self.run.say(events.StageStarted, stage, answer.why, answer.deadline)
                self._begin(answer)
                running.add(answer.trial)
            if signal is Signal.DONE and not running:
                self._leave_nothing_running()
                return
            for message in executor.poll(POLL_SECONDS):
                self._end_if_asked(running)  # what asks all processes to end may have ended some: none is tried again
                self._hear(message, running)

    def _end_if_asked(self, running: set[int]) -> None:
        """Begin nothing more, and let the running trials end in good order, once the search is asked to end."""
        if self.interrupted or not self.run.interruption.asked:
            return
        self.interrupted = True
        self.scheduler.interrupt()
        for trial in running:
            self.executor.stop(trial)

    def _wait_for_room(self) -> None:
        """Write nothing while the disk is full: what trials say waits in their pipes, and nothing begins. The end needs little room."""
        folder = self.run.folder
        if folder.has_room() or self._ends():
            return
        said = f"the disk of {folder.path} is full; the search waits until there is room, and loses nothing"
        self.run.say(events.Decided, said)
        while not folder.has_room() and not self._ends():
            time.sleep(FULL_SECONDS)
        if folder.has_room():
            self.run.decided("the disk had been full; the search goes on")
        elif not self.run.interruption.asked:
            said = f"the disk of {folder.path} is still full, and the time is over: the search ends with what it has"
            self.run.say(events.Decided, said)

    def _ends(self) -> bool:
        return self.run.interruption.asked or self.scheduler.is_over(self.run.elapsed)

    def settle(self, results: Mapping[int, TrialResult]) -> None:
        """Let trials of an earlier process count with the weights that they saved last."""
        for row in self.run.journal.trials():
            if row.trial in results:
                self._count_saved(_that_saved(row), row.spec, results[row.trial], "with the search")

    def _leave_nothing_running(self) -> None:
        """Close trials of an earlier process that there was no time to try again; if the search was asked to end, they go on with it."""
        for row in self.run.journal.trials():
            if row.status == "running" and row.saved is not None:
                self._count_saved(_that_saved(row), row.spec, row.saved, "with the search")
            elif row.status == "running" and not self.interrupted:
                text = "the process that drove the search ended, and no time was left to try again"
                self.run.journal.failed(row.trial, "failed", str(FailureKind.NODE_LOST), text, self.scheduler.changes())

    def _begin(self, spec: TrialSpec) -> None:
        self.attempts[spec.trial] = spec
        self.run.journal.begin(spec, self.scheduler.changes())
        self.run.say(
            events.TrialStarted, spec.trial, spec.stage, spec.architecture, spec.why, spec.values, spec.deadline
        )
        self.executor.submit(spec)

    def _hear(self, message: Message, running: set[int]) -> None:
        spec = self.attempts[message.trial]
        if isinstance(message, Epoch):
            report = message.report
            self.run.journal.epoch(spec.trial, spec.attempt, report)
            self.run.say(
                events.EpochEnded,
                spec.trial,
                report.epoch,
                report.loss,
                report.val_loss,
                report.f1,
                report.progress,
                report.images_per_second,
            )
            self._stop_if_worse(spec, report)
        elif isinstance(message, Saved):
            self.saved[spec.trial] = spec, message.result
            self.run.journal.saved(spec.trial, spec.attempt, message.result)
        elif isinstance(message, Done):
            self._free(spec, running)
            self._done(spec, message.result)
        elif isinstance(message, Failed):
            self._free(spec, running)
            self._failed(spec, message)

    def _free(self, spec: TrialSpec, running: set[int]) -> None:
        running.discard(spec.trial)
        self.scheduler.freed(spec.trial, self.run.elapsed)

    def _stop_if_worse(self, spec: TrialSpec, report: EpochReport) -> None:
        reason = self.scheduler.measured(spec.trial, report)
        if reason and spec.trial not in self.stopped:
            self.stopped.add(spec.trial)
            self.executor.stop(spec.trial)
            self.run.decided(f"trial {spec.trial} ({spec.architecture}) is stopped: {reason}")

    def _done(self, spec: TrialSpec, result: TrialResult) -> None:
        self.saved.pop(spec.trial, None)
        if spec.trial in self.stopped:  # what its strategy has ended does not go on
            (attempt_folder(self.run.folder.trials, spec) / CHECKPOINT_FILE).unlink(missing_ok=True)
        elif self.interrupted and result.why_ended in (STOPPED, CUT_OFF):
            result = replace(result, why_ended=INTERRUPTED)
        self.scheduler.record(spec.trial, result)
        self.run.journal.done(spec.trial, result, self.scheduler.changes())
        self._keep_the_best(spec, result)
        better = self.best is None or result.f1 > self.best
        self.best = result.f1 if better else self.best
        self.run.say(
            events.TrialEnded,
            spec.trial,
            spec.stage,
            spec.architecture,
            result.f1,
            result.val_loss,
            result.epochs,
            result.parameters,
            result.seconds,
            better,
        )

    def _keep_the_best(self, spec: TrialSpec, result: TrialResult) -> None:
        """Delete the weights of the worst trial if this one makes too many: those of thousands would fill the disk before the search ends.

        What another trial may go on from stays, and what goes on itself.
        """
        if self.run.recipe.output.keep == "all" or spec.promotable or result.why_ended == INTERRUPTED:
            return
        insort(self._with_weights, (-result.f1, result.val_loss, result.parameters, spec.trial, spec))
        if len(self._with_weights) > KEPT_WEIGHTS:
            *_, worst = self._with_weights.pop()
            (attempt_folder(self.run.folder.trials, worst) / WEIGHTS_FILE).unlink(missing_ok=True)

    def _failed(self, spec: TrialSpec, failure: Failed) -> None:
        earlier, saved = self.saved.get(spec.trial, (spec, None))
        goes_on = self.run.folder.has_checkpoint(spec.trial)
        if saved is not None and not self.scheduler.may_catch_up(
            spec.trial, failure.kind, saved.seconds, self.run.elapsed, from_checkpoint=goes_on
        ):
            self._count_saved(earlier, spec, saved, f"({failure.kind}: {failure.message})")
            return
        if self.scheduler.leave_open(spec.trial, failure.kind):
            self.run.decided(f"trial {spec.trial} waits until the search goes on: {failure.message}")
            return
        again = self.scheduler.fail(spec.trial, failure.kind, failure.message)
        skipped = failure.kind is FailureKind.SKIPPED
        status, kind = ("skipped", "") if skipped else ("failed", str(failure.kind))
        self.run.journal.failed(spec.trial, status, kind, failure.message, self.scheduler.changes())
        if skipped:
            self.run.say(events.TrialSkipped, spec.architecture, failure.message, spec.trial)
        else:
            text = failure.message + ("; it is tried once more" if again else "")
            self.run.say(events.TrialFailed, spec.trial, spec.stage, spec.architecture, kind, text)

    def _count_saved(self, earlier: TrialSpec, last: TrialSpec, result: TrialResult, how: str) -> None:
        """Let a trial that was cut off count with the weights that one of its attempts saved last."""
        if not self.interrupted:  # else it goes on with the search
            self.run.decided(f"trial {last.trial} was cut off {how}; the weights it had saved count")
        self._hand_on_weights(earlier, last)
        whole = result.why_ended != INTERRUPTED
        self._done(last, result if whole else replace(result, why_ended=CUT_OFF))

    def _hand_on_weights(self, earlier: TrialSpec, last: TrialSpec) -> None:
        """Give the weights that an earlier attempt had saved to the last one, where they are looked for."""
        if earlier.attempt == last.attempt:
            return
        source, place = (attempt_folder(self.run.folder.trials, spec) / WEIGHTS_FILE for spec in (earlier, last))
        with contextlib.suppress(OSError):  # then the trial has a figure and no weights, as one whose weights are torn
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)


def _that_saved(row: TrialRow) -> TrialSpec:
    """The attempt at a trial whose weights count until a later one saves some."""
    return replace(row.spec, attempt=row.saved_attempt)
