import contextlib
import csv
import io
import json
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

from automl_img.errors import RunFolderError
from automl_img.recipe import Recipe
from automl_img.search.journal import JOURNAL_FILE, Journal
from automl_img.search.leaderboard import best_trial, leaderboard, to_csv
from automl_img.search.resuming import recipe_of_run
from automl_img.search.run_folder import RECIPE_FILE, RunFolder
from automl_img.training.spec import EpochReport, Fidelity, TrialResult, TrialSpec

NOBODY = 65534  # the user whom systems give no rights


def spec(trial, attempt=1, architecture="small"):
    values = {"architecture": architecture, f"{architecture}.width": 0.25, "batch_size": 64}
    return TrialSpec(
        trial, attempt, "look", "a look", values, {}, Fidelity(5, 2.5), 0, 30.0, 1, "float32", probe=("flip",)
    )


def result(f1, loss=0.5, parameters=100):
    return TrialResult(f1, loss, 3.0, 2.0, 10, parameters, 1.0, 9.0, 8.0, 100.0, "time", "abc")


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path, create=True)
    yield journal
    journal.close()


def test_a_spec_comes_back_from_the_journal_as_it_was(journal):
    journal.begin(spec(1))
    assert journal.trials()[0].spec == spec(1)


def test_the_best_is_the_highest_f1_then_the_lowest_loss_then_the_fewest_weights(journal):
    outcomes = [result(0.8), result(0.9, 0.4, 900), result(0.9, 0.3, 900), result(0.9, 0.3, 100)]
    for trial, outcome in enumerate(outcomes, start=1):
        journal.begin(spec(trial))
        journal.done(trial, outcome)
    entries = leaderboard(journal.trials())
    assert [entry.trial for entry in entries] == [4, 3, 2, 1]
    assert [entry.rank for entry in entries] == [1, 2, 3, 4]
    assert best_trial(journal.trials()).trial == 4


def test_failed_and_skipped_trials_come_last_with_their_reason(journal):
    journal.begin(spec(1))
    journal.failed(1, "failed", "crashed", "SIGSEGV")
    journal.begin(spec(2))
    journal.done(2, result(0.5))
    entries = leaderboard(journal.trials(), [("huge", "too slow")])
    assert [(entry.rank, entry.architecture, entry.status) for entry in entries] == [
        (1, "small", "done"),
        (0, "small", "failed"),
        (0, "huge", "skipped"),
    ]
    assert entries[1].note == "crashed: SIGSEGV"
    assert "too slow" in to_csv(entries)
    assert best_trial([row for row in journal.trials() if row.result is None]) is None


def test_the_leaderboard_names_hyperparameters_as_a_recipe_fixes_them(journal):
    journal.begin(spec(1))
    journal.done(1, result(0.5))
    entries = leaderboard(journal.trials(), [("huge", "too slow")])
    assert entries[0].hyperparameters == {"small.width": 0.25, "batch_size": 64}
    done, skipped = csv.DictReader(io.StringIO(to_csv(entries)))
    assert json.loads(done["hyperparameters"]) == entries[0].hyperparameters and skipped["hyperparameters"] == ""


def test_a_trial_that_is_tried_again_counts_once(journal):
    journal.begin(spec(1))
    journal.epoch(1, 1, EpochReport(1.0, 10, 0.5, 0.5, 0.6, 0.5, 100.0))
    journal.begin(spec(1, attempt=2))
    journal.epoch(1, 2, EpochReport(1.0, 10, 0.5, 0.5, 0.7, 0.5, 100.0))
    journal.done(1, result(0.7))
    (row,) = journal.trials()
    assert row.spec.attempt == 2
    assert [epoch["f1"] for epoch in journal.epochs(1)] == [0.7]


