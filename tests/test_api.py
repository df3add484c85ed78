import errno
import json
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import automl_img
from automl_img import SearchResult, events
from automl_img.data.inspection import Limits
from automl_img.errors import AutoMLImageWarning
from automl_img.evaluation.predictor import Predictor
from automl_img.resolving import resolve, resolve_again
from automl_img.search.journal import Journal

pytestmark = pytest.mark.train


def test_a_search_hands_back_a_model_with_its_evidence(finished):
    result, _ = finished
    assert result.metrics["validation"]["f1_macro"] > 0.5
    assert set(result.metrics["test"]) >= {"f1_macro", "accuracy", "per_class", "confusion"}
    assert 0 < result.metrics["evaluation_s"] < result.metrics["wall_s"]
    assert result.best["architecture"] == "plainnet"


def test_a_search_where_keras_runs_on_something_else_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr("keras.config.backend", lambda: "jax")
    with pytest.raises(automl_img.UsageError, match=r"Keras runs on jax here.*Set KERAS_BACKEND=tensorflow before"):
        automl_img.fit("digits", trials=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_leaderboard_is_a_frame_with_the_best_first(finished):
    frame = finished[0].leaderboard()
    assert list(frame["rank"]) == [1, 2]
    assert frame["f1"].is_monotonic_decreasing
    assert frame["f1"][0] == pytest.approx(finished[0].best["f1"], abs=1e-5)


def test_a_run_folder_holds_what_is_needed_and_no_more(finished):
    folder = finished[0].run_dir
    names = {path.name for path in folder.iterdir()} - {"journal.sqlite-shm", "journal.sqlite-wal"}
    assert names == {
        "recipe.json",
        "versions.json",
        "data.json",
        "splits.npz",
        "journal.sqlite",
        "leaderboard.csv",
        "metrics.json",
        "report.html",
        "evaluation",
        "model",
        "tensorboard",
        "trials",
    }
    assert list((folder / "trials").rglob("*.h5")) == [], "the best model has its own copy"
    assert sum(file.stat().st_size for file in folder.rglob("*")) < 2_000_000


def test_the_run_folder_says_what_it_was_made_from(finished):
    folder = finished[0].run_dir
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["libraries"]["keras"]
    assert versions["plugins"]["architecture/plainnet"]["version"] == "1"
    data = json.loads((folder / "data.json").read_text())
    assert len(data["fingerprint"]) >= 32
    assert data["class_names"] == [str(digit) for digit in range(10)]


def test_events_tell_the_whole_story(finished):
    heard = finished[1]
    kinds = [type(event) for event in heard]
    assert kinds[0] is events.SearchStarted
    assert kinds[-1] is events.SearchEnded
    assert kinds.count(events.TrialStarted) == kinds.count(events.TrialEnded) == 2
    assert {events.DataReady, events.Preflight, events.EpochEnded} <= set(kinds)
    assert [event.elapsed for event in heard] == sorted(event.elapsed for event in heard)
    json.dumps([event.as_dict() for event in heard])


def test_the_journal_has_every_trial_and_every_epoch(finished):
    result, heard = finished
    journal = Journal(result.run_dir)
    rows = journal.trials()
    assert [row.status for row in rows] == ["done", "done"]
    told = [event for event in heard if isinstance(event, events.EpochEnded) and event.trial == 1]
    for name, field in (("f1", "f1"), ("loss", "loss"), ("val_loss", "validation_loss")):
        assert [epoch[name] for epoch in journal.epochs(1)] == [getattr(event, field) for event in told]
    journal.close()


def test_predictions_are_class_names_and_probabilities_sum_to_one(finished, digits_data):
    images, labels = digits_data
    result = finished[0]
    names = result.predict(images[:50])
    probabilities = result.predict_proba(images[:50])
    assert names.shape == (50,)
    assert probabilities.shape == (50, 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert np.mean(names == labels[:50].astype(str)) > 0.5


def test_the_same_images_as_floats_and_with_channels_give_the_same_answer(finished, digits_data):
    images = digits_data[0][:20]
    result = finished[0]
    expected = result.predict_proba(images)
    np.testing.assert_allclose(result.predict_proba(images[..., None]), expected, atol=1e-6)
    np.testing.assert_allclose(result.predict_proba(images / 255.0), expected, atol=1e-6)
    np.testing.assert_allclose(result.predict_proba(np.repeat(images[..., None], 3, -1)), expected, atol=1e-6)


def test_files_and_images_that_pillow_has_opened_give_the_same_answer_in_whatever_holds_them(
    finished, digits_data, tmp_path
):
    images, result = digits_data[0][:3], finished[0]
    opened = [Image.fromarray(image) for image in images]
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, image in zip(files, opened, strict=True):
        image.save(file)
    names, expected = list(map(str, files)), result.predict_proba(images)
    for given in (files, np.array(names), np.array(files), pd.Series(names), opened, [names[0], files[1], opened[2]]):
        np.testing.assert_allclose(result.predict_proba(given), expected, atol=1e-6)
    for given in (files[0], names[0], opened[0]):
        np.testing.assert_allclose(result.predict_proba(given), expected[:1], atol=1e-6)


def test_a_path_that_begins_at_the_home_folder_is_a_file_there(finished, digits_data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    Image.fromarray(digits_data[0][0]).save(tmp_path / "0.png")
    expected = finished[0].predict_proba(digits_data[0][:1])
    for given in ("~/0.png", [Path("~/0.png")]):
        np.testing.assert_allclose(finished[0].predict_proba(given), expected, atol=1e-6)
    with pytest.raises(automl_img.DataError, match=r"there is no such home folder; found '~nobody-here/0\.png'"):
        finished[0].predict(["~nobody-here/0.png"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((8, 8, 1), np.uint8), r"this is one image, not several; found 'shape \(8, 8, 1\)'.*x\[np\.newaxis\]"),
        (np.zeros((224, 224, 3)), "this is one image"),
        (np.zeros((8, 8)), "this is one image"),
        (np.zeros((5, 784)), r"x\.reshape\(n, height, width\)"),
        ([np.zeros((28, 28)), np.zeros((30, 30))], "images of different shapes"),
        (np.zeros((2, 8, 8)) + 1.2, "0 to 1 throughout, or 0 to 255"),
        (np.array(["a.jpg", "b.jpg"]), r"^a\.jpg: there is no such file"),
        (
            [Image.new("L", (8, 8)), Image.new("F", (8, 8))],
            "^image 1: the image cannot be read: it holds floating-point",
        ),
        ([], "there are no images to predict"),
    ],
)
def test_what_are_not_images_to_predict_is_told(finished, given, said):
    with pytest.raises(automl_img.DataError, match=said):
        finished[0].predict(given)


def test_networks_are_built_once_though_threads_ask_together(finished, digits_data, monkeypatch):
    predictor, built, networks = automl_img.load(finished[0].run_dir), [], Predictor.networks
    monkeypatch.setattr(Predictor, "networks", lambda self: built.append(1) or networks(self))
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(predictor.predict_proba, [digits_data[0][:5]] * 4))
    assert built == [1]
    for answer in answers:
        np.testing.assert_allclose(answer, finished[0].predict_proba(digits_data[0][:5]), atol=1e-6)


def test_a_model_is_built_as_it_was_trained_however_keras_is_set_in_the_process_that_loads_it(finished, digits_data):
    import keras

    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        found = automl_img.load(finished[0].run_dir).predict_proba(digits_data[0][:5])
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format(before)
    np.testing.assert_allclose(found, finished[0].predict_proba(digits_data[0][:5]), atol=1e-6)


def test_what_was_loaded_by_a_relative_path_stays_what_it_was_wherever_its_process_goes(
    finished, digits_data, tmp_path, monkeypatch
):
    run = finished[0].run_dir
    monkeypatch.chdir(run.parent)
    result, predictor = SearchResult(run.name), automl_img.load(run.name)
    monkeypatch.chdir(tmp_path)
    expected = finished[0].predict_proba(digits_data[0][:5])
    for loaded in (result, predictor):
        np.testing.assert_allclose(loaded.predict_proba(digits_data[0][:5]), expected, atol=1e-6)
    assert len(result.leaderboard()) == 2 and result.run_dir == run


def test_weights_that_were_written_anew_since_the_model_was_loaded_are_refused(finished, digits_data, tmp_path):
    folder = finished[0].save(tmp_path / "model")
    predictor, weights = automl_img.load(folder), folder / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    said = r"model\.weights\.h5: the model was written anew since it was loaded: .* differs\. Load it again\."
    with pytest.raises(automl_img.ModelFileError, match=said):
        predictor.predict(digits_data[0][:5])
    with pytest.raises(automl_img.ModelFileError, match=said):
        predictor.save(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_model_is_saved_as_it_was_loaded_though_its_description_was_written_anew(finished, tmp_path):
    folder = finished[0].save(tmp_path / "model")
    predictor = automl_img.load(folder)
    described = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**described, "temperature": described["temperature"] + 1}))
    copy = automl_img.load(predictor.save(tmp_path / "copy"))
    assert copy.card == predictor.card != automl_img.load(folder).card


