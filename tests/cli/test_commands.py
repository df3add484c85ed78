import csv
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from rich.text import Text
from typer.main import get_command

from automl_img.cache import downloads_folder, in_use
from automl_img.cli import app
from automl_img.cli import predict as predict_command
from automl_img.cli.init import commented_recipe
from automl_img.cli.predict import Format
from automl_img.cli.search import parse_settings
from automl_img.errors import DataError, UsageError
from automl_img.plugin import ImageTraits
from automl_img.recipe import Recipe, read_recipe, recipe_from_mapping
from automl_img.search.exporting import export_run
from automl_img.search.lock import RunLock
from automl_img.search.run_folder import STOP_FILE, RunFolder

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
LONG = "x" * 300  # no file system takes such a name


def run(*arguments, **variables):
    command = [str(Path(sys.executable).parent / "automl-img"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200", **variables}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)


@pytest.mark.parametrize(
    "command",
    [
        "",
        "analyse",
        "cache",
        "search",
        "plugins",
        "leaderboard",
        "predict",
        "evaluate",
        "export",
        "report",
        "suspects",
        "init",
        "recipe",
        "recipe check",
    ],
)
def test_each_command_explains_itself(typed, command):
    ran = typed(*command.split(), "--help")
    assert ran.returncode == 0
    assert "Usage" in ran.stdout


def test_no_word_of_a_help_is_taken_for_a_tag_and_left_out():
    def commands(command):
        yield command
        for inner in getattr(command, "commands", {}).values():
            yield from commands(inner)

    for command in commands(get_command(app)):
        for text in (command.help, *(getattr(parameter, "help", None) for parameter in command.params)):
            assert Text.from_markup(text or "").plain == (text or ""), command.name


def test_the_help_of_export_names_the_formats_that_there_are(typed):
    told = " ".join(typed("export", "--help").stdout.split())
    assert "The format: keras, onnx, openvino, savedmodel, tflite, tflite-int8." in told


def test_the_version_is_that_of_the_distribution(typed):
    assert typed("--version").stdout.startswith("automl-img 0.")


def test_python_runs_the_package_as_the_command(typed):
    command = [sys.executable, "-m", "automl_img", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=300).stdout == typed("--version").stdout


def test_plugins_are_listed_without_tensorflow(typed):
    ran = run("plugins", "--json", PYTHONPROFILEIMPORTTIME="1")
    plugins = json.loads(ran.stdout)
    assert {"architecture", "augmentation", "exporter", "regularizer", "source", "strategy"} <= {
        plugin["kind"] for plugin in plugins
    }
    assert " tensorflow" not in ran.stderr
    table = typed("plugins").stdout
    assert "xception" in table
    assert "automl-img 0." in table


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_each_recipe_that_comes_with_us_is_right(typed, recipe):
    ran = typed("recipe", "check", recipe)
    assert ran.returncode == 0, ran.stderr
    assert "right" in ran.stdout


def test_the_schema_accepts_our_recipes_and_refuses_a_typo(typed):
    import tomllib

    schema = json.loads(typed("recipe", "schema").stdout)
    for path in RECIPES:
        jsonschema.validate(tomllib.loads(path.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"budget": {"tiem": "10m"}}, schema)


def test_a_written_recipe_is_right_and_explains_every_key(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = typed("init", "mine.toml", "--source", "digits")
    assert ran.returncode == 0, ran.stderr
    text = (tmp_path / "mine.toml").read_text()
    for name in Recipe.model_fields:
        assert name in text
    assert read_recipe(tmp_path / "mine.toml").data.source == "digits"
    again = typed("init", "mine.toml")
    assert again.returncode == 2
    assert "is left as it is" in again.stderr
    assert (tmp_path / "mine.toml").read_text() == text


def test_a_written_recipe_names_the_folder_that_was_given(typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for file in ("sub/mine.toml", "mine.toml"):
        assert typed("init", file, "--path", "photos").returncode == 0
        assert read_recipe(file).data.path == str(tmp_path.resolve() / "photos")
    assert 'path = "photos"' in (tmp_path / "mine.toml").read_text(), "a path below the recipe is relative to it"
    assert typed("init", "sub/other.toml").returncode == 0
    assert 'path = "photos"' in (tmp_path / "sub" / "other.toml").read_text()


def test_what_is_commented_out_in_a_written_recipe_is_right_too(tmp_path):
    text = commented_recipe({"data": {"source": "digits"}, "budget": {"time": "10m"}})
    uncommented, count = re.subn(r"(?m)^# (\w+ = .+)$", r"\1", text)
    assert count > 40
    for name, content in (("kept", text), ("whole", uncommented)):
        (tmp_path / f"{name}.toml").write_text(content, encoding="utf-8")
    kept, whole = (read_recipe(tmp_path / f"{name}.toml", {"name": "mine"}) for name in ("kept", "whole"))
    assert whole.plain() == kept.plain()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "no_such_thing"], "this is no recipe, no folder and no source"),
        (["search", "missing.toml"], "missing.toml: there is no such recipe"),
        (["search", "~nobody-here/photos"], "there is no such home folder; found '~nobody-here/photos'"),
        (["search", "digits", "--budget", "10 parsecs"], "budget.time: unknown unit 'parsecs'"),
        (["search", "digits", "--set", "search.stratgey=random"], "Did you mean 'strategy'"),
        (["search", "digits", "--set", "search.strategy=randon"], "Did you mean 'random'"),
        (["search", "digits", "--set", "nothing"], "--set: this is no setting"),
        (["search", "digits", "--set", 'search.architectures=["vgx"]'], "Did you mean 'vgg'"),
        (["search", "digits", "--set", "search.options.speed=3"], "has no option 'speed'"),
        (["search", "digits", "--set", "plugins.only=3"], "plugins.only: this value is not allowed; found 3"),
        (["leaderboard", "nowhere"], "nowhere: there is no such run folder"),
        (["predict", "nowhere", "x.png"], "nowhere: there is no such folder"),
        (["predict", "nowhere", "x.png", "--out", "."], "--out: this is a folder, not a file; found '.'"),
        (["evaluate", "nowhere"], "nowhere: there is no such run folder"),
        (["recipe", "check", "missing.toml"], "there is no such recipe"),
        (["init", "--source", "foldr"], "Did you mean 'folder'"),
        (["init", "mine"], "FILE: a recipe's name ends in .toml; found 'mine'"),
        (["search", LONG], f"{LONG}: the path cannot be looked at: File name too long"),
        (["search", "digits", "--set", f"train.weights={LONG}.h5"], "train.weights: there is no such weights file"),
        (["leaderboard", LONG], f"{LONG}: the run folder cannot be read: File name too long"),
        (["predict", LONG, "x.png"], f"{LONG}: the folder cannot be read: File name too long"),
        (
            ["analyse", "digits", "--recipe", f"{LONG}.toml"],
            f"{LONG}.toml: the file cannot be written: File name too long",
        ),
        (["init", f"{LONG}.toml"], f"{LONG}.toml: the file cannot be written: File name too long"),
    ],
)
def test_a_mistake_of_the_user_is_one_line_and_exit_code_2(typed, arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = typed(*arguments)
    assert ran.returncode == 2, ran.stderr
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "runs").exists() and not (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=3", 3),
        ("a.b=0.5", 0.5),
        ("a.b=true", True),
        ('a.b=["x", "y"]', ["x", "y"]),
        ("a.b=plain text", "plain text"),
        ("a.b='10m'", "10m"),
        ("a.b= plain text ", "plain text"),
        ("a.b= ", " "),
        ("a.b=\t", "\t"),
        ("a.b=", ""),
    ],
)
def test_settings_are_read_as_toml_or_as_text(text, value):
    assert parse_settings([text]) == {"a.b": value}


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("data.path", "2024", "2024"),
        ("data.path", " 007 ", "007"),
        ("data.path", "'2024'", "2024"),
        ("train.weights", "true", "true"),
        ("name", "1.10", "1.10"),
        ("name", "2024-05-01", "2024-05-01"),
        ("data.options.label", "2024-05-01", "2024-05-01"),
        ("data.options.label", "07:30:00", "07:30:00"),
        ("data.options.label", "3", 3),
        ("plugins.only", '["digits"]', ["digits"]),
        ("seed", "3", 3),
    ],
)
def test_a_setting_of_a_key_that_takes_text_is_text_whatever_it_looks_like(key, text, value):
    settings = parse_settings([f"{key}={text}"])
    assert settings == {key: value} and type(settings[key]) is type(value)
    recipe_from_mapping({}, settings)