def test_weights_that_an_earlier_attempt_saved_are_known_until_a_later_one_saves(journal):
    journal.begin(spec(1))
    assert (journal.trials()[0].saved, journal.trials()[0].saved_attempt) == (None, 0)
    journal.saved(1, 1, result(0.6))
    journal.begin(spec(1, attempt=2))
    (row,) = journal.trials()
    assert (row.spec.attempt, row.saved, row.saved_attempt) == (2, result(0.6), 1)
    journal.saved(1, 2, result(0.7))
    (row,) = journal.trials()
    assert (row.saved, row.saved_attempt) == (result(0.7), 2)


def test_when_a_trial_ended_is_told_by_the_budget_s_clock(tmp_path):
    journal = Journal(tmp_path, create=True, clock=lambda: 42.0)
    for trial in (1, 2):
        journal.begin(spec(trial))
    journal.done(1, result(0.7))
    assert [row.ended for row in journal.trials()] == [42.0, None]
    journal.close()


def test_another_process_can_read_while_the_search_writes(journal, tmp_path):
    journal.begin(spec(1))
    reader = sqlite3.connect(tmp_path / JOURNAL_FILE)
    reader.execute("BEGIN")
    assert reader.execute("SELECT COUNT(*) FROM trials").fetchone() == (1,)
    journal.done(1, result(0.7))
    reader.close()
    other = Journal(tmp_path)
    assert other.trials()[0].status == "done"
    other.close()


def made_older(journal):
    with journal._transaction() as database:
        database.execute("DROP INDEX epochs_by_trial")
        database.execute("ALTER TABLE epochs DROP COLUMN progress")
        database.execute("ALTER TABLE trials DROP COLUMN ended")
        database.execute("DROP TABLE state")
        database.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")


