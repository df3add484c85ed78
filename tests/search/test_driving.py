"""What the driver does with what trials say, without training anything."""

import contextlib
import math
import time
from dataclasses import replace

import pytest

from automl_img.executors import Done, Epoch, Failed, Saved
from automl_img.executors.choosing import site_of
from automl_img.executors.local import attempt_folder
from automl_img.plugin import Parameter, SearchStrategy, discover
from automl_img.recipe import ComputeSettings, recipe_from_mapping
from automl_img.search import driving
from automl_img.search.budget import Budget
from automl_img.search.driving import Driver
from automl_img.search.journal import Journal
from automl_img.search.resuming import restore
from automl_img.search.run import Run
from automl_img.search.run_folder import RunFolder
from automl_img.search.scheduler import Scheduler
from automl_img.search.space import SearchSpace
from automl_img.search.trials import Rules, Start
from automl_img.training.artifacts import CHECKPOINT_FILE, WEIGHTS_FILE
from automl_img.training.spec import CUT_OFF, INTERRUPTED, STOPPED, EpochReport, FailureKind, TrialResult

SPACE = SearchSpace(
    (
        Parameter("architecture", "choice", "small", ("small",)),
        Parameter("optimizer", "choice", "adamw", ("adamw",)),
        Parameter("optimizer.adamw.lr", "float", 0.004, low=1e-4, high=0.1),
        Parameter("batch_size", "choice", 128, (64, 128)),
    )
)


ASKED = object()  # in a script: somebody asks the search to end
KILLED = object()  # in a script: the driver is killed


class DriverKilled(Exception):
    pass


class Silent(SearchStrategy):
    """Is not asked here."""

    name = "silent"


class Scripted:
    """An executor whose attempts say at once what a script has for them; weights are a file that names the attempt.

    With :data:`ASKED` among what an attempt says, the search is asked to end before any of it is heard.
    """

    def __init__(self, run, script, room=1):
        self.run, self.script, self.room = run, script, room
        self.attempts, self.said = [], []

    def slots(self):
        return self.room

    def submit(self, spec):
        attempt = (spec.trial, spec.attempt)
        self.attempts.append(attempt)
        folder = self.run.folder.trials / str(spec.trial) / str(spec.attempt)
        folder.mkdir(parents=True)
        for message in self.script[attempt]:
            if isinstance(message, Saved | Done):
                (folder / WEIGHTS_FILE).write_text(f"attempt {spec.attempt}")
                (folder / CHECKPOINT_FILE).touch()
            self.said.append(message)

    def poll(self, timeout):
        said, self.said = self.said, []
        if ASKED in said:
            self.run.interruption.ask()
        for message in said:
            if message is KILLED:
                raise DriverKilled
            if message is not ASKED:
                yield message

    def stop(self, trial):
        """The attempts of a script end by themselves."""


def came_to(f1, why="time"):
    return TrialResult(f1, 0.5, 2.0, 2.0, 10, 1000, 1.0, 20.0, 18.0, 20_000.0, why, "")


def crashed(kind=FailureKind.CRASHED):
    return Failed(1, kind, "SIGSEGV")


def drive(folder, script, room=1, *, resume=False, asked=False):
    """Drive a search of one trial; returns the attempts, the trial's row, and the weights that its last attempt has."""
    recipe = recipe_from_mapping({"budget": {"trials": 1}, "output": {"trackers": []}})
    run = Run(recipe, discover(), folder, lambda event: None, 0.0, site_of(ComputeSettings(), None), resume=resume)
    starts = [Start("small", SPACE.start("small", {}), 1e-4)]
    rules = Rules(7, 50, 5, 50_000, 1, math.inf, 0.6, "float32")
    scheduler = Scheduler(SPACE, starts, Silent(), Budget(trials=1), rules, 0.0)
    executor = Scripted(run, script, room)
    if asked:
        run.interruption.ask()
    settled = restore(run, scheduler, accept=False) if resume else {}
    driver = Driver(run, scheduler, executor)
    try:
        driver.settle(settled)
        with contextlib.suppress(DriverKilled):
            driver.drive()
        (row,) = run.journal.trials()
    finally:
        run.close()
    weights = folder / "trials" / "1" / str(row.spec.attempt) / WEIGHTS_FILE
    return executor.attempts, row, weights.read_text() if weights.exists() else None