def test_a_setting_without_a_key_is_refused():
    with pytest.raises(UsageError):
        parse_settings(["=3"])


@pytest.mark.train
def test_the_leaderboard_of_a_run_is_shown_in_three_ways(typed, finished):
    folder = finished[0].run_dir
    rows = list(csv.DictReader(io.StringIO(typed("leaderboard", folder, "--csv").stdout)))
    assert [row["rank"] for row in rows] == ["1", "2"]
    assert json.loads(typed("leaderboard", folder, "--json").stdout)[0]["architecture"] == "plainnet"
    assert "plainnet" in typed("leaderboard", folder).stdout


@pytest.mark.train
def test_evaluation_shows_the_recorded_figures(typed, finished):
    ran = typed("evaluate", finished[0].run_dir, "--split", "test", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["accuracy"] == pytest.approx(finished[0].metrics["test"]["accuracy"])
    wrong = typed("evaluate", finished[0].run_dir, "--split", "tset")
    assert wrong.returncode == 2
    assert "train, validation, test" in wrong.stderr


@pytest.fixture
def digit_files(tmp_path, digits_data):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(5):
        Image.fromarray(digits_data[0][i]).save(folder / f"{i}.png")
    return folder


@pytest.mark.train
def test_predictions_of_files_equal_those_of_arrays(typed, finished, digit_files, digits_data):
    ran = typed("predict", finished[0].run_dir, digit_files, "--top", "3")
    assert ran.returncode == 0, ran.stderr
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    expected = finished[0].predict_proba(digits_data[0][:5])
    assert [row["label"] for row in rows] == list(np.array(finished[0].predictor.class_names)[expected.argmax(1)])
    assert float(rows[0]["confidence"]) == pytest.approx(expected[0].max(), abs=1e-4)
    assert set(rows[0]) >= {"label_2", "confidence_3", "error"}


def test_of_a_folder_that_is_given_nothing_hidden_is_predicted(tmp_path, monkeypatch):
    photos = tmp_path / ".album" / "photos"
    for name in ("a.png", "b/c.png", ".d.png", ".thumbnails/x.png", "b/.cache/large/y.png", "__MACOSX/a.png"):
        (photos / name).parent.mkdir(parents=True, exist_ok=True)
        (photos / name).touch()
    assert list(predict_command._listed([photos])) == [photos / "a.png", photos / "b" / "c.png"]
    hidden = photos / ".thumbnails"
    assert list(predict_command._listed([hidden, hidden / "x.png"])) == [hidden / "x.png"] * 2
    monkeypatch.chdir(photos)
    assert list(predict_command._listed([Path()])) == [Path("a.png"), Path("b", "c.png")]


def test_of_a_folder_that_is_given_links_to_folders_are_followed_but_not_in_a_circle(tmp_path):
    photos, elsewhere = tmp_path / "photos", tmp_path / "elsewhere"
    for file in (photos / "a.png", photos / "c.png", elsewhere / "1.png"):
        file.parent.mkdir(exist_ok=True)
        file.touch()
    (photos / "b").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(photos)
    assert list(predict_command._listed([photos])) == [photos / "a.png", photos / "b" / "1.png", photos / "c.png"]


def test_the_folders_in_a_folder_are_listed_when_it_is_their_turn(tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").touch()
    scan, seen = os.scandir, []
    monkeypatch.setattr(os, "scandir", lambda folder: seen.append(folder.name) or scan(folder))
    found = predict_command._listed([tmp_path / "photos"])
    assert (next(found).parent.name, seen) == ("a", ["photos", "a"])
    assert len(list(found)) == 2 and seen == ["photos", "a", "b", "c"]


def test_a_list_may_have_the_line_ends_of_windows_and_paths_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    listed = b"1.png\r\n\r\n~/2.png\r\n~nobody-here/3.png\n4.png"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed), encoding="utf-8", newline="\n"))
    expected = [Path("1.png"), tmp_path / "2.png", Path("~nobody-here/3.png"), Path("4.png")]
    assert list(predict_command._listed([Path("-")])) == expected
    (tmp_path / "2.png").touch()
    assert list(predict_command._listed([Path("~/*.png")])) == [tmp_path / "2.png"]
    with pytest.raises(DataError, match="there is no such home folder; found '~nobody-here"):
        predict_command._listed([Path("~nobody-here/*.png")])


