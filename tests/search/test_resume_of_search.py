"""A search that goes on in a new process: with real trials, its journal and its run folder."""

import errno
import fcntl
import json
import os
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import automl_img
from automl_img import events
from automl_img.cli.status import stop
from automl_img.errors import RunFolderError, UsageError
from automl_img.executors.choosing import site_of
from automl_img.plugin import discover
from automl_img.recipe import ComputeSettings
from automl_img.search import finishing
from automl_img.search.interruption import Interruption
from automl_img.search.journal import Journal
from automl_img.search.lock import LOCK_FILE, RunLock, driver_of
from automl_img.search.progress import progress_of
from automl_img.search.resuming import recipe_of_run, refuse_other_plugins
from automl_img.search.run import Run
from automl_img.search.run_folder import STOP_FILE, RunFolder

sys.path.insert(0, str(Path(__file__).parents[1] / "executors"))
import fault_tasks

NOBODY = 65534  # the user whom systems give no rights


@pytest.fixture
def begun(tmp_path, finished):
    """The run folder of a search of two trials that has ended."""
    return shutil.copytree(finished[0].run_dir, tmp_path / "run")


def attempts(run):
    journal = Journal(run)
    try:
        return {row.trial: (row.status, row.spec.attempt) for row in journal.trials()}
    finally:
        journal.close()


@pytest.mark.train
def test_a_search_that_has_ended_goes_on_with_more_to_spend(begun):
    for limits in ({}, {"budget": "20m"}, {"trials": 1}):  # the same, a further limit, less
        with pytest.raises(RunFolderError, match=r"ended with its budget spent.*--trials 4`"):
            automl_img.fit("digits", out=begun, resume=True, **limits)
    heard, best = [], tuple(automl_img.SearchResult(begun).leaderboard().loc[0, ["trial", "f1"]])
    result = automl_img.fit("digits", trials=4, out=begun, resume=True, listener=heard.append)
    assert attempts(begun) == dict.fromkeys((1, 2, 3, 4), ("done", 1))
    (resumed,) = [event for event in heard if isinstance(event, events.SearchResumed)]
    assert (resumed.ended, resumed.cut_off) == (2, 0) and resumed.elapsed > 1
    assert (resumed.failed, resumed.skipped, resumed.architecture) == (0, 0, "plainnet")
    assert (resumed.best_trial, round(resumed.f1, 5)) == best
    assert [event.trial for event in heard if isinstance(event, events.TrialStarted)] == [3, 4]
    assert result.recipe["budget"]["trials"] == 4 and len(result.leaderboard()) == 4
    assert result.predict(np.zeros((2, 8, 8), np.uint8)).shape == (2,)


@pytest.mark.train
def test_a_trial_that_was_running_is_tried_again_though_the_run_folder_was_moved_and_the_cache_cleared(
    begun, tmp_path, monkeypatch
):
    journal = Journal(begun)
    spec = journal.trials()[1].spec
    with journal._transaction() as database:  # as if the process had ended in the middle of trial 2
        database.execute("UPDATE trials SET status = 'running', f1 = NULL, result = NULL WHERE trial = 2")
        database.execute("UPDATE meta SET value = '\"running\"' WHERE key = 'state'")
    journal.close()
    moved = tmp_path / "elsewhere" / "run"
    shutil.move(begun, moved)
    assert progress_of(moved).state == "cut off" and progress_of(moved).model is None
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path / "cache"))  # an empty one
    automl_img.fit("digits", out=moved, resume=True)
    store = Path(json.loads((moved / "data.json").read_text())["store"])
    assert store.is_dir() and store.is_relative_to(tmp_path / "cache"), "the images were prepared again"
    assert attempts(moved) == {1: ("done", 1), 2: ("done", 2)}
    journal = Journal(moved)
    assert journal.trials()[1].spec.values == spec.values
    journal.close()
    progress = progress_of(moved)
    assert progress.state == "ended" and progress.best.trial == progress.model.members[0]