@pytest.mark.parametrize("kind", [FailureKind.CRASHED, FailureKind.NODE_LOST])
def test_a_trial_that_crashes_after_it_had_saved_weights_goes_on(tmp_path, kind):
    script = {(1, 1): [Saved(1, came_to(0.6)), crashed(kind)], (1, 2): [Done(1, came_to(0.9))]}
    attempts, row, weights = drive(tmp_path / "run", script)
    assert attempts == [(1, 1), (1, 2)]
    assert row.spec.continues == "1/1", "from its checkpoint"
    assert (row.status, row.result.f1, weights) == ("done", 0.9, "attempt 2")


def test_the_weights_of_an_earlier_attempt_count_if_the_next_one_crashes_too(tmp_path):
    script = {(1, 1): [Saved(1, came_to(0.6)), crashed()], (1, 2): [crashed()]}
    attempts, row, weights = drive(tmp_path / "run", script)
    assert attempts == [(1, 1), (1, 2)]
    assert (row.status, row.result.f1, row.spec.attempt, weights) == ("done", 0.6, 2, "attempt 1")


def test_the_weights_of_an_earlier_process_count_if_the_attempts_of_later_ones_come_to_nothing(tmp_path):
    run = tmp_path / "run"
    assert drive(run, {(1, 1): [Saved(1, came_to(0.6)), KILLED]})[1].status == "running"
    assert drive(run, {(1, 2): [KILLED]}, resume=True)[1].status == "running"
    attempts, row, weights = drive(run, {(1, 3): [crashed(FailureKind.RAISED)]}, resume=True)
    assert attempts == [(1, 3)]
    assert (row.status, row.result.f1, row.spec.attempt, weights) == ("done", 0.6, 3, "attempt 1")


@pytest.mark.parametrize("kind", [FailureKind.RAISED, FailureKind.OUT_OF_MEMORY, FailureKind.TIMEOUT])
def test_the_weights_that_were_saved_count_where_another_attempt_would_begin_anew_or_fail_again(tmp_path, kind):
    attempts, row, weights = drive(tmp_path / "run", {(1, 1): [Saved(1, came_to(0.6)), crashed(kind)]})
    assert (attempts, row.status, row.result.f1, weights) == ([(1, 1)], "done", 0.6, "attempt 1")


def test_a_trial_that_ends_by_what_ends_the_search_counts_with_the_weights_that_it_had_saved(tmp_path):
    """A SIGTERM for all processes may be heard of by its victims first."""
    script = {(1, 1): [Saved(1, came_to(0.6, CUT_OFF)), ASKED, crashed()]}
    attempts, row, weights = drive(tmp_path / "run", script)
    assert (attempts, row.status, row.result.f1, weights) == ([(1, 1)], "done", 0.6, "attempt 1")
    assert row.interrupted


def test_a_trial_that_is_cut_short_by_a_request_to_end_counts_and_goes_on_with_the_search(tmp_path):
    script = {(1, 1): [ASKED, Done(1, came_to(0.6, STOPPED))]}
    _, row, weights = drive(tmp_path / "run", script)
    assert (row.status, row.result.f1, row.interrupted, weights) == ("done", 0.6, True, "attempt 1")
    attempts, row, weights = drive(tmp_path / "run", {(1, 2): [Done(1, came_to(0.9))]}, resume=True)
    assert (attempts, row.spec.continues) == ([(1, 2)], "1/1"), "from its checkpoint, and no trial more is spent"
    assert (row.status, row.result.f1, row.interrupted, weights) == ("done", 0.9, False, "attempt 2")


