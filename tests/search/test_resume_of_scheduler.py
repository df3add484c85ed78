"""A scheduler that goes on where another process ended, without training anything."""

import itertools
import json
import math
from dataclasses import replace

import pytest
from automl_img_strategies.random import RandomSearch
from automl_img_strategies.successive_halving import SuccessiveHalving

from automl_img.errors import PluginError
from automl_img.plugin import DONE, WAIT, Parameter, SearchStrategy, Suggestion
from automl_img.search.budget import Budget
from automl_img.search.journal import TrialRow
from automl_img.search.scheduler import Scheduler
from automl_img.search.space import SearchSpace
from automl_img.search.stages import StagePlan, extended
from automl_img.search.trials import Rules, Start
from automl_img.training.spec import INTERRUPTED, FailureKind, TrialResult

NAMES = ("small", "middle", "large")


class Counting(SearchStrategy):
    """Suggests learning rates by number, and remembers what it was told."""

    name = "counting"

    def start(self, problem):
        self.parameters = [parameter.name for parameter in problem.parameters]
        self.asked, self.told = 0, []
        self.architecture = next(p.values[0] for p in problem.parameters if p.name == "architecture")

    def ask(self):
        self.asked += 1
        return Suggestion(
            f"s{self.asked}", {"architecture": self.architecture, "optimizer.adamw.lr": 0.001 * self.asked}
        )

    def tell(self, outcome):
        self.told.append(outcome.key)

    def state(self):
        return {"asked": self.asked, "told": self.told, "parameters": self.parameters}

    def restore(self, state):
        if state["parameters"] != self.parameters:
            raise PluginError("another space")
        self.asked, self.told = state["asked"], state["told"]


def space(*more):
    return SearchSpace(
        (
            Parameter("architecture", "choice", NAMES[0], NAMES),
            Parameter("augmentation.flip", "boolean", False),
            Parameter("optimizer", "choice", "adamw", ("adamw",)),
            Parameter("optimizer.adamw.lr", "float", 0.004, low=1e-4, high=0.1),
            Parameter("batch_size", "choice", 128, (64, 128)),
            *more,
        )
    )


def result(trial, seconds=10.0):
    f1 = 0.5 + 0.01 * (trial % 7)
    affinity = {"flip": 0.9} if trial == 1 else {}
    return TrialResult(f1, 0.5, 2.0, 2.0, 10, 1000, 1.0, seconds, 8.0, 20_000.0, "time", "", affinity)


class Play:
    """A search with a clock of its own, whose process can end between any two things that happen."""

    def __init__(self, end, trials, slots=1, kind=Counting, **rules):
        self.end, self.trials, self.slots, self.kind, self.rules = end, trials, slots, kind, rules
        self.now, self.rows, self.running, self.state = 5.0, {}, [], {}
        self.launched = []
        self.new_process()

    def new_process(self, more=(), anew=False, gone=(), ended=None):
        starts = [Start(name, space().start(name, {}), 1e-4 * (i + 1)) for i, name in enumerate(NAMES)]
        rules = Rules(7, 50, 5, 50_000, self.slots, self.end, 0.6, "float32", probe=("flip",), **self.rules)
        budget = Budget(time=None if math.isinf(self.end) else self.end + 20, trials=self.trials)
        self.strategy = self.kind()
        self.scheduler = Scheduler(space(*more), starts, self.strategy, budget, rules, self.now)
        settled = {}
        if self.state:
            state = {name: json.loads(entry) for name, entry in self.state.items()}
            settled = self.scheduler.restore(state, self.rows.values(), self.now, anew=anew, gone=gone, ended=ended)
        self.running = []
        for trial, found in settled.items():
            self.done(trial, found)
        return settled

    def keep(self, trial, **changes):
        self.rows[trial] = replace(self.rows[trial], **changes)
        self.state |= {name: json.dumps(entry) for name, entry in self.scheduler.changes().items()}

    def done(self, trial, found):
        self.scheduler.record(trial, found)
        self.keep(trial, status="done", result=found)

    def step(self):
        """Let one thing happen; returns False at the end."""
        answer = self.scheduler.next(self.now) if len(self.running) < self.slots else WAIT
        if answer is DONE:
            return False
        if answer is WAIT:
            self.running.sort()
            end, trial = self.running.pop(0)
            self.now = max(self.now, end)
            self.done(trial, result(trial))
            return True
        self.launched.append(answer)
        self.rows.setdefault(
            answer.trial, TrialRow(answer.trial, answer.stage, answer.architecture, "", "", "", answer, None)
        )
        self.keep(answer.trial, status="running", spec=answer)
        length = answer.fidelity.seconds or answer.deadline or 30.0  # the worst case: each takes all it may
        self.running.append((self.now + length, answer.trial))
        return True

    def to_the_first_final(self):
        while not self.launched or self.launched[-1].stage != "final":
            assert self.step()

    def to_the_end(self, limit=400):
        for _ in range(limit):
            if not self.step():
                return self
        raise AssertionError("it does not end")