@pytest.mark.parametrize(
    ("side", "channels", "batches"), [(28, 1, [512, 88]), (512, 3, [76] * 7 + [68]), (2048, 3, [32] * 18 + [24])]
)
def test_fewer_large_images_are_decoded_at_once(side, channels, batches, monkeypatch):
    monkeypatch.setattr("automl_img.data.images.decode", lambda path, **more: path.name)
    image = ImageTraits(side, side, channels, 2, 100)
    predictor = SimpleNamespace(card=SimpleNamespace(plan=SimpleNamespace(image=image)))
    paths = [Path(str(number)) for number in range(600)]
    found = list(predict_command._decoded(predictor, iter(paths)))
    assert [len(some) for some, _ in found] == batches
    assert [name for _, names in found for name in names] == [path.name for path in paths]


def test_what_nobody_may_look_at_is_listed_all_the_same(tmp_path, locked):
    given = [tmp_path / "a.png", locked / "b.png", tmp_path / LONG]
    assert list(predict_command._listed(given)) == given
    given[0].touch()
    assert list(predict_command._listed([tmp_path])) == [tmp_path / "a.png", locked / "inside.png"]
    assert list(predict_command._listed([tmp_path / "*" / "*.png"])) == [locked / "inside.png"]


@pytest.mark.train
def test_an_unreadable_image_is_a_row_with_its_error_and_exit_code_3(typed, finished, digit_files):
    (digit_files / "2b.png").write_bytes(b"no image")
    ran = typed("predict", finished[0].run_dir, digit_files, digit_files / "none.png", "--format", "json")
    assert ran.returncode == 3
    rows = json.loads(ran.stdout)
    assert [bool(row["error"]) for row in rows] == [False, False, False, True, False, False, True]
    assert "2 images could not be read" in ran.stderr