def test_what_it_had_come_to_counts_if_going_on_fails(tmp_path):
    drive(tmp_path / "run", {(1, 1): [ASKED, Done(1, came_to(0.6, STOPPED))]})
    script = {(1, 2): [crashed()], (1, 3): [crashed()]}
    attempts, row, weights = drive(tmp_path / "run", script, resume=True)
    assert attempts[0] == (1, 2)
    assert (row.status, row.result.f1, row.result.why_ended, weights) == ("done", 0.6, CUT_OFF, "attempt 1")


def test_a_trial_that_has_ended_by_itself_when_the_search_is_asked_to_end_does_not_go_on(tmp_path):
    _, row, _ = drive(tmp_path / "run", {(1, 1): [ASKED, Done(1, came_to(0.6))]})
    assert not row.interrupted
    assert drive(tmp_path / "run", {}, resume=True)[0] == []


def test_a_request_to_end_before_a_killed_trial_has_begun_again_ends_it_for_no_longer_than_the_search(tmp_path):
    run = tmp_path / "run"
    drive(run, {(1, 1): [KILLED]})
    assert drive(run, {}, resume=True, asked=True)[1].status == "running"
    attempts, row, _ = drive(run, {(1, 2): [Saved(1, came_to(0.6, CUT_OFF)), KILLED]}, resume=True)
    assert attempts == [(1, 2)]
    assert drive(run, {}, resume=True, asked=True)[1].interrupted
    with contextlib.closing(Journal(run)) as journal:
        assert not [text for text in journal.remarks() if "cut off" in text], "it goes on"
    attempts, row, weights = drive(run, {(1, 3): [Done(1, came_to(0.9))]}, resume=True)
    assert (attempts, row.result.f1, weights) == ([(1, 3)], 0.9, "attempt 3")


def test_a_trial_that_its_strategy_stops_does_not_go_on(tmp_path, monkeypatch):
    report = EpochReport(1.0, 10, 0.5, 0.5, 0.8, 0.5, 1000.0)
    monkeypatch.setattr(Scheduler, "measured", lambda self, trial, report: "worse than the others")
    script = {(1, 1): [Epoch(1, report), ASKED, Done(1, came_to(0.6, STOPPED))]}
    _, row, _ = drive(tmp_path / "run", script)
    assert not row.interrupted
    assert not list((tmp_path / "run").rglob(CHECKPOINT_FILE)), "nothing goes on from it"


def test_a_trial_that_has_not_begun_when_the_search_is_asked_to_end_begins_when_it_goes_on(tmp_path):
    script = {(1, 1): [ASKED, Failed(1, FailureKind.NODE_LOST, "it had not begun")]}
    _, row, _ = drive(tmp_path / "run", script)
    assert (row.status, row.result) == ("running", None)
    with contextlib.closing(Journal(tmp_path / "run")) as journal:
        assert "trial 1 waits until the search goes on: it had not begun" in journal.remarks()
    attempts, row, _ = drive(tmp_path / "run", {(1, 2): [Done(1, came_to(0.9))]}, resume=True)
    assert (attempts, row.status, row.result.f1) == ([(1, 2)], "done", 0.9)


def test_where_there_is_no_room_for_a_trial_one_waits_for_it(tmp_path):
    """A cluster whose nodes have all gone has no slots, and sees by what waits that it needs some."""
    attempts, row, _ = drive(tmp_path / "run", {(1, 1): [Done(1, came_to(0.9))]}, room=0)
    assert (attempts, row.status) == ([(1, 1)], "done")