def shown(play):
    return {spec.trial: (spec.stage, spec.why, spec.values, spec.fidelity) for spec in play.launched}


@pytest.mark.parametrize(
    ("kind", "cut"),
    [*((Counting, cut) for cut in range(1, 24, 2)), *itertools.product((RandomSearch, SuccessiveHalving), (8, 13, 16))],
)
def test_the_same_trials_follow_wherever_the_process_ends(kind, cut):
    quiet = Play(math.inf, 10, kind=kind).to_the_end()
    play = Play(math.inf, 10, kind=kind)
    for _ in range(cut):
        play.step()
    finished = {trial for trial, row in play.rows.items() if row.status == "done"}
    play.new_process()
    play.to_the_end()
    assert shown(play) == shown(quiet)
    assert all(row.status == "done" for row in play.rows.values()) and len(play.rows) == 10
    assert all(sum(spec.trial == trial for spec in play.launched) == 1 for trial in finished)


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("cut", [1, 2, 5, 7, 8, 13, 19, 21])
def test_a_time_budget_counts_over_all_processes_and_stages_go_on(cut, slots):
    play = Play(580.0, None, slots)
    for _ in range(cut):
        play.step()
    play.new_process()
    play.to_the_end()
    assert play.now <= 581 and play.launched[-1].stage in ("final", "search")
    stages = [spec.stage for spec in play.launched]
    assert stages.index("final") > max(i for i, stage in enumerate(stages) if stage == "look")
    assert {spec.architecture for spec in play.launched if spec.stage == "look"} == set(NAMES)


def test_full_trainings_stay_full_trainings():
    """What is left of the time would be divided into stages if it were planned anew."""
    play = Play(3000.0, 20)
    for _ in range(8):
        play.step()
    assert play.scheduler.plan is None
    play.now = 1600.0
    play.new_process()
    assert play.scheduler.plan is None
    play.to_the_end()
    assert len(play.rows) == 20 and all(row.spec.fidelity.seconds is None for row in play.rows.values())


def test_final_trainings_side_by_side_begin_again_side_by_side():
    play = Play(580.0, None, 2, finals=2, final_threads=1)
    play.to_the_first_final()
    first = play.launched[-1]
    while len(play.running) < 2 or {play.rows[trial].stage for _, trial in play.running} != {"final"}:
        assert play.step()
    second = play.launched[-1]
    play.new_process()
    again = [play.scheduler.next(play.now), play.scheduler.next(play.now)]
    assert [(spec.trial, spec.attempt, spec.threads) for spec in again] == [(first.trial, 2, 1), (second.trial, 2, 1)]
    assert play.scheduler.next(play.now) is WAIT


def test_a_final_training_that_began_ahead_begins_again_beside_the_last_trial_and_then_has_its_partner():
    play = Play(580.0, None, 2, finals=2, final_threads=1)
    play.to_the_first_final()
    first = play.launched[-1]
    play.new_process()
    for _ in range(2):
        play.step()
    last, again = play.launched[-2:]
    assert last.stage != "final" and (again.trial, again.attempt, again.threads) == (first.trial, 2, 1)
    play.running = [(play.now + 5.0, last.trial), (play.now + 300.0, again.trial)]
    play.step()
    assert play.rows[last.trial].status == "done"
    play.step()
    second = play.launched[-1]
    assert (second.stage, second.threads, second.attempt) == ("final", 1, 1) and second.trial not in (
        first.trial,
        last.trial,
    )
    assert play.scheduler.next(play.now) is WAIT


def test_a_trial_that_was_cut_off_is_a_new_attempt_and_no_new_trial():
    play = Play(math.inf, 3)
    play.step()
    play.new_process()
    again = play.scheduler.next(play.now)
    assert (again.trial, again.attempt, again.continues) == (1, 2, "1/1")
    assert play.scheduler.budget.trials_spent == 1