@pytest.mark.train
def test_arrays_are_given_again_and_must_be_the_same(tmp_path, quick_settings, digits_data):
    x, y = digits_data[0][:300], digits_data[1][:300]
    automl_img.fit((x, y), trials=1, settings=quick_settings, out=tmp_path / "run")
    for accept in (False, True):
        with pytest.raises(RunFolderError, match=r"images or labels have changed.*--warm-start"):
            automl_img.fit((255 - x, y), trials=2, out=tmp_path / "run", resume=True, accept_changes=accept)
    said = r"given its images in Python.*automl_img\.fit\(images, out=.*, resume=True\)"
    with pytest.raises(RunFolderError, match=said):
        automl_img.fit("digits", trials=2, out=tmp_path / "run", resume=True)
    refused = progress_of(tmp_path / "run")
    assert (refused.state, refused.trials, refused.model.members) == ("ended", 1, (1,)), "it is what it was"
    assert refused.given


@pytest.mark.train
def test_a_plugin_of_another_version_is_named_and_the_search_goes_on_if_that_is_accepted(begun):
    versions = begun / "versions.json"
    versions.write_text(versions.read_text().replace('"version": "1"', '"version": "0"', 1))
    with pytest.raises(RunFolderError, match=r"plugins have changed since the search began; found '.* was 0 and is 1'"):
        automl_img.fit("digits", trials=3, out=begun, resume=True)
    assert progress_of(begun).state == "ended"
    heard = []
    automl_img.fit("digits", trials=3, out=begun, resume=True, accept_changes=True, listener=heard.append)
    said = [event.what for event in heard if isinstance(event, events.Decided)]
    (told,) = [text for text in said if text.startswith("plugins have changed since the search began: ")]
    assert told.endswith(" was 0 and is 1; accepted") and '"version": "0"' not in versions.read_text()
    assert attempts(begun) == dict.fromkeys((1, 2, 3), ("done", 1))


def test_libraries_of_other_versions_are_told(begun):
    class Told:
        folder, said = RunFolder(begun), []
        registry = discover(modules=["automl_img_plainnet"])
        decided = said.append

    versions = json.loads((begun / "versions.json").read_text())
    versions["libraries"] |= {"keras": "2.0"}
    (begun / "versions.json").write_text(json.dumps(versions))
    refuse_other_plugins(Told, accept=False)
    assert Told.said == [f"libraries have changed since the search last ran: keras was 2.0 and is {version('keras')}"]


@pytest.mark.train
def test_an_interrupted_search_goes_on_with_what_is_left(tmp_path, quick_settings):
    from automl_img.resolving import resolve
    from automl_img.search.engine import run_search

    interruption = Interruption()

    def listen(event):
        if isinstance(event, events.TrialEnded):
            interruption.ask()

    recipe, _ = resolve("digits", {**quick_settings, "budget.trials": 4, "compute.slots": 1})
    run_search(recipe, tmp_path / "run", listener=listen, interruption=interruption)
    assert progress_of(tmp_path / "run").state == "interrupted" and len(attempts(tmp_path / "run")) == 1
    automl_img.fit("digits", out=tmp_path / "run", resume=True)
    assert attempts(tmp_path / "run") == dict.fromkeys((1, 2, 3, 4), ("done", 1))


@pytest.mark.train
def test_a_trial_during_which_the_search_was_asked_to_end_goes_on_when_the_search_does(tmp_path, quick_settings):
    """It would train for hours; each time it is ended after a measurement."""
    from automl_img.resolving import resolve
    from automl_img.search.engine import run_search

    run = tmp_path / "run"
    settings = {**quick_settings, "budget.trials": 1, "train.epochs": 10_000, "train.patience": 10_000}
    recipe, _ = resolve("digits", settings)

    def until_measured(*, resume):
        interruption, measured = Interruption(), []

        def listen(event):
            if isinstance(event, events.EpochEnded):
                measured.append(event.epoch)
                interruption.ask()

        assert run_search(recipe, run, listener=listen, interruption=interruption, resume=resume).interrupted
        assert list(run.rglob("checkpoint.npz")), "from which it goes on"
        (row,) = rows_of(run)
        assert (row.status, row.result.why_ended) == ("done", "interrupted")
        return row, measured

    first, _ = until_measured(resume=False)
    second, measured = until_measured(resume=True)
    assert (first.spec.attempt, second.spec.attempt) == (1, 2)
    assert min(measured) > first.result.epochs, "what it had trained is not trained again"
    assert second.result.epochs > first.result.epochs