@pytest.mark.train
def test_an_image_that_nobody_may_look_at_is_a_row_with_its_error_beside_the_others(
    typed, finished, digit_files, locked
):
    images = [digit_files / "0.png", locked / "inside.png", digit_files / LONG, digit_files / "1.png"]
    ran = typed("predict", finished[0].run_dir, *images, "--format", "json")
    assert ran.returncode == 3, ran.stderr
    rows = json.loads(ran.stdout)
    reasons = ("", ": the file cannot be read: Permission denied", ": the file cannot be read: File name too long", "")
    assert [row["error"] for row in rows] == [
        f"{image}{why}" if why else "" for image, why in zip(images, reasons, strict=True)
    ]
    assert [len(row["classes"]) for row in rows] == [1, 0, 0, 1]


@pytest.mark.train
def test_a_folder_that_cannot_be_listed_is_a_row_with_its_error_beside_the_others(
    typed, finished, digit_files, monkeypatch
):
    closed, scan = digit_files / "3b", os.scandir
    closed.mkdir()

    def refuse(folder):
        if folder == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    ran = typed("predict", finished[0].run_dir, digit_files, "--format", "json")
    assert ran.returncode == 3, ran.stderr
    rows = json.loads(ran.stdout)
    assert [Path(row["path"]).stem for row in rows] == ["0", "1", "2", "3", "3b", "4"]
    assert [bool(row["error"]) for row in rows] == [False, False, False, False, True, False]


