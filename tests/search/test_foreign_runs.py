"""A run folder that somebody else sends can do no harm: nothing in it runs, and nothing outside of it is written or deleted."""

import contextlib
import json
import os
import pickle
import shutil
import sqlite3

import numpy as np
import pytest

import automl_img
from automl_img.api import evaluate_run
from automl_img.errors import DataError, PluginError, RunFolderError
from automl_img.search.exporting import export_run
from automl_img.search.journal import Journal
from automl_img.search.progress import progress_of
from automl_img.search.reporting import write_report
from automl_img.search.reproducing import reproduce
from automl_img.search.run_folder import RunFolder
from automl_img.search.suspecting import write_suspects

pytestmark = pytest.mark.train


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run, as it would come in the post."""
    return shutil.copytree(finished[0].run_dir, tmp_path / "sent" / "run")


@pytest.fixture
def marker(tmp_path):
    """A file that hostile code would write."""
    return tmp_path / "it-ran"


def change(run, file, **values):
    path = run / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


class Bomb:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (os.system, (f"touch {self.marker}",))


@pytest.fixture
def evil(run, marker, monkeypatch):
    """The recipe names a module that lies in the run folder, which is the working directory; its images are gone."""
    (run / "evil_of_run.py").write_text(f"open({str(marker)!r}, 'w')\n")
    recipe = json.loads((run / "recipe.json").read_text())
    change(run, "recipe.json", plugins={**recipe["plugins"], "modules": ["automl_img_plainnet", "evil_of_run"]})
    change(run, "data.json", store=str(run / "nowhere"))
    monkeypatch.chdir(run)
    monkeypatch.syspath_prepend(str(run))
    return run


@pytest.mark.parametrize(
    "opens",
    [
        evaluate_run,
        reproduce,
        lambda run: export_run(run, "keras"),
        lambda run: automl_img.fit("digits", out=run, resume=True, trials=9),
        lambda run: automl_img.fit("digits", out=run, resume=True, trials=9, accept_changes=True),
        lambda run: automl_img.fit(object(), out=run, resume=True, trials=9),
    ],
    ids=["evaluate", "reproduce", "export", "resume", "resume and accept", "resume with an object"],
)
def test_a_module_that_only_the_recipe_of_the_run_names_is_not_imported(opens, evil, marker):
    with pytest.raises(PluginError, match=r"no search of yours has used.*found 'evil_of_run'"):
        opens(evil)
    assert not marker.exists()


def test_a_report_imports_no_module_that_the_run_names(evil, marker):
    assert write_report(evil).is_file()
    assert not marker.exists()


def test_images_of_another_run_are_refused(run, tmp_path):
    from automl_img.data.arrays import dataset_from_arrays
    from automl_img.data.store import PreparedStore

    random = np.random.default_rng(0)
    other = dataset_from_arrays(random.integers(0, 255, (20, 8, 8), dtype=np.uint8), np.arange(20) % 2)
    store = PreparedStore.prepare(other, height=8, width=8, channels=1, cache_dir=tmp_path / "cache")
    change(run, "data.json", store=str(store.folder))
    with pytest.raises(RunFolderError, match="no longer those that this run was made from"):
        evaluate_run(run)


def test_a_folder_that_is_no_store_is_left_alone_and_the_images_come_from_their_source(run, finished, tmp_path):
    change(run, "data.json", store="/etc")
    assert evaluate_run(run)["f1"] == pytest.approx(finished[0].metrics["test"]["f1"])
    for wrong in (None, 5, ["/etc"], {}):
        change(run, "data.json", store=wrong)
        with pytest.raises(RunFolderError, match="does not say where its images lie"):
            evaluate_run(run)
        assert write_report(run).is_file()


def test_pickled_labels_in_a_store_are_not_loaded(run, marker):
    store = json.loads((run / "data.json").read_text())["store"]
    copy = shutil.copytree(store, run / "store")
    np.save(copy / "labels.npy", np.array([Bomb(marker)], object), allow_pickle=True)
    change(run, "data.json", store=str(copy))
    evaluate_run(run)
    np.save(copy / "images.npy", np.array([Bomb(marker)], object), allow_pickle=True)
    evaluate_run(run)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["evaluation/test.npz", "splits.npz", "evaluation/attention.npz"])
def test_pickled_arrays_are_not_loaded(name, run, marker):
    names = ("indices", "labels", "probabilities", "train", "validation", "test", "notes", "maps")
    np.savez(run / name, **{key: np.array([Bomb(marker)], object) for key in names})
    if name.endswith("attention.npz"):
        write_report(run)
    else:
        with pytest.raises((RunFolderError, DataError), match="cannot be read"):
            write_report(run)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["evaluation/test.npz", "splits.npz"])
def test_a_pickle_in_the_place_of_an_array_file_is_not_loaded(name, run, marker):
    (run / name).write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises((RunFolderError, DataError), match="cannot be read"):
        write_report(run)
    assert not marker.exists()


def test_a_journal_that_is_no_database_is_refused(run, marker):
    (run / "journal.sqlite").write_bytes(pickle.dumps(Bomb(marker)) * 100)
    with pytest.raises(RunFolderError, match="the journal cannot be read"):
        write_report(run)
    assert not marker.exists()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE attempts SET spec = '[]'",
        "UPDATE attempts SET spec = 'no JSON'",
        "UPDATE attempts SET spec = '{\"code\": 1}'",
        "UPDATE trials SET result = '{\"code\": 1}'",
        "UPDATE meta SET value = 'no JSON' WHERE key = 'state'",
        "DROP TABLE remarks",
    ],
)
def test_a_journal_that_holds_other_things_is_refused_in_one_line(statement, run):
    database = sqlite3.connect(run / "journal.sqlite")
    with database:
        database.execute(statement)
    database.close()
    with pytest.raises(RunFolderError, match="the journal does not hold what it should") as caught:
        write_report(run)
    assert "\n" not in str(caught.value)


def test_what_a_journal_says_is_text_in_the_report(run):
    hostile = "<script>fetch('//evil')</script><img src=x onerror=alert(1)>"
    journal = Journal(run)
    journal.remark(hostile)
    journal.close()
    change(run, "data.json", notes=[hostile], name=hostile)
    page = write_report(run).read_text()
    assert "<script>fetch" not in page and "<img src=x" not in page and "&lt;script&gt;fetch" in page


@pytest.mark.parametrize("name", ["recipe.json", "data.json", "metrics.json", "versions.json"])
@pytest.mark.parametrize("text", ["[]", "5", "{", "[" * 100_000])
def test_a_file_of_a_run_that_is_no_object_is_refused(name, text, run):
    (run / name).write_text(text)
    with pytest.raises(RunFolderError, match=name):
        write_report(run)


@pytest.mark.parametrize("name", ["trials", "trials/1", "trials/1/1", "model", "evaluation", "export", "export/keras"])
def test_a_link_out_of_the_run_folder_is_not_followed_by_what_writes_or_deletes(name, run, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "model.weights.h5").write_text("mine")
    place = run / name
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(precious)
    with pytest.raises(RunFolderError, match="a link leads out of the run folder"):
        automl_img.fit("digits", out=run, resume=True, trials=9)
    with contextlib.suppress(RunFolderError):  # or the link is passed by
        RunFolder(run).delete_weights()
    assert [file.name for file in precious.iterdir()] == ["model.weights.h5"]
    assert (precious / "model.weights.h5").read_text() == "mine"


@pytest.mark.parametrize(
    "writes",
    [
        lambda run: automl_img.fit("digits", out=run, resume=True, trials=9),
        write_report,
        lambda run: write_suspects(run, 3),
        lambda run: export_run(run, "keras"),
    ],
    ids=["resume", "report", "suspects", "export"],
)
@pytest.mark.parametrize("name", ["trials/1/1/log.txt", "trials/finish.txt", "stop", "evaluation/to_check.csv"])
def test_a_link_in_the_place_of_a_file_is_not_followed_by_what_writes(name, writes, run, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(precious)
    with pytest.raises(RunFolderError, match=f"{name}: a link leads out of the run folder"):
        writes(run)
    assert precious.read_text() == "mine" and (run / name).is_symlink()


def test_a_report_is_written_beside_links_where_it_is_told_to_go(run, tmp_path):
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(tmp_path / "mine")
    assert write_report(run, tmp_path / "page.html").is_file()
    assert not (tmp_path / "mine").exists()


def test_a_table_of_suspects_does_not_follow_a_link_out_of_the_run_unless_it_is_told_where_to_go(run, tmp_path):
    precious = (run / "evaluation").rename(tmp_path / "precious")
    (precious / "to_check.csv").write_text("mine")
    (run / "evaluation").symlink_to(precious)
    with pytest.raises(RunFolderError, match="a link leads out of the run folder"):
        write_suspects(run, 3)
    assert (precious / "to_check.csv").read_text() == "mine"
    write_suspects(run, 3, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").is_file()


@pytest.mark.parametrize("name", ["export", "export/keras"])
def test_an_export_does_not_follow_a_link_out_of_the_run(name, run, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    shutil.rmtree(run / "export", ignore_errors=True)
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).symlink_to(precious)
    with pytest.raises(RunFolderError, match="a link leads out of the run folder"):
        export_run(run, "keras")
    assert list(precious.iterdir()) == []


def test_a_journal_that_is_a_link_is_not_opened(run, tmp_path):
    other = tmp_path / "bookmarks.sqlite"
    database = sqlite3.connect(other)
    with database:
        database.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
    database.close()
    before = other.read_bytes()
    (run / "journal.sqlite").unlink()
    (run / "journal.sqlite").symlink_to(other)
    for opens in (progress_of, write_report, Journal):
        with pytest.raises(RunFolderError, match=r"journal.sqlite: this is a link to another file"):
            opens(run)
    assert other.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith("bookmarks")] == ["bookmarks.sqlite"]


@pytest.mark.parametrize("part", ["journal", "shm", "wal"])
def test_a_link_beside_the_journal_is_not_followed(part, run, tmp_path):
    (run / f"journal.sqlite-{part}").unlink(missing_ok=True)
    (run / f"journal.sqlite-{part}").symlink_to(tmp_path / "mine")
    with pytest.raises(RunFolderError, match=f"journal.sqlite-{part}: this is a link to another file"):
        Journal(run)
    assert not (tmp_path / "mine").exists()


def test_a_lock_that_is_a_link_is_not_written(run, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (run / "driver.lock").symlink_to(precious)
    with pytest.raises(RunFolderError, match=r"driver.lock: this is a link to another file"):
        automl_img.fit("digits", out=run, resume=True, trials=9)
    assert precious.read_text() == "mine"


def test_a_link_deep_in_the_trials_is_not_followed(run, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "model.weights.h5").write_text("mine")
    deep = run / "trials" / "1" / "1" / "a"
    deep.mkdir(parents=True)
    (deep / "b").symlink_to(precious)
    RunFolder(run).delete_weights()
    assert (precious / "model.weights.h5").exists()


def test_features_of_classes_that_are_not_the_librarys_are_refused(tmp_path, marker, monkeypatch):
    pytest.importorskip("tensorflow_datasets")
    from automl_img.plugin import discover

    source = discover().get("source", "tfds")
    (tmp_path / "evil_features.py").write_text(f"open({str(marker)!r}, 'w')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "photos" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text(json.dumps({"name": "photos", "version": "1.0.0"}))
    (folder / "features.json").write_text(json.dumps({"pythonClassName": "evil_features.Image", "json": {}}))
    for path, options in ((folder, {}), (tmp_path, {"name": "photos"})):
        with pytest.raises(DataError, match=r"would be imported; found 'evil_features.Image'"):
            source.load(path, options)
    with pytest.raises(DataError, match="scripts that would run"):
        source.load(None, {"name": "somebody:photos"})
    assert not marker.exists()
