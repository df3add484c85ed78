"""Exports are loaded back by their own runtimes, and none is left behind that answers otherwise."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from automl_img.errors import ModelFileError, PluginError, UsageError
from automl_img.evaluation.model_file import Member, ModelCard, member_file, write_model
from automl_img.evaluation.predictor import Predictor
from automl_img.export import Samples, comparison, export_model, exporter_of, formats_of
from automl_img.plugin import Exporter, ImageTraits, discover, needed_library
from automl_img.search.exporting import export_run
from automl_img.training.artifacts import save_weights
from automl_img.training.network import NetworkPlan, build_network

REGISTRY = discover()
FIGURES = {"test": {"images": 90, "f1": 0.98, "accuracy": 0.97, "intervals": {"f1": [0.96, 1.0]}}}


class Otherwise(Exporter):
    """Writes a Keras file, and answers as it is told to."""

    name = "otherwise"
    file = "model.keras"

    def __init__(self, answer, calibrated=False):
        self.answer, self.calibrated = answer, calibrated

    def write(self, model, path, images, labels):
        model.save(path)

    def load(self, path):
        return self.answer


def exported(predictor, format, *given, **more):
    return export_model(predictor, exporter_of(format, REGISTRY), *given, **more)


@pytest.fixture(scope="module")
def predictor(finished):
    return Predictor(finished[0].run_dir)


@pytest.fixture
def samples(digits_data):
    images, labels = digits_data[0][..., np.newaxis], digits_data[1]
    return Samples(images[:60], labels[:60], images[60:160])


@pytest.mark.train
@pytest.mark.parametrize("name", formats_of(REGISTRY))
def test_each_format_answers_as_the_model_does(name, predictor, samples, tmp_path):
    exporter = exporter_of(name, REGISTRY)
    bound = 0.1 if exporter.calibrated else 1e-4
    found = exported(predictor, name, tmp_path / "out", samples, FIGURES, max_f1_loss=0.05)
    assert found.images == 60 and found.difference < bound
    assert (found.same, found.f1) == (1.0, found.keras_f1) or exporter.calibrated
    assert found.bytes > 1000 and found.seconds > 0 and found.path.exists()
    answers = exporter.load(found.path)(samples.images)
    assert answers == pytest.approx(predictor.predict_proba(samples.images), abs=bound)
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert labels["output"]["classes"] == list(predictor.class_names)
    assert labels["input"]["shape"] == [None, 8, 8, 1]
    assert labels["input"]["dtype"] == ("float32" if name == "keras" else "uint8")
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "| 90 test | 0.9800 | 0.9600 to 1.0000 | 0.9700 |" in card and "Licence" in card


OPENED = """
import sys
import keras
import numpy

images = numpy.load(sys.argv[1])
for file in sys.argv[2:]:
    numpy.save(f"{file}.npy", keras.models.load_model(file).predict(images, verbose=0))