@pytest.mark.train
def test_the_file_of_predictions_is_no_image_though_it_lies_among_them(typed, finished, digit_files, monkeypatch):
    out = digit_files / "found.csv"
    for given in (digit_files, digit_files, digit_files / "*", *["named"] * 2):
        images = sorted(digit_files.iterdir()) if given == "named" else [given]
        ran = typed("predict", finished[0].run_dir, *images, "--out", out)
        assert ran.returncode == 0, ran.stderr
        assert len(pd.read_csv(out)) == 5
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{out}\n{images[0]}\n".encode()), encoding="utf-8"))
    assert typed("predict", finished[0].run_dir, "-", "--out", out).returncode == 0
    assert len(pd.read_csv(out)) == 1


@pytest.mark.train
@pytest.mark.parametrize("format", list(Format))
def test_what_stands_for_no_file_is_told_before_anything_is_written(format, finished, digit_files, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "empty" / "found"
    out.write_text("older")
    for nothing, said in (("empty", "the folder holds no files"), ("*.gif", "no file matches this pattern")):
        with pytest.raises(DataError, match=said):
            predict_command.predict(finished[0].run_dir, [digit_files, tmp_path / nothing], format, 1, out)
        assert out.read_text() == "older"


@pytest.mark.train
def test_a_list_on_standard_input_and_patterns_name_images_too(typed, finished, digit_files, monkeypatch):
    listed = "\n".join(map(str, sorted(digit_files.glob("*.png"), reverse=True))) + "\n\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed.encode()), encoding="utf-8"))
    ran = typed("predict", finished[0].run_dir, "-", digit_files / "[01]*.png")
    assert ran.returncode == 0, ran.stderr
    names = [Path(row["path"]).stem for row in csv.DictReader(io.StringIO(ran.stdout))]
    assert names == ["4", "3", "2", "1", "0", "0", "1"]
    none = typed("predict", finished[0].run_dir, digit_files / "*.gif")
    assert none.returncode == 2 and "no file matches this pattern" in none.stderr


@pytest.mark.train
@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems take UTF-8 alone")
def test_a_list_may_name_files_whose_names_are_no_utf_8(finished, digit_files, tmp_path, monkeypatch):
    name = bytes(digit_files) + b"/caf\xe9.png"
    (digit_files / "0.png").rename(os.fsdecode(name))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(name + b"\n"), encoding="utf-8"))
    predict_command.predict(finished[0].run_dir, [Path("-")], Format.csv, 1, tmp_path / "found.csv")
    assert name in (tmp_path / "found.csv").read_bytes()


@pytest.mark.train
@pytest.mark.parametrize("format", list(Format))
def test_many_images_are_written_in_their_order_whatever_the_batches(
    format, finished, digit_files, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(predict_command, "BATCH", 2)
    (digit_files / "1b.png").write_bytes(b"no image")
    with pytest.raises(typer.Exit) as ended:
        predict_command.predict(finished[0].run_dir, [digit_files], format, 2, tmp_path / "found")
    assert ended.value.exit_code == 3 and "1 image could not be read." in capsys.readouterr().err
    readers = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}
    found = readers[format.value](tmp_path / "found")
    assert [Path(path).stem for path in found["path"]] == ["0", "1", "1b", "2", "3", "4"]
    labels = [row[0]["label"] if row else None for row in found["classes"]] if format == "json" else found["label"]
    assert [str(label).removesuffix(".0") for label in np.array(labels)[[0, 1, 3]]] == ["0", "1", "2"]


def test_predictions_that_cannot_be_written_say_so_before_anything_is_loaded(typed, tmp_path):
    assert "parquet is no text" in typed("predict", tmp_path, "x.png", "--format", "parquet").stderr
    assert "folder of this file" in typed("predict", tmp_path, "x.png", "--out", tmp_path / "no" / "x.csv").stderr


def test_an_image_is_not_overwritten_by_its_own_prediction(typed, tmp_path, digit_files):
    image = digit_files / "0.png"
    before = image.read_bytes()
    ran = typed("predict", tmp_path, image, "--out", image)
    assert ran.returncode == 2 and "--out: this file is an image, and would be overwritten" in ran.stderr
    assert image.read_bytes() == before