def test_a_trial_that_was_cut_off_and_then_ended_well_is_not_tried_again():
    play = Play(math.inf, 3)
    play.step()
    play.new_process()
    play.done(
        1, result(1)
    )  # with the weights that it had saved: the search was asked to end before the next attempt began
    play.new_process()
    assert play.scheduler.next(play.now).trial == 2


def test_being_cut_off_does_not_use_up_the_attempts_that_a_crash_has():
    play = Play(math.inf, 3)
    for _ in range(3):  # cut off three times
        play.step()
        play.new_process()
    assert play.step() and play.launched[-1].attempt == 4
    assert play.scheduler.fail(1, FailureKind.CRASHED, "") is True
    play.keep(1, status="failed")
    play.new_process()
    assert play.scheduler.next(play.now).attempt == 5
    assert play.scheduler.fail(1, FailureKind.CRASHED, "") is False


def test_saved_weights_count_where_no_time_is_left_to_do_as_well():
    play = Play(580.0, None)
    play.to_the_first_final()
    trial = play.launched[-1].trial
    play.rows[trial] = replace(play.rows[trial], saved=result(trial, seconds=200.0))
    play.now = 500.0
    assert play.new_process(gone=[trial]) == {trial: result(trial, seconds=200.0)}
    assert play.rows[trial].status == "done"
    play.rows[trial] = replace(play.rows[trial], status="running", result=None, saved=result(trial, seconds=20.0))
    assert play.new_process(gone=[trial]) == {}, "there is time to do better"


def test_a_trial_with_a_checkpoint_goes_on_however_long_it_has_trained_unless_nothing_can_be_gained():
    play = Play(580.0, None)
    play.to_the_first_final()
    trial = play.launched[-1].trial
    play.rows[trial] = replace(play.rows[trial], saved=result(trial, seconds=400.0))
    play.now = 500.0
    assert play.new_process() == {}
    assert play.step()
    again = play.launched[-1]
    assert (again.trial, again.attempt, again.continues) == (trial, 2, f"{trial}/1")
    assert again.deadline <= 80.0
    play.now = 570.0
    assert play.new_process() == {trial: result(trial, seconds=400.0)}, "no time for anything but starting a process"


def test_an_interrupted_trial_costs_no_epochs_twice_and_tells_the_strategy_nothing_until_it_ends():
    play = Play(math.inf, 10)
    while not play.launched or "suggested" not in play.launched[-1].why:
        assert play.step()
    trial = play.launched[-1].trial
    key, spent = play.scheduler._records[trial].key, play.scheduler.budget.epochs_spent
    play.scheduler.interrupt()
    play.done(trial, replace(result(trial), why_ended=INTERRUPTED))
    assert key not in play.strategy.told and play.scheduler.budget.epochs_spent == spent
    play.rows[trial] = play.rows[trial].reopened()
    play.new_process()
    play.step()
    assert (play.launched[-1].trial, play.launched[-1].attempt) == (trial, 2)
    play.to_the_end()
    assert play.strategy.told.count(key) == 1
    assert len(play.rows) == 10


def test_a_trial_that_began_anew_leaves_a_checkpoint_from_which_another_goes_on():
    quiet = Play(math.inf, 14, kind=SuccessiveHalving).to_the_end()
    promoted = next(spec for spec in quiet.launched if spec.continues)
    trial = int(promoted.continues.split("/")[0])
    play = Play(math.inf, 14, kind=SuccessiveHalving)
    while trial not in play.rows:
        play.step()
    play.new_process(gone=[trial])
    play.to_the_end()
    assert next(spec for spec in play.launched if spec.trial == promoted.trial).continues == f"{trial}/2"


def test_a_final_training_that_was_interrupted_counts_where_the_search_is_given_so_much_more_that_it_searches_on():
    play = Play(580.0, None)
    play.to_the_first_final()
    final, first = play.launched[-1], len(play.launched)
    play.scheduler.interrupt()
    play.done(final.trial, replace(result(final.trial), why_ended=INTERRUPTED))
    play.rows[final.trial] = play.rows[final.trial].reopened()
    play.end = 3600.0
    assert list(play.new_process()) == [final.trial]
    play.to_the_end()
    more = [spec.stage for spec in play.launched[first:]]
    assert more[0] == "search" and "final" in more
    assert max(spec.deadline for spec in play.launched[first:] if spec.stage == "final") > final.deadline


def test_looks_that_an_earlier_process_has_left_no_time_for_are_left_out():
    play = Play(580.0, None)
    play.step()
    play.step()
    assert {spec.stage for spec in play.launched} == {"look"} and play.scheduler.waiting
    play.now = 575.0
    play.new_process()
    begun = len(play.launched)
    play.to_the_end()
    assert len(play.launched) == begun