assert not [name for name in sys.modules if name.startswith("automl_img")]
"""


@pytest.mark.train
def test_a_keras_file_needs_no_layer_of_ours_that_differs_from_those_of_keras_in_training_alone(tmp_path):
    values = {"architecture": "resnet9", "resnet9.width": 16, "resnet9.stem_stride": 1}
    values |= {"regularizer.stochastic_depth": True, "regularizer.stochastic_depth.rate": 0.3}
    plan = NetworkPlan(values, ImageTraits(8, 8, 1, 3, examples=100), (120.0,), (60.0,))
    weights = [tmp_path / f"{name}.weights.h5" for name in "ab"]
    first, second = (save_weights(build_network(plan, REGISTRY).model, file) for file in weights)
    one = ModelCard(plan, ("a", "b", "c"), {}, (), 1.3, (), True, first, {}, {})
    two = replace(one, others=(Member(plan, member_file(1), second, 0.4),))
    images, files = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1)).astype(np.uint8), {}
    for name, card in {"one": one, "two": two}.items():
        write_model(tmp_path / name, card, *weights[: len(card.files)])
        predictor = Predictor(tmp_path / name, REGISTRY)
        assert any(type(layer).__name__ == "ResidualAdd" for layer in predictor.networks()[0].layers)
        files[predictor.save(tmp_path / f"{name}.keras")] = predictor.predict_proba(images)
    np.save(tmp_path / "images.npy", images.astype(np.float32))
    command = [sys.executable, "-c", OPENED, str(tmp_path / "images.npy"), *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    for file, expected in files.items():
        assert np.load(f"{file}.npy") == pytest.approx(expected, abs=1e-5)


@pytest.mark.train
def test_an_export_that_answers_otherwise_is_refused_and_nothing_is_left(predictor, samples, tmp_path):
    together = []

    def answer(given):
        together.append(len(given))
        return np.roll(predictor.predict_proba(given), 1, axis=1)

    with pytest.raises(ModelFileError, match=r"does not answer as Keras does: 100.0% of 60 images get another class"):
        export_model(predictor, Otherwise(answer), tmp_path / "out", samples, {})
    assert not (tmp_path / "out").exists()
    assert together[:2] == [32, 28] and set(together[2:]) == {1}, "all at once may need more memory than there is"


@pytest.mark.train
def test_a_refused_export_leaves_a_folder_that_was_there_and_nothing_in_it(predictor, samples, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to("mine")
    nothing = Otherwise(lambda given: np.full((len(given), 10), np.nan))
    for name in ("mine", "link"):
        with pytest.raises(ModelFileError, match="does not answer as Keras does"):
            export_model(predictor, nothing, tmp_path / name, samples, {})
        assert list((tmp_path / "mine").iterdir()) == [] and (tmp_path / "link").is_symlink()


@pytest.mark.train
def test_a_disk_that_is_full_of_an_export_is_one_line_and_nothing_is_left(predictor, samples, tmp_path):
    def write(model, path, images, labels):
        path.write_bytes(b"half")
        raise error

    full = Otherwise(None)
    full.write, error = write, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(UsageError, match=r"out: the folder cannot be written: No space left on device\. Give another"):
        export_model(predictor, full, tmp_path / "out", samples, {})
    assert not (tmp_path / "out").exists()
    error = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(tmp_path / "library"))
    with pytest.raises(FileNotFoundError):  # a mistake of the exporter's keeps its traceback
        export_model(predictor, full, tmp_path / "out", samples, {})
    assert not (tmp_path / "out").exists()


@pytest.mark.train
def test_a_folder_that_cannot_be_looked_into_or_written_is_told_before_the_work(
    predictor, samples, tmp_path, monkeypatch
):
    def refuse(*given, **named):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "out"))

    (tmp_path / "out").mkdir()
    for target, name, done in ((tempfile, "TemporaryFile", "written"), (Path, "iterdir", "looked into")):
        with monkeypatch.context() as patch, pytest.raises(UsageError, match=f"cannot be {done}: Permission denied"):
            patch.setattr(target, name, refuse)
            export_model(predictor, Otherwise(None), tmp_path / "out", samples, {})
    assert (tmp_path / "out").is_dir()


@pytest.mark.train
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda given: np.full((len(given), 10), np.nan), "does not answer as Keras does"),
        (lambda given: np.ones((len(given), 3)), r"another shape; found \(60, 3\); allowed: \(60, 10\)"),
    ],
    ids=["no numbers", "other classes"],
)
def test_answers_that_are_no_probabilities_are_refused(answer, words, predictor, samples, tmp_path):
    with pytest.raises(ModelFileError, match=words):
        export_model(predictor, Otherwise(answer), tmp_path / "out", samples, {})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("values", "answer", "found"),
    [
        (6_000_000, lambda given: np.ones((10, len(given)), np.float32), r"\(10, 32\)"),
        (6_000_000, lambda given: np.float32(1), r"\(\)"),
        (20 * 8 * 8, lambda given: np.ones((10, len(given)), np.float32), r"\(20, 20\)"),
    ],
    ids=["turned", "one number", "turned, of large images"],
)
def test_answers_to_parts_of_the_images_that_do_not_fit_together_are_refused(
    values, answer, found, tmp_path, monkeypatch
):
    monkeypatch.setattr("automl_img.training.scoring.VALUES_AT_ONCE", values)
    model = SimpleNamespace(predict=lambda images, verbose: np.ones((len(images), 10), np.float32))
    images = np.zeros((40, 8, 8, 1), np.uint8)
    samples = Samples(images, np.zeros(40, np.int64), images)
    with pytest.raises(ModelFileError, match=rf"another shape; found {found}; allowed: \(40, 10\)"):
        comparison.compared(Otherwise(answer), tmp_path, model, SimpleNamespace(task=None), samples)


def test_keras_is_asked_for_no_more_images_at_once_than_the_export(tmp_path, monkeypatch):
    monkeypatch.setattr("automl_img.training.scoring.VALUES_AT_ONCE", 20 * 8 * 8)
    asked = []

    def predict(images, verbose):
        asked.append((len(images), images.dtype.name))
        return np.ones((len(images), 10), np.float32)

    images = np.zeros((40, 8, 8, 1), np.uint8)
    samples = Samples(images, np.zeros(40, np.int64), images)
    exporter = Otherwise(lambda given: np.ones((len(given), 3)))
    with pytest.raises(ModelFileError, match=r"another shape; found \(40, 3\); allowed: \(40, 10\)"):
        comparison.compared(exporter, tmp_path, SimpleNamespace(predict=predict), SimpleNamespace(task=None), samples)
    assert asked == [(20, "float32")] * 2


def test_answers_are_compared_in_whole_float32_and_the_setting_is_put_back(tmp_path):
    rounded, seen = tf.config.experimental.tensor_float_32_execution_enabled, []
    before = rounded()

    def answers(classes):
        return lambda images, **more: seen.append(rounded()) or np.ones((len(images), classes), np.float32)

    images = np.zeros((4, 8, 8, 1), np.uint8)
    samples, model = Samples(images, np.zeros(4, np.int64), images), SimpleNamespace(predict=answers(10))
    with pytest.raises(ModelFileError, match="another shape"):
        comparison.compared(Otherwise(answers(3)), tmp_path, model, SimpleNamespace(task=None), samples)
    assert seen == [False, False] and rounded() == before


@pytest.mark.train
def test_an_exporter_that_writes_nothing_is_told(predictor, samples, tmp_path):
    lazy = Otherwise(None)
    lazy.write = lambda *given: None
    with pytest.raises(PluginError, match=r"did not write model\.keras.*plugins check otherwise"):
        export_model(predictor, lazy, tmp_path / "out", samples, {})
    assert not (tmp_path / "out").exists()


def test_a_format_that_does_not_suit_the_model_says_why(predictor, samples, tmp_path):
    narrow = Otherwise(None)
    narrow.suits = lambda image: f"it takes colour only, not {image.channels} channel"
    with pytest.raises(
        UsageError, match=r"the format otherwise does not suit this model: it takes colour only, not 1 "
    ):
        export_model(predictor, narrow, tmp_path / "out", samples, {})
    assert not (tmp_path / "out").exists()


@pytest.mark.train
def test_8_bits_that_lose_too_much_f1_are_refused_with_both_figures_and_nothing_is_left(predictor, samples, tmp_path):
    worse = Otherwise(lambda given: np.roll(predictor.predict_proba(given), 1, axis=1), calibrated=True)
    with pytest.raises(
        ModelFileError,
        match=r"loses too much: F1 0\.\d+ on 60 images, (0\.9|1\.0)\d+ in Keras.*allowed: a loss of up to 0\.02",
    ):
        export_model(predictor, worse, tmp_path / "out", samples, {}, max_f1_loss=0.02)
    assert not (tmp_path / "out").exists()


def test_f1_may_fall_by_as_much_as_is_allowed_and_no_further(tmp_path):
    def found(f1, difference=0.2):
        return comparison.Exported("tflite-int8", tmp_path, 1, 100, 0.9, difference, f1, 0.9, 1.0, 1.0)

    comparison.refuse_worse_f1(found(0.89), 0.0101)
    comparison.refuse_worse_f1(found(0.95), 0.0)
    for worse in (found(0.88), found(0.9, float("nan"))):
        with pytest.raises(ModelFileError, match="loses too much"):
            comparison.refuse_worse_f1(worse, 0.01)


def test_a_folder_that_holds_something_is_left_as_it_is(predictor, samples, tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UsageError, match="exists and is not empty"):
        exported(predictor, "keras", tmp_path, samples, {})
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_missing_library_is_named_with_the_line_that_installs_it():
    with pytest.raises(
        UsageError, match=r"not installed; found 'no-such'. Install it with `pip install 'automl-img\[export\]'`"
    ):
        needed_library("no_such_library", package="no-such", install="automl-img[export]")
    with pytest.raises(UsageError, match=r"found 'nothing_here'. Install it with `pip install 'nothing_here'`"):
        needed_library("nothing_here")
    with pytest.raises(UsageError, match=r"found 'nothing_here\.inside'\. Install"):
        needed_library("nothing_here.inside")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("raise ImportError('GLIBCXX_3.4.32 not found')", "GLIBCXX_3.4.32 not found"),
        ("import nothing_here", "No module named 'nothing_here'"),
    ],
)
def test_a_library_that_is_there_and_cannot_be_imported_says_why_and_not_that_it_is_missing(
    content, reason, tmp_path, monkeypatch
):
    (tmp_path / "broken_library.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    words = rf"--to: broken-library is installed and cannot be imported \({re.escape(reason)}\)$"
    with pytest.raises(UsageError, match=words):
        needed_library("broken_library", package="broken-library", install="automl-img[export]")


def test_an_unknown_format_is_told_with_the_nearest_and_what_there_is():
    words = r"--to: there is no such format; found 'tflight-int8'; allowed: keras, onnx.* Did you mean 'tflite-int8'"
    with pytest.raises(UsageError, match=words):
        exporter_of("tflight-int8", REGISTRY)
    assert exporter_of("tflite_int8", REGISTRY) is exporter_of("tflite-int8", REGISTRY)


def test_a_format_that_was_left_out_says_why():
    with pytest.raises(PluginError, match="'tflite_int8' was left out: blocked by"):
        exporter_of("tflite-int8", discover(block=["tflite_int8"]))


@pytest.mark.train
def test_a_run_is_exported_into_its_own_folder(finished, tmp_path):
    found = export_run(finished[0].run_dir, "keras", tmp_path / "exported", 20)
    assert found.images == 20 and found.path == tmp_path / "exported" / "model.keras"
    assert "| validation |" not in (tmp_path / "exported" / "MODEL_CARD.md").read_text()


@pytest.mark.train
def test_8_bits_are_scaled_to_validation_images_that_are_not_those_compared(finished, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "automl_img.search.exporting.export_model", lambda *given, **more: seen.append((given[3], more))
    )
    export_run(finished[0].run_dir, "tflite-int8", tmp_path / "out", max_f1_loss=0.3)
    export_run(finished[0].run_dir, "tflite", tmp_path / "out")
    (samples, more), (fewer, _) = seen
    assert more == {"max_f1_loss": 0.3}
    splits = np.load(finished[0].run_dir / "splits.npz")
    assert len(samples.images) == len(samples.labels) == len(splits["test"])
    assert len(samples.calibration) == len(splits["validation"]) and len(fewer.images) <= 200
    compared = {image.tobytes() for image in samples.images}
    assert np.mean([image.tobytes() in compared for image in samples.calibration]) < 0.05


@pytest.fixture
def chosen(finished, tmp_path, monkeypatch):
    """Exports a copy of a run whose recipe has other `[plugins]`; gives the exporter that was chosen."""
    seen = []
    monkeypatch.setattr(
        "automl_img.search.exporting.export_model", lambda _, exporter, *more, **named: seen.append(exporter)
    )

    def chosen(format, **plugins):
        run = shutil.copytree(finished[0].run_dir, tmp_path / "run")
        recipe = json.loads((run / "recipe.json").read_text())
        recipe["plugins"].update(plugins)
        (run / "recipe.json").write_text(json.dumps(recipe))
        export_run(run, format)
        return seen[0]

    return chosen


@pytest.mark.train
def test_a_format_of_a_module_that_the_recipe_names_is_there_where_the_module_is_trusted(chosen, tmp_path, monkeypatch):
    text = Path(__file__).read_text().split("class Otherwise")[1].split("\n\n\n")[0]
    hook = "@hookimpl\ndef register_exporters(register):\n    register(Otherwise(None))\n"
    imports = "from automl_img.plugin import Exporter, hookimpl\n\n\n"
    (tmp_path / "brings_a_format.py").write_text(f"{imports}class Otherwise{text}\n\n\n{hook}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("AUTOML_IMG_PLUGINS", "brings_a_format")
    assert chosen("otherwise", modules=["automl_img_plainnet", "brings_a_format"]).file == "model.keras"


@pytest.mark.train
def test_the_plugins_that_a_search_may_use_are_no_list_of_formats(chosen):
    assert chosen("onnx", only=["plainnet", "digits", "random"]).name == "onnx"


@pytest.mark.train
def test_a_format_that_the_recipe_blocks_is_refused(chosen):
    with pytest.raises(PluginError, match="'onnx' was left out: blocked by"):
        chosen("onnx", block=["onnx"])


@pytest.mark.train
def test_a_module_that_is_gone_is_missed_only_where_it_brought_the_format(chosen):
    with pytest.raises(PluginError, match="found 'gone_plugin'"):
        chosen("otherwise", modules=["automl_img_plainnet", "gone_plugin"])


@pytest.mark.train
def test_a_format_that_is_there_needs_no_module_that_is_gone(chosen):
    assert chosen("onnx", modules=["automl_img_plainnet", "gone_plugin"]).name == "onnx"