def test_weights_that_are_gone_when_they_are_needed_are_one_line(finished, digits_data, tmp_path, monkeypatch):
    folder = finished[0].save(tmp_path / "model")
    predictor, weights = automl_img.load(folder), folder / "model.weights.h5"
    with monkeypatch.context() as patch, pytest.raises(automl_img.ModelFileError, match="the weights cannot be read: "):
        # Between the look at them and Keras's own.
        patch.setattr("automl_img.evaluation.predictor.unchanged_weights", lambda *given: [folder / "gone.weights.h5"])
        predictor.predict(digits_data[0][:5])
    weights.unlink()
    said = r"model\.weights\.h5: the weights cannot be read: No such file or directory$"
    with pytest.raises(automl_img.ModelFileError, match=said):
        predictor.predict(digits_data[0][:5])


def test_evaluating_the_test_split_again_gives_the_recorded_figures(finished):
    figures = finished[0].evaluate("test")
    assert figures["f1_macro"] == pytest.approx(finished[0].metrics["test"]["f1_macro"], abs=1e-6)


def test_a_saved_model_predicts_the_same_in_a_new_process(finished, digits_data, tmp_path):
    result = finished[0]
    folder = result.save(tmp_path / "model")
    np.save(tmp_path / "images.npy", digits_data[0][:20])
    script = (
        "import sys, numpy, automl_img;"
        "p = automl_img.load(sys.argv[1]);"
        "numpy.save(sys.argv[3], p.predict_proba(numpy.load(sys.argv[2])))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = tmp_path / "out.npy"
    arguments = [sys.executable, "-c", script, str(folder), str(tmp_path / "images.npy"), str(out)]
    subprocess.run(arguments, check=True, env=environment, capture_output=True)
    np.testing.assert_allclose(np.load(out), result.predict_proba(digits_data[0][:20]), atol=1e-5)


def test_a_keras_file_needs_no_automl_img(finished, digits_data, tmp_path):
    path = finished[0].save(tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", digits_data[0][:20, ..., None].astype("float32"))
    script = (
        "import sys, numpy, keras;"
        "m = keras.saving.load_model(sys.argv[1]);"
        "numpy.save(sys.argv[3], m.predict(numpy.load(sys.argv[2]), verbose=0));"
        "assert 'automl_img' not in sys.modules"
    )
    out = tmp_path / "out.npy"
    subprocess.run(
        [sys.executable, "-c", script, str(path), str(tmp_path / "images.npy"), str(out)],
        check=True,
        capture_output=True,
    )
    np.testing.assert_allclose(np.load(out), finished[0].predict_proba(digits_data[0][:20]), atol=1e-5)


def test_a_model_is_saved_below_folders_that_are_not_there_yet(finished, tmp_path):
    result = finished[0]
    assert result.save(tmp_path / "new" / "model.keras").is_file()
    assert (result.save(tmp_path / "newer" / "model") / "model.json").is_file()
    for name in ("model.keras", "model"):
        place = tmp_path / "new" / "model.keras" / name
        with pytest.raises(automl_img.UsageError, match=rf"{name}: the model cannot be written: "):
            result.save(place)


def test_a_keras_file_whose_writing_fails_leaves_the_one_before(finished, tmp_path, monkeypatch):
    import keras

    def save_half(model, target):
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = finished[0].save(tmp_path / "models" / "model.keras")
    before = path.read_bytes()
    monkeypatch.setattr(keras.Model, "save", save_half)
    with pytest.raises(automl_img.UsageError, match=r"model\.keras: the model cannot be written: No space left on"):
        finished[0].save(path)
    assert path.read_bytes() == before and list(path.parent.iterdir()) == [path]


def test_altered_weights_are_refused(finished, tmp_path):
    folder = finished[0].save(tmp_path / "model")
    weights = folder / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(automl_img.ModelFileError, match="SHA-256 differs"):
        automl_img.load(folder)


def test_a_result_shows_itself_in_a_notebook(finished):
    html = finished[0]._repr_html_()
    assert "plainnet" in html
    assert "<iframe srcdoc=" in html and "Leaderboard" in html and len(html) < 2_000_000
    assert "validation F1" in repr(finished[0])


def test_a_run_folder_that_exists_is_left_alone(finished, quick_settings):
    before = sorted(finished[0].run_dir.rglob("*"))
    with pytest.raises(automl_img.RunFolderError, match="exists and is not empty"):
        automl_img.fit("digits", trials=1, settings=quick_settings, out=finished[0].run_dir)
    assert sorted(finished[0].run_dir.rglob("*")) == before


def test_a_recipe_is_searched_and_settings_replace_its_keys(quick_settings, tmp_path):
    (tmp_path / "mine.toml").write_text('[data]\nsource = "digits"\n[budget]\ntime = "1h"\ntrials = 7\n')
    recipe = automl_img.read_recipe(tmp_path / "mine.toml", quick_settings)
    result = automl_img.fit(recipe, trials=1, seed=3, out=tmp_path / "run")
    assert result.recipe == {**recipe.plain(), "seed": 3, "budget": {"time": "3600s", "trials": 1}}
    assert result.leaderboard()["hyperparameters"][0]["plainnet.filters"] > 0


def test_a_recipe_without_a_budget_of_time_has_none_where_trials_are_given(tmp_path):
    (tmp_path / "mine.toml").write_text('[data]\nsource = "digits"\n')
    recipe = automl_img.read_recipe(tmp_path / "mine.toml")
    assert recipe.budget.time == 600
    for given in (recipe, tmp_path / "mine.toml"):
        resolved, _ = resolve(given, {"budget.trials": 3})
        assert resolved.budget.time is None and resolved.name == "mine"


def test_arrays_are_searched(digits_data, quick_settings, tmp_path):
    images, labels = digits_data
    result = automl_img.fit(
        (images[:300] / 255.0, labels[:300]), trials=1, settings=quick_settings, out=tmp_path / "run"
    )
    assert result.metrics["test"]["images"] == 30


def test_two_pairs_of_arrays_are_training_and_test_as_keras_gives_them(digits_data):
    images, labels = digits_data
    read = resolve(((images[:40], labels[:40]), (images[40:60], labels[40:60])), {})[1]
    np.testing.assert_array_equal(read.train.images[..., 0], images[:40])
    np.testing.assert_array_equal(read.test.images[..., 0], images[40:60])
    assert [read.class_names[label] for label in read.test.labels] == list(map(str, labels[40:60]))
    colours = tuple(np.full((8, 8, 3), level, np.uint8) for level in (10, 200))
    for given in (("dark", "light"), (np.array([0, 1]), np.array([1, 1]))):
        read = resolve((colours, given), {})[1]
        assert len(read.train) == 2 and read.test is None, "two images with their labels"


def test_a_search_goes_on_with_a_frame_as_it_was_read_when_it_began(digits_data, quick_settings, tmp_path):
    images, labels = digits_data[0][:200], digits_data[1][:200]
    files = [tmp_path / f"{number}.png" for number in range(len(images))]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(file)
    kinds = np.where(labels < 5, "low", "high")
    frame = pd.DataFrame({"where": list(map(str, files)), "kind": kinds, "colour": "grey"})
    settings = {**quick_settings, "data.options.label": "kind"}
    automl_img.fit(frame, trials=1, settings=settings, out=tmp_path / "run")
    result = automl_img.fit(frame, trials=2, out=tmp_path / "run", resume=True)
    assert len(result.leaderboard()) == 2


def test_an_option_that_the_source_of_a_frame_does_not_have_is_told():
    frame = pd.DataFrame({"where": ["a.png", "b.png"], "kind": ["low", "high"]})
    said = r"^data\.options\.lable: the source table has no option 'lable'; allowed: group, .* Did you mean 'label'\?"
    for search in (automl_img.fit, automl_img.analyse):
        with pytest.raises(automl_img.PluginError, match=said):
            search(frame, settings={"data.options.lable": "kind"})


def test_the_recipe_says_how_many_files_may_be_unreadable_and_the_limits_say_the_rest(digits_data):
    images, labels = digits_data[0][:60], digits_data[1][:60]
    found = automl_img.analyse(
        (images, labels), settings={"data.max_unreadable": 0.2}, limits=Limits(few_images=3, unreadable=0.5)
    )
    assert found.limits == Limits(few_images=3, unreadable=0.2)


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        (42, "labelled images cannot come from this"),
        ("no_such_thing", "this is no recipe, no folder and no source"),
        ("digitz", "Did you mean 'digits'"),
        ((np.zeros((4, 8, 8)), [0, 1]), "length|labels"),
        ((np.full((4, 8, 8), np.nan), [0, 1, 0, 1]), "NaN|finite"),
        ((np.full((4, 8, 8), 300.0), [0, 1, 0, 1]), "300|range|255"),
        ((np.zeros((4, 8, 8)), [1, 1, 1, 1]), "one class"),
        ((np.zeros((0, 8, 8)), []), "no images|empty"),
        ((np.zeros((3, 8, 8), "uint8"), [0, 1, 2]), "class"),
    ],
)
def test_bad_data_is_one_clear_line(dataset, said, tmp_path):
    with pytest.raises(automl_img.AutoMLImageError, match=said) as caught:
        automl_img.fit(dataset, trials=1, out=tmp_path / "run")
    assert "\n" not in str(caught.value)


