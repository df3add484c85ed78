"""Exports are loaded back by their own runtimes, and none is left behind that answers otherwise."""

import json

import numpy as np
import pytest

from automl_img.errors import ModelFileError, UsageError
from automl_img.evaluation.predictor import Predictor
from automl_img.export import FORMATS, export_model, formats, runtimes
from automl_img.search.exporting import export_run

FIGURES = {"test": {"images": 90, "f1": 0.98, "accuracy": 0.97, "intervals": {"f1": [0.96, 1.0]}}}


@pytest.fixture(scope="module")
def predictor(finished):
    return Predictor(finished[0].run_dir)


@pytest.fixture
def images(digits_data):
    return digits_data[0][:60, ..., np.newaxis]


@pytest.mark.train
@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_answers_as_the_model_does(name, predictor, images, tmp_path):
    found = export_model(predictor, name, tmp_path / "out", images, FIGURES)
    assert (found.images, found.same) == (60, 1.0) and found.difference < 1e-4
    assert found.bytes > 1000 and found.seconds > 0 and found.path.exists()
    answers = FORMATS[name].load(found.path)(images)
    assert answers == pytest.approx(predictor.predict_proba(images), abs=1e-4)
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert labels["output"]["classes"] == list(predictor.class_names)
    assert labels["input"]["shape"] == [None, 8, 8, 1]
    assert labels["input"]["dtype"] == ("float32" if name == "keras" else "uint8")
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "| 90 test | 0.9800 | 0.9600 to 1.0000 | 0.9700 |" in card and "Licence" in card


@pytest.mark.train
def test_an_onnx_file_carries_its_labels_and_takes_images_alone(predictor, images, tmp_path):
    import onnxruntime

    path = export_model(predictor, "onnx", tmp_path / "out", images, {}).path
    session = onnxruntime.InferenceSession(str(path))
    assert [(given.name, given.type) for given in session.get_inputs()] == [("images", "tensor(uint8)")]
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    assert labels["output"]["classes"] == list(predictor.class_names)


@pytest.mark.train
def test_an_export_that_answers_otherwise_is_refused_and_nothing_is_left(predictor, images, tmp_path, monkeypatch):
    def wrong(path):
        return lambda given: np.roll(predictor.predict_proba(given), 1, axis=1)

    monkeypatch.setitem(FORMATS, "keras", formats.Format("model.keras", FORMATS["keras"].write, wrong))
    with pytest.raises(ModelFileError, match=r"does not answer as Keras does: 100.0% of 60 images get another class"):
        export_model(predictor, "keras", tmp_path / "out", images, {})
    assert not (tmp_path / "out").exists()


@pytest.mark.train
def test_answers_that_are_no_numbers_are_refused(predictor, images, tmp_path, monkeypatch):
    nothing = formats.Format(
        "model.keras", FORMATS["keras"].write, lambda path: lambda x: np.full((len(x), 10), np.nan)
    )
    monkeypatch.setitem(FORMATS, "keras", nothing)
    with pytest.raises(ModelFileError, match="does not answer as Keras does"):
        export_model(predictor, "keras", tmp_path / "out", images, {})


def test_a_folder_that_holds_something_is_left_as_it_is(predictor, images, tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UsageError, match="exists and is not empty"):
        export_model(predictor, "keras", tmp_path, images, {})
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_missing_library_is_named_with_the_line_that_installs_it():
    with pytest.raises(
        UsageError, match=r"not installed; found 'no-such'. Install it with `pip install 'automl-img\[export\]'`"
    ):
        runtimes.needed("no_such_library", "no-such")


@pytest.mark.train
def test_a_run_is_exported_into_its_own_folder(finished, tmp_path):
    found = export_run(finished[0].run_dir, "keras", tmp_path / "exported", 20)
    assert found.images == 20 and found.path == tmp_path / "exported" / "model.keras"
    assert "| validation |" not in (tmp_path / "exported" / "MODEL_CARD.md").read_text()