@pytest.mark.train
@pytest.mark.parametrize("format", list(Format))
def test_a_file_that_cannot_be_opened_for_predictions_is_one_line(format, finished, digit_files, tmp_path):
    (tmp_path / "found").symlink_to(tmp_path / "none" / "found")
    with pytest.raises(UsageError, match="found: the file cannot be written: No such file or directory"):
        predict_command.predict(finished[0].run_dir, [digit_files], format, 1, tmp_path / "found")
    with pytest.raises(UsageError, match="the file cannot be written: File name too long"):
        predict_command.predict(finished[0].run_dir, [digit_files], format, 1, tmp_path / ("x" * 300))


@pytest.mark.train
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("format", list(Format))
def test_a_disk_that_is_full_of_predictions_is_one_line(format, finished, digit_files):
    with pytest.raises(UsageError, match="full: the file cannot be written: No space left"):
        predict_command.predict(finished[0].run_dir, [digit_files], format, 1, Path("/dev/full"))


@pytest.mark.parametrize("option", ["--max-mb", "--max-megapixels"])
@pytest.mark.parametrize("given", ["inf", "1e300", "-inf", "nan"])
def test_a_limit_of_the_server_that_is_none_is_refused(typed, tmp_path, option, given):
    pytest.importorskip("fastapi", reason="FastAPI is not installed: pip install 'automl-img[serve]'")
    ran = typed("serve", tmp_path, option, given)
    assert ran.returncode == 2 and option in ran.stderr, "its words are those of the library that reads the options"


