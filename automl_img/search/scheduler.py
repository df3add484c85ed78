"""Decides which trial comes next. Has no files, no processes and no clock: time comes in as an argument."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import Any

from automl_img.plugin import DONE, WAIT, Outcome, SearchStrategy, Signal, Suggestion
from automl_img.search.budget import Budget
from automl_img.search.finals import Final, FinalTrainings, best_of_each, last_resorts, one_training
from automl_img.search.journal import TrialRow
from automl_img.search.metering import DeviceMeter
from automl_img.search.policy import AugmentationPolicy
from automl_img.search.prospects import Prospects
from automl_img.search.records import Records
from automl_img.search.retrying import CAUGHT_UP, Retries
from automl_img.search.space import SearchSpace
from automl_img.search.stages import LEAST_EPOCHS, SHORTEST_LOOK, StagePlan, extended
from automl_img.search.staging import epoch_seconds, expected_suggestions, looks, planned
from automl_img.search.suggesting import FEW, Suggester
from automl_img.search.trials import (
    FINAL,
    LOOK,
    REPEAT,
    SEARCH,
    Record,
    Rules,
    Start,
    attempt_name,
    make_spec,
    worth,
)
from automl_img.training.spec import INTERRUPTED, EpochReport, FailureKind, TrialResult, TrialSpec

LEAST_FULL = 0.3  # of the first final training's time, below which another one is not begun
SEED_STEP = 1_000_003  # between the seeds of repeats


class Scheduler:
    """Hands out trials in stages: looks at starting points, a search among the promising, the final training of the best.

    Without a time budget, or with few trials, there is one stage in which each trial is a full training.

    Args:
        space: The search space.
        starts: Starting points, in the order in which they are tried.
        strategy: Chooses the trials of the search; not started yet.
        budget: What may be spent.
        rules: What does not change.
        elapsed: Seconds since the search began.
        decided: Receives a sentence for each decision a person may want to know.
        earlier: What another search has found in this space.
    """

    def __init__(
        self,
        space: SearchSpace,
        starts: Sequence[Start],
        strategy: SearchStrategy,
        budget: Budget,
        rules: Rules,
        elapsed: float,
        decided: Callable[[str], None] = lambda text: None,
        earlier: Sequence[Outcome] = (),
    ) -> None:
        self.budget = budget
        self.stage = ""
        self._rules, self._decided = rules, decided
        self._suggester = Suggester(space, strategy, rules, decided, earlier)
        self._starts = list(starts)
        self._records = Records()
        self._meter = DeviceMeter(rules.device_seconds, rules.devices)
        self._retries = Retries(self._records)
        self._number = 0
        self._policy = AugmentationPolicy(rules, space.fixed)
        self._finals = FinalTrainings()
        self._stopping = False
        self._gone: frozenset[int] = frozenset()
        self.plan = planned(rules, self._starts, budget.trials_left, elapsed, self._end(elapsed))
        self._queue, self.skipped = looks(self.plan, self._starts, rules.overhead)
        self.trains_at_once = self.plan is not None and self.plan.is_one_training(
            elapsed, epoch_seconds(rules, self._starts[0])
        )
        if self.trains_at_once:
            self._finals.choose(one_training(self._queue.pop(), self._starts))

    # -- what the engine calls ---------------------------------------------------------------------------------------------------

    def next(self, elapsed: float) -> TrialSpec | Signal:
        """Return the next trial, WAIT until a running one has ended, or DONE."""
        answer = self._next(elapsed)
        if isinstance(answer, TrialSpec):
            self._meter.begin(answer.trial, elapsed, self._devices(answer))
        return answer

    def is_over(self, elapsed: float) -> bool:
        """Whether the time for all training has gone."""
        return elapsed >= self._end(elapsed)

    @property
    def _epochs_left(self) -> float:
        """Epochs of the budget that no running trial may come to."""
        return self.budget.epochs_left - self._records.epochs_running

    def _devices(self, spec: TrialSpec) -> float:
        if spec.threads == 0:
            return self._rules.devices_alone
        return self._rules.devices / self._rules.finals if spec.stage == FINAL else self._rules.devices_each

    def _next(self, elapsed: float) -> TrialSpec | Signal:
        if self._retries and not self._stopping:
            return self._launch_again(self._retries.take(), elapsed)
        if self._stopping or self.budget.trials_left < 1 or self._epochs_left < 1:
            return WAIT if self._records.running else DONE
        spec = self._next_full(elapsed) if self.plan is None else self._next_staged(elapsed, self.plan)
        return spec if spec is not DONE or not self._records.running else WAIT

    def freed(self, trial: int, elapsed: float) -> None:
        """A trial's process has ended, and with it the device time that it took; :meth:`record` or :meth:`fail` follows."""
        self._meter.end(trial, elapsed)

    def measured(self, trial: int, report: EpochReport) -> str:
        """A trial has measured itself; returns why it should end now, or an empty text to let it go on."""
        record = self._records[trial]
        record.curve.append((report.progress, report.f1))
        return self._suggester.measured(record) if record.spec.stage == SEARCH and not self._stopping else ""

    def record(self, trial: int, result: TrialResult) -> None:
        """A trial has ended well, or was interrupted: it goes on when the search does, and nothing is learned of it before."""
        record = self._records.end(trial)
        record.result = result
        self._retries.forget(trial)
        if result.why_ended == INTERRUPTED:
            return
        self.budget = self.budget.with_epochs(result.epochs - result.epochs_before)
        if self._policy.learn(result.affinity):
            self._decided(self._policy.sentence(late=self._suggester.started))
        self._suggester.tell(record, result.f1)

    def fail(self, trial: int, kind: FailureKind, message: str) -> bool:
        """A trial has ended without a result; returns whether it will be tried again."""
        record = self._records.end(trial)
        record.failure = kind
        if not self._stopping and self._retries.after(trial, kind):
            return True
        done = record.curve[-1][0] if record.curve else 0.0
        trained = done * record.spec.fidelity.epochs - self._records.epochs_before(record.spec.continues)
        self.budget = self.budget.with_epochs(max(1.0, trained))
        self._suggester.tell(record, None)
        return False

    def leave_open(self, trial: int, kind: FailureKind) -> bool:
        """Let a trial that has lost its node go on with the search, if this is asked to end; returns whether it is."""
        if not self._stopping or kind is not FailureKind.NODE_LOST:
            return False
        self._records.end(trial)
        return True

    def may_catch_up(
        self, trial: int, kind: FailureKind, seconds: float, elapsed: float, *, from_checkpoint: bool = False
    ) -> bool:
        """Whether a trial that has failed so may begin again, and there is time to bring it further than it was after ``seconds``."""
        deserved = kind in CAUGHT_UP and self._retries.deserves(trial, kind)
        return deserved and not self._stopping and self._catches_up(seconds, elapsed, from_checkpoint=from_checkpoint)

    def _catches_up(self, seconds: float, elapsed: float, *, from_checkpoint: bool) -> bool:
        """Whether another attempt comes further than one that was cut off after ``seconds``, in the time that is left."""
        needed = SHORTEST_LOOK + self._rules.overhead if from_checkpoint else seconds
        return needed <= self._end(elapsed) - elapsed

    @property
    def waiting(self) -> set[str]:
        """Architectures of the starting points that are still to be tried."""
        return {start.architecture for start in self._queue}

    @property
    def failure(self) -> str:
        """Why the search goes on without its strategy; empty: it has not failed."""
        return self._suggester.failure

    def interrupt(self) -> None:
        """Begin nothing more."""
        self._stopping = True

    def changes(self) -> dict[str, Any]:
        """Return what has changed since the last call of all that :meth:`restore` needs beside the journal's trials.

        These are entries by name, as JSON can hold them. Each trial has its own, so that no more is to be written when there are many.
        """
        own = {
            "number": self._number,
            "stage": self.stage,
            "queue": [self._starts.index(start) for start in self._queue],
            "retries": self._retries.state(),
            "affinity": self._policy.affinity,
            **self._finals.state(),
            "plan": None if self.plan is None else asdict(self.plan),
            "spent": [self.budget.trials_spent, self.budget.epochs_spent],
            "meter": self._meter.state(),
        }
        return {"scheduler": own, **self._records.changes(), **self._suggester.changes()}

    def restore(
        self,
        state: Mapping[str, Any],
        trials: Iterable[TrialRow],
        elapsed: float,
        *,
        curves: Mapping[int, Sequence[tuple[float, float]]] = MappingProxyType({}),
        gone: Collection[int] = (),
        anew: bool = False,
        ended: float | None = None,
    ) -> dict[int, TrialResult]:
        """Go on where another process ended. Called before anything else.

        Args:
            state: All entries that :meth:`changes` returned, each as it was last.
            trials: All trials of the journal.
            elapsed: Seconds of the budget that have gone.
            curves: The measurements of each trial, as the journal has them.
            gone: Trials without a checkpoint to go on from: another attempt at one of them begins anew, and what continues it.
            anew: Let the strategy start anew if the space has changed.
            ended: Seconds that had gone when that process was last heard of, and its trials took device time; None: ``elapsed``.

        Returns:
            Trials that were running and cannot be brought further in the time that is left, or had been given less than there is
            now, each with what its saved weights are worth. They are to be recorded. All others that were running are tried again.

        Raises:
            PluginError: The space is another one.
        """
        own, self._gone = state["scheduler"], frozenset(gone)
        plan_now, starts_now = self.plan, self._queue
        self._number, self.stage = own["number"], own["stage"]
        self._queue = [self._starts[place] for place in own["queue"]]
        self._policy.affinity = dict(own["affinity"])
        self._finals.restore(own)
        self.budget = replace(self.budget, trials_spent=own["spent"][0], epochs_spent=own["spent"][1])
        self._meter.restore(own["meter"], elapsed if ended is None else ended)
        end = self._end(elapsed)
        self._retries.restore(own["retries"])
        plan = None if own["plan"] is None else StagePlan(**own["plan"])
        if plan is None:
            self.plan = None
        elif not math.isinf(end):
            self.plan = extended(plan, end, self._rules.final_share)
        again = plan is not None and self._may_search_again(plan.end, elapsed)
        settled: dict[int, TrialResult] = {}
        for row in trials:
            self._records.restore(row, state[f"trial/{row.trial}"], curves.get(row.trial, ()))
            if row.status != "running" or row.trial in self._retries:
                continue
            goes_on = row.trial not in self._gone
            if row.saved is not None and (
                again or not self._catches_up(row.saved.seconds, elapsed, from_checkpoint=goes_on)
            ):
                settled[row.trial] = row.saved
            else:
                self._retries.go_on(row.spec)
        if self._suggester.restore(state, anew=anew):
            self._records.rename()  # a strategy that starts anew gives the same names again
            self._suggester.learn(self._records.done())
        if self._suggester.started:
            self._suggester.remember(self._records.of_stage(SEARCH))
        if again and not self._retries:
            self._search_again(plan_now, starts_now)
        return settled

    def _may_search_again(self, end: float, elapsed: float) -> bool:
        """Whether a search that had ended at ``end`` was given so much more time that it can search on."""
        plan = self.plan
        if plan is None or not self._finals.chosen:
            return False
        return plan.end - end >= plan.search_slot and elapsed + plan.search_slot <= plan.search_end

    def _search_again(self, plan: StagePlan | None, starts: Sequence[Start]) -> None:
        """Search on, before the best is trained in full again, by a plan for the time there is now.

        What had no time for a look gets one, and trials are as long as that time allows.
        """
        self._finals = FinalTrainings()
        if plan is not None and not self.trains_at_once:
            self.plan = plan
            self._queue += [start for start in starts if start.architecture not in self._records.architectures]

    def _end(self, elapsed: float) -> float:
        """When all training must have ended, as far as is known now."""
        return min(self._rules.end, self._meter.moment(elapsed))

    # -- every trial a full training ---------------------------------------------------------------------------------------------

    def _next_full(self, elapsed: float) -> TrialSpec | Signal:
        rules = self._rules
        left = self._end(elapsed) - elapsed
        if left < SHORTEST_LOOK + self._rules.overhead:
            return DONE
        first = not self._records
        if self._queue and rules.probe and not first and not self._policy.affinity and self._records.running:
            return WAIT  # the first trial tells which augmentations suit the images
        deadline = None
        if not math.isinf(left):
            parallel = 1 if first and rules.probe else min(rules.slots, self.budget.trials_left)
            deadline = min(left, max(SHORTEST_LOOK + rules.overhead, left * parallel / max(1, self.budget.trials_left)))
            if math.isinf(self.budget.trials_left):
                deadline = left
        # The last one of a budget runs beside those that have not ended.
        threads = self._threads(2 if self._records.running else min(rules.slots, self.budget.trials_left))
        if self.budget.trials_left <= rules.repeats - self._records.repeated and self._records.done():
            # Which configuration is the best is known when all others have ended.
            return WAIT if self._records.first_runs else self._repeat(deadline, threads)
        if self._queue:
            start = self._queue.pop(0)
            values = dict(start.values) if first else self._with_policy(start.values, rules.epochs)
            why = f"the starting point of {start.architecture}"
            return self._launch(SEARCH, why, values, deadline, threads=threads, probe=self._probe())
        return self._suggested(elapsed, deadline, None, threads)

    # -- stages ------------------------------------------------------------------------------------------------------------------

    def _next_staged(self, elapsed: float, plan: StagePlan) -> TrialSpec | Signal:
        rules = self._rules
        if self._queue and self._records and self._end(elapsed) - elapsed < SHORTEST_LOOK + rules.overhead:
            self._queue.clear()  # an earlier process has left no time for them
        if self._queue:
            self.stage = LOOK
            start = self._queue.pop(0)
            why = f"a look at {start.architecture}"
            seconds = min(plan.look_seconds, self._seconds_until(plan.search_end, elapsed))
            return self._launch(
                LOOK,
                why,
                start.values,
                2 * plan.look_slot,
                seconds=seconds,
                threads=self._threads(min(rules.slots, plan.looks)),
                probe=self._probe(),
                required=(LEAST_EPOCHS, plan.final_seconds * rules.slots),
            )
        if not self._finals.chosen:
            spec = DONE if self._finals.ahead else self._next_of_search(elapsed, plan)
            if spec is not DONE:
                return spec
            if self._records.exploring:
                return self._final_ahead(elapsed, plan) if self._may_begin_ahead() else WAIT
            self._choose_finals()
        return self._next_final(elapsed, plan)

    def _next_of_search(self, elapsed: float, plan: StagePlan) -> TrialSpec | Signal:
        if elapsed + plan.search_slot > plan.search_end or not self._has_more_than_a_final():
            return DONE
        if not self._suggester.started and self._records.running:
            return WAIT  # which architectures are promising is known when the last look has ended
        if not self._records.done():
            return DONE
        self.stage = SEARCH
        threads = self._threads(self._rules.slots)
        return self._suggested(elapsed, 2 * plan.search_slot, plan.search_seconds, threads)

    def _has_more_than_a_final(self) -> bool:
        """Whether the budget has trials and epochs left beside those of a final training."""
        return self.budget.trials_left > 1 and self.budget.epochs_left > self._rules.epochs

    def _may_begin_ahead(self) -> bool:
        """Whether the first of two final trainings has its cores free while the last trials before them still run.

        Should one of those turn out better, it is the partner.
        """
        rules, records = self._rules, self._records
        if rules.finals == 1 or self._finals.ahead or self.budget.trials_left < rules.finals:
            return False
        free = (rules.slots - records.exploring) * rules.threads
        return free >= rules.final_threads and not records.probing and self._together() > 1

    def _final_ahead(self, elapsed: float, plan: StagePlan) -> TrialSpec:
        self.stage = FINAL
        best = best_of_each(self._ranked(), self._in_full(self._rules.finals), self._prospects)[0]
        final = self._finals.begin_ahead(best, self._rules.finals)
        return self._launch_final(final, self._left(elapsed, plan))

    def _next_final(self, elapsed: float, plan: StagePlan) -> TrialSpec | Signal:
        rules = self._rules
        left = self._left(elapsed, plan)
        if self._records.running:
            return self._launch_final(self._finals.begin_beside(), left) if self._finals.beside else WAIT
        first = self.stage != FINAL
        anything = bool(self._records.done())
        least = rules.overhead
        if anything:
            least += SHORTEST_LOOK
            least = least if first else max(least, LEAST_FULL * plan.final_seconds)
        if left < least:
            return DONE
        if not self._finals:
            if first or not anything:
                return DONE
            if self._records.repeated < rules.repeats_if_time:
                return self._repeat(left, 0)
            return self._suggested(elapsed, left, None, 0)
        self.stage = FINAL
        return self._launch_final(self._finals.begin(self.budget.trials_left), left)

    def _left(self, elapsed: float, plan: StagePlan) -> float:
        """Seconds for what begins next. Predicted after it are as many networks as share the cores: final trainings, if some are to come.

        What was only looked at is compared with them as far as there is time then.
        """
        finals = self._finals or not self._finals.chosen
        trained = self._finals.next | self._records.in_full if finals else self._records.architectures
        spared = self._prospects.spared(trained, self._finals.together, self._records.done())
        return min(plan.end + spared, self._meter.moment(elapsed)) - elapsed

    def _launch_final(self, final: Final, left: float) -> TrialSpec:
        """Begin a final training; one whose twin runs already gets another seed."""
        why, values = final
        twin = self._records.running_with(values)
        threads = self._rules.final_threads if self._finals.beside or self._records.running else 0
        if twin is not None:
            why = f"trial {twin.spec.trial} under another seed, beside it"
        spec = self._launch(FINAL, why, values, left, threads=threads)
        return spec if twin is None else self._reseeded(spec, twin.spec.trial)

    def _repeat(self, deadline: float | None, threads: int) -> TrialSpec:
        """Train the best configuration once more under another seed."""
        best = min((record for record in self._records.done() if not record.spec.repeats), key=worth)
        assert best.result is not None
        why = f"trial {best.spec.trial} (F1 {best.result.f1:.4f}) under another seed"
        return self._reseeded(self._launch(REPEAT, why, best.spec.values, deadline, threads=threads), best.spec.trial)

    def _reseeded(self, spec: TrialSpec, first: int) -> TrialSpec:
        """Give a trial that repeats the trial ``first`` a seed of its own."""
        seed = (self._rules.seed + (self._records.repeated + 1) * SEED_STEP) % 2**31
        spec = replace(spec, seed=seed, repeats=first)
        self._records[spec.trial].spec = spec
        return spec

    def _together(self) -> int:
        """How many final trainings run side by side: several if the best one sees the images often enough with a part of the cores."""
        ranked = self._ranked()
        beside = self._finals.ahead or (bool(ranked) and self._prospects.has_time_beside(ranked[0]))
        return self._rules.finals if beside else 1

    def _choose_finals(self) -> None:
        ranked, together = self._ranked(), self._together()
        if ranked:
            finals = best_of_each(ranked, self._in_full(together), self._prospects, together=together)
            self._finals.choose(finals, together=together)
            if early := self._policy.too_slow(self._prospects.passes(ranked[0], together)):
                self._decided(early)
        else:
            self._finals.choose(last_resorts(self._starts, self._records.broken()))

    # -- trials ------------------------------------------------------------------------------------------------------------------

    def _suggested(
        self, elapsed: float, deadline: float | None, seconds: float | None, threads: int
    ) -> TrialSpec | Signal:
        if not self._suggester.started and not self._suggester.exhausted:
            self._start_strategy(elapsed)
        suggestion = self._suggester.ask()
        if not isinstance(suggestion, Suggestion):
            return suggestion
        why = f"suggested by {self._suggester.name}"
        epochs = max(1, round(suggestion.fraction * self._rules.epochs))
        return self._launch(
            SEARCH,
            why,
            suggestion.values,
            deadline,
            seconds=seconds,
            threads=threads,
            key=suggestion.key,
            epochs=epochs,
            fraction=suggestion.fraction,
            continues=self._attempt_of(suggestion.continues),
        )

    def _start_strategy(self, elapsed: float) -> None:
        trials = self.budget.trials_left
        if self.plan is not None:
            trials = min(trials, max(1, expected_suggestions(self.plan, self._rules.slots, elapsed)))
        elif math.isinf(trials):
            trials = FEW
        self._suggester.start(self._ranked(), int(trials), self._policy.affinity, narrow=self.plan is not None)
        self._suggester.remember(self._records.of_stage(SEARCH))

    def _launch(
        self,
        stage: str,
        why: str,
        values: Mapping[str, Any],
        deadline: float | None,
        *,
        threads: int,
        seconds: float | None = None,
        probe: tuple[str, ...] = (),
        required: tuple[float, float] = (0.0, 0.0),
        key: str = "",
        epochs: int | None = None,
        fraction: float = 1.0,
        continues: str = "",
    ) -> TrialSpec:
        self._number += 1
        self.budget = self.budget.with_trial()
        before = self._records.epochs_before(continues)
        spec = make_spec(
            self._number,
            stage,
            why,
            values,
            self._rules,
            deadline=deadline,
            epochs=min(self._rules.epochs if epochs is None else epochs, before + self._epochs_left),
            seconds=seconds,
            threads=threads,
            probe=probe,
            required=required,
        )
        spec = replace(spec, continues=continues, promotable=self._suggester.promotes and fraction < 1)
        self._records.begin(Record(spec, key or f"start-{spec.trial}", fraction))
        return spec

    def _probe(self) -> tuple[str, ...]:
        """The augmentations that the next trial measures: the first one does, and if it fails, the one after it."""
        return () if self._policy.affinity or self._records.probing else self._rules.probe

    def _attempt_of(self, key: str | None) -> str:
        """Return the attempt whose checkpoint a promoted suggestion goes on from."""
        record = self._records.of_key(key) if key else None
        return "" if record is None or record.spec.trial in self._gone else attempt_name(record.spec)

    def _launch_again(self, spec: TrialSpec, elapsed: float) -> TrialSpec | Signal:
        left = self._end(elapsed) - elapsed
        if left < SHORTEST_LOOK + self._rules.overhead:
            self._suggester.tell(self._records[spec.trial], None)
            return self._next(elapsed)
        if spec.deadline is not None and not math.isinf(left):
            spec = replace(spec, deadline=min(spec.deadline, left))
        self._records.begin_again(spec)
        self._gone -= {spec.trial}  # this attempt leaves its own checkpoint
        return spec

    def _threads(self, parallel: float) -> int:
        return self._rules.threads if parallel > 1 else 0

    def _seconds_until(self, moment: float, elapsed: float) -> float:
        return max(SHORTEST_LOOK, moment - elapsed - self._rules.overhead)

    # -- what was learned --------------------------------------------------------------------------------------------------------

    @property
    def _prospects(self) -> Prospects:
        return Prospects(self._rules, self._starts, 0.0 if self.plan is None else self.plan.final_seconds)

    def _ranked(self) -> list[Record]:
        return self._prospects.ranked(self._records.done())

    def _in_full(self, together: int) -> Callable[[Record], dict[str, Any]]:
        """Return what gives the values of a trial for its final training, when so many run side by side."""
        prospects = self._prospects
        return lambda record: self._with_policy(record.spec.values, prospects.passes(record, together))

    def _with_policy(self, values: Mapping[str, Any], passes: float) -> dict[str, Any]:
        """What was tried, whatever the search has been narrowed to since, with the augmentations that suit the images and the training."""
        return self._suggester.whole.complete({**values, **self._policy.values(passes)})