@pytest.fixture
def shared():
    """A folder that everybody may enter; those of pytest are its user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextlib.contextmanager
def as_a_reader(folder):
    """Be somebody who may read a folder and write nothing in it."""
    is_root = os.geteuid() == 0  # who may write everything
    folder.chmod(0o555)
    try:
        if is_root:
            os.seteuid(NOBODY)
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("change", [lambda journal: None, made_older], ids=["this version", "an older one"])
def test_who_may_only_read_a_journal_reads_it_and_changes_nothing(shared, change):
    written = Journal(shared, create=True)
    written.begin(spec(1))
    written.done(1, result(0.7))
    change(written)
    written.close()
    before = (shared / JOURNAL_FILE).read_bytes()
    with as_a_reader(shared):
        journal = Journal(shared)
        assert [(row.status, row.result) for row in journal.trials()] == [("done", result(0.7))]
        assert journal.state() == journal.curves() == {}
        with pytest.raises(RunFolderError, match="cannot be written"):
            journal.remark("something")
        journal.close()
    assert [file.name for file in shared.iterdir()] == [JOURNAL_FILE]
    assert (shared / JOURNAL_FILE).read_bytes() == before


def test_who_may_only_read_a_journal_reads_what_a_search_that_was_killed_has_written_last(tmp_path, shared):
    running = Journal(tmp_path, create=True)
    running.begin(spec(1))
    for file in tmp_path.iterdir():  # the log is there still
        shutil.copy(file, shared)
    running.close()
    with as_a_reader(shared):
        journal = Journal(shared)
        assert [row.status for row in journal.trials()] == ["running"]
        journal.close()


def test_a_failed_transaction_leaves_nothing_behind(journal):
    journal.begin(spec(1))
    with pytest.raises(sqlite3.IntegrityError):
        journal.begin(spec(1))
    assert journal.trials()[0].status == "running"
    journal.begin(spec(2))
    assert len(journal.trials()) == 2


def test_a_name_of_a_file_that_is_no_text_may_stand_in_a_message(journal):
    journal.begin(spec(1))
    journal.failed(1, "failed", "raised", "caf\udce9.png: the file cannot be read")
    for _ in range(2):
        journal.remark("caf\udce9.png is left out")
    assert journal.trials()[0].message == "caf\\udce9.png: the file cannot be read"
    assert journal.remarks() == ["caf\\udce9.png is left out"]


def test_a_folder_without_a_journal_is_no_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match="holds no journal"):
        Journal(tmp_path)


def test_a_damaged_journal_is_one_clear_line(tmp_path):
    (tmp_path / JOURNAL_FILE).write_bytes(b"this is no database" * 100)
    with pytest.raises(RunFolderError, match="cannot be read"):
        Journal(tmp_path)


def damaged(folder, table):
    """Overwrite the page with which a table of a journal that nobody has open begins."""
    file = folder / JOURNAL_FILE
    with contextlib.closing(sqlite3.connect(file)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with file.open("r+b") as raw:
        raw.seek((page - 1) * size)
        raw.write(bytes(size))


def test_damaged_measurements_are_one_clear_line_to_who_reads_and_to_who_writes(journal, tmp_path):
    report = EpochReport(1.0, 10, 0.5, 0.5, 0.6, 0.5, 100.0)
    journal.begin(spec(1))
    journal.epoch(1, 1, report)
    journal.close()
    damaged(tmp_path, "epochs")
    again = Journal(tmp_path)
    for read in (lambda: again.epochs(1), lambda: again.measurements(1), again.curves):
        with pytest.raises(RunFolderError, match="does not hold what it should"):
            read()
    with pytest.raises(RunFolderError, match="the journal is damaged") as caught:
        again.epoch(1, 1, report)
    assert "space" not in caught.value.hint
    again.remark("what lies elsewhere can be written still")
    again.close()


def test_text_in_the_place_of_a_measurement_is_one_clear_line(journal):
    journal.begin(spec(1))
    journal.epoch(1, 1, EpochReport(1.0, 10, 0.5, 0.5, 0.6, 0.5, 100.0))
    journal._database.execute("UPDATE epochs SET loss = NULL")
    assert [one["loss"] for one in journal.measurements(1)] == [None], "an older version did not know it"
    journal._database.execute("UPDATE epochs SET loss = 'low'")
    with pytest.raises(RunFolderError, match="does not hold what it should"):
        journal.measurements(1)


@pytest.mark.parametrize("change", [lambda journal: None, made_older], ids=["this version", "an older one"])
def test_the_measurements_of_a_trial_are_found_without_reading_those_of_all_others(change, journal, tmp_path):
    change(journal)
    with (
        contextlib.closing(Journal(tmp_path)),
        contextlib.closing(sqlite3.connect(tmp_path / JOURNAL_FILE)) as database,
    ):
        asked = "EXPLAIN QUERY PLAN SELECT f1 FROM epochs WHERE trial = 1 ORDER BY attempt, steps"
        steps = [row[-1] for row in database.execute(asked)]
    assert len(steps) == 1 and "USING INDEX" in steps[0], "nor sorted"


def test_a_journal_of_the_version_before_is_read_and_written_on(journal, tmp_path):
    made_older(journal)
    journal.close()
    for _ in range(2):
        again = Journal(tmp_path, create=True)
        again.begin(spec(1 + len(again.trials())))
        again.epoch(1, 1, EpochReport(1.0, 10, 0.5, 0.4, 0.9, 0.25, 100.0))
        curves, state = again.curves(), again.state()
        again.close()
    assert curves == {1: [(0.25, 0.9), (0.25, 0.9)]} and state == {}


def test_a_search_that_an_older_version_has_begun_is_refused_untouched_with_what_to_do(journal, tmp_path):
    RunFolder(tmp_path).write(RECIPE_FILE, Recipe().plain())
    journal.begin(spec(1))
    journal.set_meta("state", "ended")
    with pytest.raises(RunFolderError, match=r"older version.*--warm-start"):
        recipe_of_run(tmp_path, {"budget.trials": 40})
    assert journal.meta("state") == "ended"


def test_entries_of_the_state_are_replaced_one_by_one_and_keep_their_order(journal):
    journal.begin(spec(1), {"b": 1, "a": [1]})
    journal.done(1, result(0.5), {"c": None, "b": 2})
    with pytest.raises(sqlite3.IntegrityError):
        journal.begin(spec(1), {"a": "what a transaction that fails would have changed"})
    assert list(journal.state().items()) == [("b", 2), ("a", [1]), ("c", None)]
