"""What the page on a run shows is read from its folder, whatever state that is in."""

import contextlib
import json
import shutil
import sqlite3

import pytest

import automl_img
from automl_img import events
from automl_img.errors import RunFolderError
from automl_img.search import finishing
from automl_img.search.journal import Journal
from automl_img.search.lock import RunLock
from automl_img.search.reporting import evidence_of, write_report
from automl_img.search.run_folder import RunFolder
from automl_img.training.spec import EpochReport


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run."""
    return shutil.copytree(finished[0].run_dir, tmp_path / "run")


def test_the_evidence_of_a_finished_run_is_whole(finished, run):
    found = evidence_of(RunFolder(run))
    metrics = finished[0].metrics
    assert (found.state, found.name, found.judged) == ("ended", "digits", "test")
    assert found.best == metrics["best"]["trial"] and found.figures["test"]["f1"] == metrics["test"]["f1"]
    assert all(trial.curve and trial.values for trial in found.trials)
    assert all(one.loss > 0 and one.validation_loss > 0 for trial in found.trials for one in trial.curve)
    assert all(0 < trial.ended < found.elapsed for trial in found.trials)
    assert found.counts["test"] == len(found.answers["test"].labels) == metrics["test"]["images"]
    predicted = found.answers["test"].probabilities.argmax(1)
    assert (predicted == found.answers["test"].labels).mean() == pytest.approx(metrics["test"]["accuracy"])
    kinds = {"roc", "precision_recall", "reliability", "coverage", "slices"}
    assert found.images is not None and set(found.curves["test"]) == kinds


def test_a_search_that_was_cut_off_has_a_page_of_what_there_is(run):
    for name in ("metrics.json", "leaderboard.csv", "report.html"):
        (run / name).unlink()
    shutil.rmtree(run / "evaluation")
    journal = Journal(run)
    journal.set_meta("state", "running")
    journal.close()
    assert evidence_of(RunFolder(run)).state == "cut off"
    assert "the search was cut off" in write_report(run).read_text()


def test_a_search_that_goes_on_after_its_end_has_no_figures_of_the_model_before(run):
    assert evidence_of(RunFolder(run)).figures
    journal = Journal(run)
    journal.set_meta("state", "running")
    journal.set_meta("chosen", None)
    journal.close()
    lock = RunLock(run)
    found = evidence_of(RunFolder(run))
    assert (found.state, found.figures, found.suspects) == ("running", {}, ())
    assert "The search is running. So far plainnet is the best" in write_report(run).read_text()
    lock.release()
    assert "the search was cut off" in write_report(run).read_text()


def test_a_page_needs_neither_the_cache_nor_curves(run):
    data = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps({**data, "store": "/nowhere"}))
    (run / "evaluation" / "curves.json").write_text("{")
    page = write_report(run).read_text()
    assert "Confusion" in page and "<img" not in page


def test_a_run_that_kept_no_loss_in_training_has_a_page_with_that_on_validation(run):
    with contextlib.closing(sqlite3.connect(run / "journal.sqlite", isolation_level=None)) as database:
        database.execute("UPDATE epochs SET loss = NULL")
    assert all(one.loss is None for trial in evidence_of(RunFolder(run)).trials for one in trial.curve)
    assert "Loss of the best trial" in write_report(run).read_text()


def test_damaged_maps_cost_the_page_them_alone_and_damaged_answers_are_one_line(run):
    maps, answers = run / "evaluation" / "attention.npz", run / "evaluation" / "test.npz"
    maps.write_bytes(maps.read_bytes()[:-100])
    page = write_report(run).read_text()
    assert "Confusion" in page and "Where it looks" not in page
    content = bytearray(answers.read_bytes())
    content[len(content) // 2] ^= 0xFF
    answers.write_bytes(content)
    with pytest.raises(RunFolderError, match=r"test\.npz: the predictions cannot be read"):
        write_report(run)


def test_a_page_of_other_images_than_those_of_the_run_has_no_pictures(run):
    data = json.loads((run / "data.json").read_text())
    (run / "data.json").write_text(json.dumps({**data, "fingerprint": "another"}))
    assert evidence_of(RunFolder(run)).images is None


def test_measurements_of_a_trial_that_was_cut_off_are_one_curve(tmp_path, finished):
    first = Journal(finished[0].run_dir)
    spec = first.trials()[0].spec
    first.close()
    journal = Journal(tmp_path, create=True)
    journal.begin(spec)
    for steps in (10, 20, 30):
        journal.epoch(1, 1, EpochReport(steps / 10, steps, 0.5, 0.4, 0.1, 0.1, 1.0))
    for steps in (30, 40):
        journal.epoch(1, 2, EpochReport(steps / 10, steps, 0.5, 0.4, 0.2, 0.1, 1.0))
    assert [(one["steps"], one["f1"]) for one in journal.measurements(1)] == [
        (10, 0.1),
        (20, 0.1),
        (30, 0.2),
        (40, 0.2),
    ]
    journal.close()


@pytest.mark.train
def test_a_report_that_cannot_be_written_costs_a_line_and_not_the_search(tmp_path, quick_settings, monkeypatch):
    def fail(path):
        raise ValueError("no page today")

    monkeypatch.setattr(finishing, "write_report", fail)
    heard = []
    result = automl_img.fit("digits", trials=1, settings=quick_settings, out=tmp_path / "run", listener=heard.append)
    assert result.metrics["test"]["f1"] > 0
    said = [event.what for event in heard if isinstance(event, events.Decided)]
    assert any("the report could not be written: ValueError: no page today" in what for what in said)


def test_a_folder_that_is_no_run_has_no_report(tmp_path):
    with pytest.raises(RunFolderError, match="no run folder"):
        write_report(tmp_path)