def rows_of(run):
    journal = Journal(run)
    rows = journal.trials()
    journal.close()
    return rows


@pytest.mark.train
def test_a_promoted_trial_goes_on_from_the_checkpoint_of_the_one_it_continues(tmp_path, quick_settings):
    settings = {**quick_settings, "search.strategy": "hyperband", "search.starts": False, "train.epochs": 4}
    settings["search.options"] = {"factor": 2}
    automl_img.fit("digits", trials=8, settings=settings, out=tmp_path / "run")
    journal = Journal(tmp_path / "run")
    rows = {row.trial: row for row in journal.trials()}
    journal.close()
    promoted = [row for row in rows.values() if row.spec.continues]
    assert promoted, "some of 8 trials are promoted"
    for row in promoted:
        before = rows[int(row.spec.continues.split("/")[0])]
        assert before.spec.values == row.spec.values and before.spec.fidelity.epochs < row.spec.fidelity.epochs
        assert row.result.epochs_before == pytest.approx(before.result.epochs)
        assert row.result.f1 >= before.result.f1, "the best so far is carried on"
    assert not list((tmp_path / "run").rglob("checkpoint.npz"))


@pytest.mark.train
def test_checkpoints_from_which_trials_may_be_promoted_outlive_a_polite_stop(tmp_path, quick_settings):
    run = tmp_path / "run"

    def listen(event):
        if isinstance(event, events.TrialEnded) and event.trial == 2:
            (run / "stop").touch()

    settings = {**quick_settings, "search.strategy": "hyperband", "search.starts": False, "train.epochs": 4}
    settings |= {"search.options": {"factor": 2}, "compute.slots": 1}
    automl_img.fit("digits", trials=8, settings=settings, out=run, listener=listen)
    promotable = [row.trial for row in rows_of(run) if row.spec.promotable]
    assert promotable and all(list(run.glob(f"trials/{trial}/*/checkpoint.npz")) for trial in promotable)


@pytest.mark.train
def test_a_stop_file_ends_the_search_in_good_order(tmp_path, quick_settings):
    run = tmp_path / "run"

    def listen(event):
        if isinstance(event, events.TrialEnded):
            (run / "stop").touch()

    settings = {**quick_settings, "compute.slots": 1}
    result = automl_img.fit("digits", trials=9, settings=settings, out=run, listener=listen)
    assert len(result.leaderboard()) == 1 and result.metrics["interrupted"]


def test_only_the_budget_of_a_resumed_search_may_change(tmp_path):
    run = begin(tmp_path / "run")
    run.close()
    with pytest.raises(UsageError, match=r"seed: a search that goes on keeps its recipe; allowed: budget\.time"):
        recipe_of_run(tmp_path / "run", {"seed": 3})
    assert recipe_of_run(tmp_path / "run", {"budget.time": "90s"}).budget.time == 90
    with pytest.raises(RunFolderError, match="no such run folder"):
        recipe_of_run(tmp_path / "nowhere", {})
    with pytest.raises(UsageError, match="resume needs the run folder"):
        automl_img.fit("digits", resume=True)


def begin(folder, **more):
    from automl_img.recipe import recipe_from_mapping

    return Run(
        recipe_from_mapping({"budget": {"trials": 2}}),
        discover(),
        folder,
        lambda event: None,
        0.0,
        site_of(ComputeSettings(), None),
        **more,
    )


def test_a_second_driver_is_refused_while_the_first_one_lives(tmp_path):
    assert driver_of(tmp_path) == ""
    run = begin(tmp_path / "run")
    assert driver_of(tmp_path / "run").startswith("process ")
    with pytest.raises(RunFolderError, match=r"this search is running; found 'process \d+ on .*automl-img stop"):
        begin(tmp_path / "run", resume=True)
    with pytest.raises(RunFolderError, match="is running"):
        RunLock(tmp_path / "run")
    run.close()
    assert driver_of(tmp_path / "run") == ""
    begin(tmp_path / "run", resume=True).close()