def test_a_source_that_raises_when_it_is_asked_is_passed_over_with_a_warning(tmp_path):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    settings = {"plugins.modules": ["asked_sources"]}
    with pytest.warns(AutoMLImageWarning, match="source hesitant could not say .* RuntimeError: no such server"):
        assert resolve(tmp_path / "photos", settings)[0].data.source == "folder"
    with pytest.warns(AutoMLImageWarning, match="it raised SystemExit: 3"):
        assert resolve([1], {**settings, "plugins.block": ["greedy"]})[0].data.source == "lists"
    with pytest.raises(automl_img.UsageError, match="no source can read this"), pytest.warns(AutoMLImageWarning):
        resolve(Path(__file__), settings)


@pytest.mark.parametrize(
    ("called", "name"),
    [("10m²", "10m-"), ("①", "-"), ("मछली", "मछली"), ("my photos", "my-photos"), ("a_b-c3", "a_b-c3")],
)
def test_a_folder_and_a_data_set_may_be_called_anything(tmp_path, called, name):
    (tmp_path / called / "cat").mkdir(parents=True)
    assert resolve(tmp_path / called, {})[0].name == name
    images = automl_img.Split(np.zeros((2, 8, 8), np.uint8), [0, 1])
    assert resolve(automl_img.ImageDataset(called, (), images), {})[0].name == name