@pytest.mark.train
def test_an_export_into_a_folder_that_cannot_be_made_is_one_line(finished, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file.x: the folder cannot be made: Not a directory"):
        export_run(finished[0].run_dir, "keras", tmp_path / "file" / "x")
    with pytest.raises(UsageError, match="the folder cannot be made: File name too long"):
        export_run(finished[0].run_dir, "keras", tmp_path / LONG)


@pytest.mark.train
def test_a_search_in_which_all_fail_exits_with_1_and_says_why(typed, tmp_path):
    sets = ["plugins.modules=['faulty_networks']", "search.architectures=['never_finite']"]
    arguments = [argument for setting in sets for argument in ("--set", setting)]
    ran = typed("search", "digits", "--trials", 1, "--out", tmp_path / "run", "--json", *arguments)
    assert ran.returncode == 1
    assert "none of 1 trials gave a model" in ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["event"] == "Error"


@pytest.mark.train
def test_ctrl_c_to_a_search_and_the_reader_of_its_pipe_ends_it_in_good_order_with_exit_code_130(started, tmp_path):
    command = [
        str(Path(sys.executable).parent / "automl-img"),
        "search",
        "digits",
        "--trials",
        "5",
        "--json",
        "--out",
        tmp_path / "run",
    ]
    sets = [
        "plugins.modules=['automl_img_plainnet']",
        "search.architectures=['plainnet']",
        "train.epochs=100000",
        "train.patience=100000",
    ]
    arguments = [argument for setting in sets for argument in ("--set", setting)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    search = started([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    for line in search.stdout:
        event = json.loads(line)
        if event["event"] == "EpochEnded" and event["epoch"] > 2:
            break
    os.killpg(search.pid, signal.SIGINT)  # all that `automl-img search … | tee log` began gets it
    search.stdout.close()
    assert search.wait(60) == 130
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["interrupted"] is True
    assert (tmp_path / "run" / "model" / "model.json").is_file()
    assert "Stopping in good order" in search.stderr.read()


def test_cache_lists_and_clears_what_is_kept(typed, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path))
    assert "holds nothing" in typed("cache").stdout
    download, foreign = downloads_folder("far"), tmp_path / "runs" / "a-week-of-work"
    for folder in (download, foreign, tmp_path / "stores" / ".unfinished-now"):
        folder.mkdir(parents=True)
        (folder / "a.gz").write_bytes(b"x" * 2_000_000)
    said = f"2.0 MB in {tmp_path}; automl-img cache --clear removes it; 2.0 MB are in use and stay."
    assert said in typed("cache").stdout
    assert "holds nothing unused for 3 days" in typed("cache", "--days", "3").stdout
    long_ago = time.time() - 30 * 3600
    for path in (download / "a.gz", download):
        os.utime(path, (long_ago, long_ago))
    shown = typed("cache", "--days", "1").stdout
    assert "1 day ago" in shown and "automl-img cache --clear --days 1 removes it." in shown
    with in_use([download]):
        assert "0.0 MB in" in typed("cache", "--clear").stdout
    assert (download / "a.gz").is_file(), "a search reads it"
    assert "2.0 MB in" in (said := typed("cache", "--clear").stdout) and "2.0 MB are in use and stay" in said
    assert not download.exists()
    assert (tmp_path / "stores" / ".unfinished-now" / "a.gz").is_file(), "a search writes it"
    assert (foreign / "a.gz").is_file(), "it is not the cache's"


@pytest.mark.skipif(not Path("/proc/self/ns").is_dir(), reason="needs a folder in which nobody can remove anything")
def test_what_cannot_be_removed_from_the_cache_is_not_called_removed(typed, tmp_path, monkeypatch):
    monkeypatch.setenv("AUTOML_IMG_CACHE", str(tmp_path))
    (tmp_path / "downloads").symlink_to("/proc/self/ns")
    ran = typed("cache", "--clear")
    assert ran.returncode == 2 and "0.0 MB could not be removed" in ran.stderr
    assert f"0.0 MB in {tmp_path} removed." in ran.stdout


def test_a_report_is_written_where_it_is_wanted_and_every_search_has_one(typed, finished, tmp_path):
    folder = finished[0].run_dir
    assert (folder / "report.html").is_file()
    ran = typed("report", folder, "--out", tmp_path / "page.html")
    assert ran.returncode == 0 and "page.html is written (" in ran.stdout
    page = (tmp_path / "page.html").read_text()
    assert "<title>digits: what the search found</title>" in page and page.count("<img") > 10
    assert typed("report", tmp_path).returncode == 2
    assert "cannot be written" in typed("report", folder, "--out", tmp_path).stderr


def test_a_search_is_not_asked_to_stop_through_a_link(typed, tmp_path):
    folder = RunFolder.create(tmp_path / "run")
    folder.write("recipe.json", {})
    folder.stop_file.symlink_to(tmp_path / "mine")
    lock = RunLock(folder.path)
    ran = typed("stop", folder.path)
    assert ran.returncode == 2 and f"{STOP_FILE}: a link leads out of the run folder" in ran.stderr
    assert not (tmp_path / "mine").exists()
    folder.stop_file.unlink()
    assert typed("stop", folder.path).returncode == 0 and folder.stop_file.is_file()
    lock.release()


def test_the_command_that_shows_when_a_search_has_stopped_holds_the_folder_as_one_word(typed, tmp_path):
    folder = RunFolder.create(tmp_path / "my run")
    folder.write("recipe.json", {})
    lock = RunLock(folder.path)
    ran = typed("stop", folder.path)
    lock.release()
    assert f"`automl-img status '{folder.path}'` shows when it has" in ran.stdout


def test_suspects_are_listed_and_written(typed, finished, tmp_path):
    ran = typed("suspects", finished[0].run_dir, "--out", tmp_path / "check.csv", "--limit", 3)
    assert ran.returncode == 0, ran.stderr
    assert " to check" in ran.stdout and "check.csv" in ran.stdout
    assert (tmp_path / "check.csv").read_text().startswith("image,split,row,label,predicted,confidence,quality")


def test_the_budget_does_not_count_what_its_process_was_before():
    code = """
import time
begun = time.monotonic()  # a shell script that ends with `exec automl-img` has been this process until now
from automl_img import cli
from automl_img.cli import search
cli.app = lambda: None
cli.main()
assert begun <= search.BEGUN <= time.monotonic(), search.BEGUN - begun
"""
    subprocess.run([sys.executable, "-c", code], check=True)