def test_a_search_that_goes_on_while_the_disk_is_full_is_one_line_and_keeps_nobody_out_later(tmp_path, full_disk):
    begin(tmp_path / "run").close()
    with full_disk(), pytest.raises(RunFolderError, match=r"run: the run folder cannot be written: File too large"):
        begin(tmp_path / "run", resume=True)
    assert driver_of(tmp_path / "run") == ""
    begin(tmp_path / "run", resume=True).close()


def test_who_may_only_read_a_run_sees_that_it_is_running(tmp_path, monkeypatch):
    run = begin(tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")  # others may not come here by its name
    Path(LOCK_FILE).chmod(0o444)
    Path().chmod(0o555)
    is_root = os.geteuid() == 0
    try:
        if is_root:  # who may write everything
            os.seteuid(NOBODY)
        assert driver_of(Path()).startswith("process ")
        with pytest.raises(RunFolderError, match="the run folder cannot be written: Permission denied"):
            stop(Path())
    finally:
        if is_root:
            os.seteuid(0)
        Path().chmod(0o755)
        run.close()


def test_where_there_are_no_locks_a_request_to_stop_is_left_and_nothing_else_is_claimed(tmp_path, monkeypatch, capsys):
    def no_locks(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    run = begin(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", no_locks)
        assert driver_of(tmp_path / "run") == ""
        stop(tmp_path / "run")
        assert "cannot be told here" in capsys.readouterr().out
        assert (tmp_path / "run" / STOP_FILE).is_file() and run.interruption.asked
        run.close()
        with pytest.raises(RunFolderError, match="nobody runs this search now"):
            stop(tmp_path / "run")
        again = begin(tmp_path / "run", resume=True)
        assert not again.interruption.asked, "what was asked of the one before is void"
        again.close()


def test_time_of_earlier_processes_counts(tmp_path):
    import time

    run = begin(tmp_path / "run")
    run._begun = time.monotonic() - 100
    run.decided("something")
    run.close()
    again = begin(tmp_path / "run", resume=True)
    again._begun += time.monotonic()  # this process began now, not at zero
    assert 100 <= again.elapsed < 130
    assert 100 <= again.spent_before <= again.elapsed
    again.close()


def test_a_journal_that_was_torn_while_it_was_made_is_made_again(tmp_path):
    (tmp_path / "journal.sqlite").touch()
    Journal(tmp_path, create=True).close()
    journal = Journal(tmp_path)
    assert journal.trials() == []
    journal.remark("once")
    journal.remark("once")
    assert journal.remarks() == ["once"]
    journal.close()


@pytest.mark.train
def test_a_search_that_ends_before_its_first_trial_or_its_evaluation_says_so_and_goes_on_later(
    tmp_path, quick_settings, monkeypatch
):
    def stop(event):
        if isinstance(event, events.DataReady):
            (tmp_path / "run" / STOP_FILE).touch()

    arguments = {"trials": 1, "settings": quick_settings, "out": tmp_path / "run"}
    with pytest.raises(automl_img.SearchError, match=r"asked to end before the first one began.*--resume"):
        automl_img.fit("digits", **arguments, listener=stop)
    again, heard = {"trials": 1, "out": tmp_path / "run", "resume": True}, []
    with monkeypatch.context() as patch:
        patch.setattr(finishing, "finalise_best", fault_tasks.segfault)
        with pytest.raises(automl_img.SearchError, match=r"could not be evaluated: .* with SIGSEGV.*--resume"):
            automl_img.fit("digits", **again)
    assert progress_of(tmp_path / "run").state == "cut off"
    assert automl_img.fit("digits", **again, listener=heard.append).metrics["trials"] == 1
    assert not any(isinstance(event, events.TrialStarted) for event in heard), "the trial had ended"