def test_a_path_that_is_called_as_a_source_is_a_path_and_a_text_is_the_source_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", AutoMLImageWarning)
        assert resolve("digits", {})[0].data.source == "digits"
    with pytest.raises(automl_img.UsageError, match=r"found 'digits'.* A source is named by text: .digits"):
        resolve(Path("digits"), {})
    (tmp_path / "digits" / "seven").mkdir(parents=True)
    for given in (Path("digits"), Path("./digits"), "./digits"):
        found = resolve(given, {})[0].data
        assert (found.source, found.path) == ("folder", str(tmp_path / "digits"))
    said = r"^'digits' is taken as the source of that name, not as the path: give \./digits"
    with pytest.warns(AutoMLImageWarning, match=said):
        assert resolve("digits", {})[0].data.source == "digits"


def test_sources_that_the_settings_leave_out_are_not_asked():
    settings = {"plugins.modules": ["asked_sources"]}
    assert resolve([1], settings)[1].name == "greedy"
    recipe, dataset = resolve([1], {**settings, "plugins.only": ["lists"]})
    assert dataset.name == "lists"
    assert resolve_again([1], recipe, "run").name == "lists", "a search that goes on asks the same"
    with pytest.raises(automl_img.PluginError, match="source 'digits' was left out: not among"):
        resolve("digits", {"plugins.only": ["lists"]})
    with pytest.raises(automl_img.RecipeError, match=r"plugins\.block"):
        resolve("digits", {"plugins.block": "digits"})


def test_the_public_names_have_docstrings_and_nothing_heavy_is_imported():
    for name in automl_img.__all__:
        assert getattr(automl_img, name).__doc__, name
    script = "import sys, automl_img, automl_img.cli, automl_img.plugin; print([m for m in ('tensorflow','keras') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