def test_a_trial_takes_no_device_time_after_the_process_with_which_it_ended():
    play = Play(math.inf, 9, device_seconds=1000.0)
    play.step()
    play.now = 500.0  # the next process has prepared its images by then
    play.new_process(ended=15.0)
    assert play.scheduler._meter.spent(500.0) == pytest.approx(10.0)


def test_another_space_is_refused_unless_accepted():
    play = Play(math.inf, 10)
    for _ in range(9):
        play.step()
    more = (Parameter("augmentation.new", "boolean", False),)
    with pytest.raises(PluginError, match="another space"):
        play.new_process(more)
    play.new_process(more, anew=True)
    assert len(play.strategy.told) == sum(row.status == "done" for row in play.rows.values())
    play.to_the_end()
    assert len(play.rows) == 10
    assert len(set(play.strategy.told)) == len(play.strategy.told), "names that it gives again are not taken for others"
    assert not any(key.startswith("earlier-") for key in play.strategy.told), "so are the trials of a warm start called"


@pytest.mark.parametrize("kind", [RandomSearch, SuccessiveHalving])
def test_a_strategy_that_began_anew_leaves_nothing_of_the_other_space_behind(kind):
    play = Play(math.inf, 14, kind=kind)
    for _ in range(19):
        play.step()
    more = (Parameter("augmentation.new", "boolean", False),)
    with pytest.raises(PluginError, match="another search space"):
        play.new_process(more)
    play.new_process(more, anew=True)
    play.step()
    play.new_process(more)
    assert len(play.strategy.state()) == sum(name.startswith("strategy/2/") for name in play.state)
    play.to_the_end()
    assert len(play.rows) == 14


class Adding(RandomSearch):
    """Adds to the state of another strategy, and knows nothing of its entries."""

    name = "adding"

    def start(self, problem):
        super().start(problem)
        self.asked = 0

    def ask(self):
        self.asked += 1
        return super().ask()

    def state(self):
        return {**super().state(), "asked": self.asked}

    def restore(self, state):
        super().restore(state)
        self.asked = state["asked"]


def test_what_a_subclass_adds_to_the_state_of_its_strategy_is_saved_with_it():
    play = Play(math.inf, 10, kind=Adding)
    for _ in range(13):
        play.step()
    asked = play.strategy.asked
    play.new_process()
    assert play.strategy.asked == asked > 0


def test_more_time_goes_to_search_and_final_training_by_their_shares():
    plan = StagePlan(3, 20.0, 40.0, 200.0, 300.0, 500.0)
    longer = extended(plan, 1000.0, 0.6)
    assert (longer.search_end, longer.final_seconds, longer.end) == (400.0, 600.0, 1000.0)
    assert extended(plan, 500.0, 0.6) == plan
    shorter = extended(plan, 100.0, 0.6)
    assert 0 <= shorter.search_end <= 100 and shorter.final_seconds >= 0


def test_a_search_that_has_ended_and_gets_more_time_searches_on_before_it_trains_the_best_again():
    play = Play(580.0, None, 2).to_the_end()
    assert "final" in [spec.stage for spec in play.launched]
    play.end, first = 2000.0, len(play.launched)
    play.new_process()
    play.to_the_end()
    more = play.launched[first:]
    searched = more[: [spec.stage for spec in more].index("final")]
    assert searched and all(spec.stage == "search" and spec.fidelity.seconds for spec in searched)
    before = max(spec.fidelity.seconds for spec in play.launched[:first] if spec.stage != "final")
    assert min(spec.fidelity.seconds for spec in searched) > before, "trials are as long as the new time allows"


def test_what_had_no_time_for_a_look_gets_one_when_the_search_is_given_more():
    play = Play(100.0, None).to_the_end()
    looked = {spec.architecture for spec in play.launched}
    assert looked < set(NAMES)
    play.end = 2000.0
    play.new_process()
    assert play.scheduler.waiting == set(NAMES) - looked
    play.to_the_end()
    assert {spec.architecture for spec in play.launched if spec.stage == "look"} >= set(NAMES) - looked
    assert play.launched[-1].stage in ("final", "search") and play.now <= 2001


def test_a_search_that_has_ended_and_gets_no_more_time_has_ended():
    play = Play(580.0, None, 2).to_the_end()
    play.new_process()
    assert not play.step()
