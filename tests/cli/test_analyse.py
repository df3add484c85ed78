"""``automl-img analyse`` as a person calls it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_img.recipe import read_recipe


@pytest.fixture
def analyse(typed):
    """A function that types ``automl-img analyse``."""
    return lambda *arguments: typed("analyse", *arguments)


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("cat <b>&'\"", "dog [red]x[bold]"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(35):
            Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).save(
                tmp_path / "photos" / name / f"{number}.png"
            )
    return tmp_path / "photos"


def test_it_shows_classes_figures_and_a_verdict(analyse, photos):
    ran = analyse(photos)
    assert ran.returncode == 0, ran.stderr
    assert "binary, 2 classes, 70 train" in ran.stdout and "30×40" in ran.stdout
    assert "cat <b>&'\"" in ran.stdout and "dog [red]x[bold]" in ran.stdout, "names are shown as they are"
    assert "Ready to train." in ran.stdout


def test_json_on_standard_output_is_all_there_is(analyse, photos):
    facts = json.loads(analyse(photos, "--json", "-").stdout)
    assert facts["images"] == {"train": 70} and facts["totals"]["unreadable"] == 0


def test_unusable_data_is_said_and_exits_with_2(analyse, photos, tmp_path):
    for path in list((photos / "dog [red]x[bold]").iterdir()):
        path.write_bytes(b"")
    ran = analyse(photos, "--json", tmp_path / "facts.json")
    assert ran.returncode == 2 and "Not usable" in ran.stdout and "Traceback" not in ran.stderr
    assert json.loads((tmp_path / "facts.json").read_text())["unusable"]


def test_images_of_which_none_can_validate_or_test_are_not_usable(analyse, photos, tmp_path):
    (tmp_path / "list.csv").write_text(
        "image,label,subject_id\n"
        + "".join(
            f"photos/dog [red]x[bold]/{number}.png,class {number % 10},person {number % 10}\n" for number in range(30)
        )
    )
    ran = analyse(tmp_path / "list.csv", "--recipe", tmp_path / "mine.toml")
    assert ran.returncode == 2, ran.stderr
    assert "Not usable: test: no image can be held out" in ran.stdout and "data.options.group" in ran.stdout
    assert not (tmp_path / "mine.toml").exists()
    for path in photos.glob("*/*.png"):
        if path.name not in ("0.png", "1.png"):
            path.unlink()
    assert "no class has a third image" in analyse(photos).stdout
    assert analyse(photos, "--set", "data.test=0").returncode == 0


def test_the_limits_can_be_set(analyse, photos):
    assert "Fewer than 50 training images" in analyse(photos, "--few", "50").stdout


def test_the_recipe_says_how_many_files_may_be_unreadable(analyse, photos, tmp_path):
    for path in sorted((photos / "dog [red]x[bold]").iterdir())[:7]:
        path.write_bytes(b"")
    given = tmp_path / "given.toml"
    given.write_text('[data]\npath = "photos"\nmax_unreadable = 0.2\n')
    assert analyse(photos).returncode == 2, "7 of 70 are more than 5%"
    ran = analyse(given, "--json", "-")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["limits"]["unreadable"] == 0.2
    wrong = analyse(given, "--set", "data.max_unreadable=5%")
    assert wrong.returncode == 2 and "data.max_unreadable: this value is not allowed; found '5%'" in wrong.stderr
    assert len(wrong.stderr.strip().splitlines()) == 1


def test_what_is_not_there_is_one_line(analyse, tmp_path):
    ran = analyse(tmp_path / "none")
    assert ran.returncode == 2 and len(ran.stderr.strip().splitlines()) == 1


def test_advice_is_shown_and_is_in_the_json(analyse, photos, tmp_path):
    ran = analyse(photos, "--json", tmp_path / "facts.json")
    assert "Advice" in ran.stdout and "keep 10%" in ran.stdout
    assert json.loads((tmp_path / "facts.json").read_text())["advice"]["task"] == "binary"


def test_html_writes_a_page_and_a_second_look_replaces_it(analyse, photos, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    ran = analyse(photos, "--html", page)
    assert ran.returncode == 0 and "is written: open it in a browser" in " ".join(ran.stdout.split())
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>") and "cat &lt;b&gt;&amp;&#39;&#34;" in text and "<b>&" not in text


def test_recipe_writes_one_that_says_why(analyse, photos, tmp_path):
    ran = analyse(photos, "--recipe", tmp_path / "mine.toml")
    assert ran.returncode == 0 and f"next automl-img search {tmp_path / 'mine.toml'}" in " ".join(ran.stdout.split())
    text = (tmp_path / "mine.toml").read_text(encoding="utf-8")
    recipe = read_recipe(tmp_path / "mine.toml")
    assert 'path = "photos"' in text and recipe.data.path == str(photos), "a path below the recipe is relative to it"
    assert (recipe.data.source, recipe.data.task, recipe.data.size()) == ("folder", "binary", (30, 40))
    assert (recipe.data.channels, recipe.data.test, recipe.budget.time) == (3, 0.1, 120)
    assert "# 30×40, colour: the median of the images." in text
    assert "# Wall time of the whole command" in text and text.count("\n# ") > 60, "all keys are explained"


def test_what_a_person_has_set_stays_in_the_recipe(analyse, photos, tmp_path):
    given = tmp_path / "given.toml"
    given.write_text('[data]\npath = "photos"\nimage_size = 16\n[budget]\ntime = "5m"\n[train]\nepochs = 7\n')
    ran = analyse(given, "--recipe", tmp_path / "new.toml", "--set", "data.channels=1")
    assert ran.returncode == 0 and "trains at 16×16×1" in " ".join(ran.stdout.split())
    recipe = read_recipe(tmp_path / "new.toml")
    assert (recipe.data.image_size, recipe.data.channels, recipe.budget.time, recipe.train.epochs) == (16, 1, 300, 7)
    assert recipe.data.task == "binary", "what was left open is advised"


def test_a_budget_of_trials_gets_no_time_beside_it(analyse, photos, tmp_path):
    (tmp_path / "given.toml").write_text('[data]\npath = "photos"\n[budget]\ntrials = 50\n')
    assert analyse(tmp_path / "given.toml", "--recipe", tmp_path / "new.toml").returncode == 0
    text = (tmp_path / "new.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["budget"] == {"trials": 50} and "# 2m: " not in text


@pytest.mark.parametrize(
    ("table", "key", "left", "said"),
    [
        (
            '[train]\nweights = "imagenet"\n',
            "image_size",
            "auto",
            "# Left out: 30×40, colour; train.weights needs data.image_size of at least 32",
        ),
        ("validation = 0.9\n", "test", 0.0, "# Left out: keep 10%; validation and test together leave nothing"),
    ],
)
def test_advice_that_does_not_go_with_what_is_set_is_left_out_of_the_recipe(
    analyse, photos, tmp_path, table, key, left, said
):
    (tmp_path / "given.toml").write_text(f'[data]\npath = "photos"\n{table}')
    ran = analyse(tmp_path / "given.toml", "--recipe", tmp_path / "new.toml")
    assert ran.returncode == 0, ran.stderr
    recipe = read_recipe(tmp_path / "new.toml")
    assert getattr(recipe.data, key) == left and recipe.data.task == "binary", "the other advice is taken"
    assert said in (tmp_path / "new.toml").read_text(encoding="utf-8")


def test_what_to_do_next_can_be_typed_as_it_stands(analyse, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos.rename("my photos")
    picture = next(Path("my photos").rglob("*.png"))
    shutil.copy(picture, picture.with_name("copy.png"))
    settings = ("--set", "train.schedules=['cosine']", "--set", "data.test=0.2")
    shown = " ".join(analyse("my photos", *settings).stdout.split())
    assert shlex.split(shown.partition("next automl-img ")[2]) == ["search", "my photos", *settings]
    assert "trains at 30×40×3" in shown and "1 group, 0 between splits" in shown


@pytest.mark.parametrize("name", ['quo"te \\ back', "tab\tnew\nline \x7f", "кот 猫"])
def test_a_recipe_can_name_any_folder(analyse, photos, tmp_path, name):
    photos.rename(tmp_path / name)
    ran = analyse(tmp_path / name, "--recipe", tmp_path / "r.toml")
    assert ran.returncode == 0, ran.stderr
    assert read_recipe(tmp_path / "r.toml").data.path == str(tmp_path / name)


def test_an_existing_recipe_is_left_as_it_is(analyse, photos, tmp_path):
    (tmp_path / "mine.toml").write_text("# mine\n")
    ran = analyse(photos, "--recipe", tmp_path / "mine.toml")
    assert ran.returncode == 2 and "this file exists and is left as it is" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1 and (tmp_path / "mine.toml").read_text() == "# mine\n"


@pytest.mark.parametrize("option", ["--html", "--recipe", "--json"])
def test_a_file_in_a_folder_that_is_not_there_is_one_line_before_any_look(analyse, photos, tmp_path, option):
    ran = analyse(photos, option, tmp_path / "none" / "file.toml")
    assert ran.returncode == 2 and ran.stdout == ""
    assert len(ran.stderr.strip().splitlines()) == 1 and "the folder of this file is not there" in ran.stderr
    assert option in ran.stderr


@pytest.mark.parametrize(
    ("option", "name", "problem"),
    [("--html", "folder", "this is a folder"), ("--recipe", "mine.txt", "ends in .toml")],
)
def test_a_target_that_cannot_be_is_one_line(analyse, photos, tmp_path, option, name, problem):
    (tmp_path / "folder").mkdir()
    ran = analyse(photos, option, tmp_path / name)
    assert ran.returncode == 2 and problem in ran.stderr and len(ran.stderr.strip().splitlines()) == 1


def test_data_that_cannot_be_used_gives_a_page_but_no_recipe(analyse, photos, tmp_path):
    for path in list((photos / "dog [red]x[bold]").iterdir()):
        path.write_bytes(b"")
    ran = analyse(photos, "--html", tmp_path / "page.html", "--recipe", tmp_path / "r.toml")
    assert ran.returncode == 2 and "is not written: a search could not use these images" in " ".join(ran.stdout.split())
    assert not (tmp_path / "r.toml").exists() and "Not usable" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take UTF-8 alone")
def test_a_file_whose_name_is_no_text_is_told(photos):
    (photos / "dog [red]x[bold]" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    command = [Path(sys.executable).parent / "automl-img", "analyse", photos]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "caf\\udce9.png:thefileisempty" in "".join(ran.stdout.split())
    facts = json.loads(subprocess.run([*command, "--json", "-"], capture_output=True, timeout=120).stdout)
    assert facts["unreadable"][0]["image"]["path"].endswith("caf\udce9.png")