def searching(folder, trials, end=math.inf, *, resume=False, **settings):
    """A search of so many starting points, whose trials come to an F1 of 0.01, 0.02 and so on; returns its run and its driver."""
    recipe = recipe_from_mapping({"budget": {"trials": trials}}, {"output.trackers": [], **settings})
    site, begun = site_of(ComputeSettings(), None), time.monotonic()
    run = Run(recipe, discover(), folder, lambda event: None, begun, site, resume=resume)
    starts = [Start("small", SPACE.start("small", {}), 1e-4)] * trials
    rules = Rules(7, 50, 5, 50_000, 1, end, 0.0, "float32", device_seconds=1e6)
    scheduler = Scheduler(SPACE, starts, Silent(), Budget(trials=trials), rules, 0.0)
    script = {(trial, 1): [Done(trial, came_to(trial / 100))] for trial in range(1, trials + 1)}
    return run, Driver(run, scheduler, Scripted(run, script))


def with_weights(run):
    return {int(file.parts[-3]) for file in run.folder.path.rglob(WEIGHTS_FILE)}


def test_of_many_trials_the_best_alone_keep_their_weights_while_the_search_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(driving, "KEPT_WEIGHTS", 3)
    run, driver = searching(tmp_path / "run", 5)
    with contextlib.closing(run):
        driver.drive()
        assert with_weights(run) == {3, 4, 5}
    monkeypatch.setattr(driving, "KEPT_WEIGHTS", 2)
    run, driver = searching(tmp_path / "run", 5, resume=True)
    with contextlib.closing(run):
        assert with_weights(run) == {4, 5}, "those of an earlier process count too"


def test_all_weights_stay_where_the_recipe_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setattr(driving, "KEPT_WEIGHTS", 1)
    run, driver = searching(tmp_path / "run", 3, **{"output.keep": "all"})
    with contextlib.closing(run):
        driver.drive()
        assert with_weights(run) == {1, 2, 3}


@pytest.mark.parametrize(
    ("promotable", "why"), [(False, INTERRUPTED), (True, "epochs")], ids=["goes on with the search", "may be promoted"]
)
def test_what_may_go_on_keeps_its_weights_however_bad_it_is(promotable, why, tmp_path, monkeypatch):
    monkeypatch.setattr(driving, "KEPT_WEIGHTS", 1)
    run, driver = searching(tmp_path / "run", 3)
    with contextlib.closing(run):
        driver.drive()
        assert with_weights(run) == {3}
        worse = replace(driver.attempts[1], promotable=promotable)
        (attempt_folder(run.folder.trials, worse) / WEIGHTS_FILE).touch()
        driver._keep_the_best(worse, came_to(0.01, why))
        assert with_weights(run) == {1, 3}


def test_a_search_waits_for_room_on_a_full_disk_no_longer_than_it_has_time(tmp_path, monkeypatch):
    run, driver = searching(tmp_path / "run", 3, end=1000.0)
    said, looks = [], []
    run._listener = lambda event: said.append(getattr(event, "what", ""))

    def has_room(self):
        looks.append(True)
        assert len(looks) < 20, "it waits for ever"
        run._begun -= 300.0  # time goes by
        return False

    monkeypatch.setattr(driving, "FULL_SECONDS", 0.0)
    monkeypatch.setattr(RunFolder, "has_room", has_room)
    with contextlib.closing(run):
        driver.drive()
    assert driver.executor.attempts == []
    assert [text.partition(" is ")[2] for text in said] == [
        "full; the search waits until there is room, and loses nothing",
        "still full, and the time is over: the search ends with what it has",
    ]


def test_trials_of_a_process_that_was_killed_take_no_device_time_while_the_next_one_prepares(tmp_path):
    run, driver = searching(tmp_path / "run", 2)
    driver.executor.script[1, 1] = [KILLED]
    with contextlib.closing(run), contextlib.suppress(DriverKilled):
        driver.drive()
    run, driver = searching(tmp_path / "run", 2, resume=True)
    with contextlib.closing(run):
        run._begun -= 5000.0
        restore(run, driver.scheduler, accept=False)
        assert driver.scheduler._meter.spent(run.elapsed) < 1000.0
