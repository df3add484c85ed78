"""Paths as people write them, wherever they may be given."""

from pathlib import Path

import pytest

import automl_img
from automl_img.cache import cache_folder
from automl_img.errors import DataError, ModelFileError, RecipeError, RunFolderError, UsageError
from automl_img.paths import expanded_path
from automl_img.recipe import Recipe
from automl_img.resolving import resolve, run_path
from automl_img.search.experience import ExperienceStore
from automl_img.search.run_folder import RunFolder

NOBODY = "~nobody-here/photos"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_home_folder(home):
    assert expanded_path("~/photos") == home / "photos"
    assert expanded_path(Path("~")) == home
    assert expanded_path("photos~/a") == Path("photos~/a")


def test_the_home_of_nobody_is_one_line_of_the_kind_that_was_asked_for():
    with pytest.raises(UsageError, match=r"^there is no such home folder; found '~nobody-here/photos'"):
        expanded_path(NOBODY)
    with pytest.raises(DataError, match=r"^options\.root: there is no such home folder; found '~nobody-here/photos'"):
        expanded_path(NOBODY, where="options.root", error=DataError)


def test_runs_and_caches_below_home_are_found_and_made_there(home, monkeypatch):
    assert run_path(Recipe(output={"folder": "~/runs/a"})) == home / "runs" / "a"
    assert run_path(Recipe(), "~/b") == home / "b"
    assert run_path(Recipe()) is None, "the search makes one"
    RunFolder.create(home / "b")
    (home / "b" / "recipe.json").write_text("{}")
    assert RunFolder.open("~/b").path == home / "b"
    monkeypatch.setenv("AUTOML_IMG_CACHE", "~/cache")
    assert cache_folder() == home / "cache"
    monkeypatch.setenv("AUTOML_IMG_EXPERIENCE", "~/experience")
    assert ExperienceStore().folder == home / "experience"


def test_a_path_that_nobody_may_look_at_is_one_line_that_says_why(locked, tmp_path):
    for path, reason in ((locked / "x", "Permission denied"), (tmp_path / ("x" * 300), "File name too long")):
        with pytest.raises(UsageError, match=rf"x: the path cannot be looked at: {reason}$"):
            resolve(path, {})
        with pytest.raises(RunFolderError, match=rf"x: the run folder cannot be read: {reason}$"):
            RunFolder.open(path)
        with pytest.raises(ModelFileError, match=rf"x: the folder cannot be read: {reason}$"):
            automl_img.load(path)


def test_wherever_nobodys_home_is_given_the_line_says_where(monkeypatch):
    with pytest.raises(UsageError, match=r"^out: there is no such home folder"):
        run_path(Recipe(), NOBODY)
    with pytest.raises(RecipeError, match=r"^output\.folder: there is no such home folder"):
        run_path(Recipe(output={"folder": NOBODY}))
    with pytest.raises(RunFolderError, match="there is no such home folder"):
        RunFolder.open(NOBODY)
    with pytest.raises(ModelFileError, match="there is no such home folder"):
        automl_img.load(NOBODY)
    monkeypatch.setenv("AUTOML_IMG_CACHE", NOBODY)
    with pytest.raises(UsageError, match=r"^AUTOML_IMG_CACHE: there is no such home folder"):
        cache_folder()
    monkeypatch.setenv("AUTOML_IMG_EXPERIENCE", NOBODY)
    with pytest.raises(UsageError, match=r"^AUTOML_IMG_EXPERIENCE: there is no such home folder"):
        ExperienceStore()
