"""Exports are loaded back by their own runtimes, and none is left behind that answers otherwise."""

import json
import subprocess
import sys

import numpy as np
import pytest

from automl_img.errors import ModelFileError, UsageError
from automl_img.evaluation.predictor import Predictor
from automl_img.export import FORMATS, Samples, comparison, export_model, formats, runtimes
from automl_img.search.exporting import export_run

FIGURES = {"test": {"images": 90, "f1": 0.98, "accuracy": 0.97, "intervals": {"f1": [0.96, 1.0]}}}


@pytest.fixture(scope="module")
def predictor(finished):
    return Predictor(finished[0].run_dir)


@pytest.fixture
def samples(digits_data):
    images, labels = digits_data[0][..., np.newaxis], digits_data[1]
    return Samples(images[:60], labels[:60], images[60:160])


@pytest.mark.train
@pytest.mark.parametrize("name", list(FORMATS))
def test_each_format_answers_as_the_model_does(name, predictor, samples, tmp_path):
    bound = 0.1 if FORMATS[name].calibrated else 1e-4
    found = export_model(predictor, name, tmp_path / "out", samples, FIGURES, max_f1_loss=0.05)
    assert found.images == 60 and found.difference < bound
    assert (found.same, found.f1) == (1.0, found.keras_f1) or FORMATS[name].calibrated
    assert found.bytes > 1000 and found.seconds > 0 and found.path.exists()
    answers = FORMATS[name].load(found.path)(samples.images)
    assert answers == pytest.approx(predictor.predict_proba(samples.images), abs=bound)
    labels = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert labels["output"]["classes"] == list(predictor.class_names)
    assert labels["input"]["shape"] == [None, 8, 8, 1]
    assert labels["input"]["dtype"] == ("float32" if name == "keras" else "uint8")
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "| 90 test | 0.9800 | 0.9600 to 1.0000 | 0.9700 |" in card and "Licence" in card


@pytest.mark.train
def test_an_onnx_file_carries_its_labels_and_takes_images_alone(predictor, samples, tmp_path):
    import onnxruntime

    path = export_model(predictor, "onnx", tmp_path / "out", samples, {}).path
    session = onnxruntime.InferenceSession(str(path))
    assert [(given.name, given.type) for given in session.get_inputs()] == [("images", "tensor(uint8)")]
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    assert labels["output"]["classes"] == list(predictor.class_names)


@pytest.mark.train
def test_an_export_that_answers_otherwise_is_refused_and_nothing_is_left(predictor, samples, tmp_path, monkeypatch):
    def wrong(path):
        return lambda given: np.roll(predictor.predict_proba(given), 1, axis=1)

    monkeypatch.setitem(FORMATS, "keras", formats.Format("model.keras", FORMATS["keras"].write, wrong))
    with pytest.raises(ModelFileError, match=r"does not answer as Keras does: 100.0% of 60 images get another class"):
        export_model(predictor, "keras", tmp_path / "out", samples, {})
    assert not (tmp_path / "out").exists()


@pytest.mark.train
def test_answers_that_are_no_numbers_are_refused(predictor, samples, tmp_path, monkeypatch):
    nothing = formats.Format(
        "model.keras", FORMATS["keras"].write, lambda path: lambda x: np.full((len(x), 10), np.nan)
    )
    monkeypatch.setitem(FORMATS, "keras", nothing)
    with pytest.raises(ModelFileError, match="does not answer as Keras does"):
        export_model(predictor, "keras", tmp_path / "out", samples, {})


@pytest.mark.train
def test_8_bits_are_in_the_file_and_probabilities_are_not_in_steps(predictor, samples, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    whole = export_model(predictor, "tflite", tmp_path / "whole", samples, {})
    found = export_model(predictor, "tflite-int8", tmp_path / "out", samples, {}, max_f1_loss=0.05)
    interpreter = Interpreter(model_path=str(found.path))
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (given["dtype"], answer["dtype"]) == (np.uint8, np.float32)
    kinds = [tensor["dtype"] for tensor in interpreter.get_tensor_details() if len(tensor["shape"]) == 4]
    assert kinds.count(np.int8) > kinds.count(np.float32)
    assert found.bytes < whole.bytes / 2
    answers = runtimes.tflite_file(found.path)(samples.images)
    assert not np.allclose(answers * 256, np.round(answers * 256), atol=1e-3)


@pytest.mark.train
def test_8_bits_that_lose_too_much_f1_are_refused_with_both_figures_and_nothing_is_left(
    predictor, samples, tmp_path, monkeypatch
):
    def worse(path):
        return lambda given: np.roll(predictor.predict_proba(given), 1, axis=1)

    chosen = formats.Format("model.tflite", FORMATS["tflite-int8"].write, worse, calibrated=True)
    monkeypatch.setitem(FORMATS, "tflite-int8", chosen)
    with pytest.raises(
        ModelFileError,
        match=r"loses too much: F1 0\.\d+ on 60 images, 0\.9\d+ in Keras.*allowed: a loss of up to 0\.02",
    ):
        export_model(predictor, "tflite-int8", tmp_path / "out", samples, {}, max_f1_loss=0.02)
    assert not (tmp_path / "out").exists()


def test_f1_may_fall_by_as_much_as_is_allowed_and_no_further(tmp_path):
    def found(f1, difference=0.2):
        return comparison.Exported("tflite-int8", tmp_path, 1, 100, 0.9, difference, f1, 0.9, 1.0, 1.0)

    comparison.refuse_worse_f1(found(0.89), 0.0101)
    comparison.refuse_worse_f1(found(0.95), 0.0)
    for worse in (found(0.88), found(0.9, float("nan"))):
        with pytest.raises(ModelFileError, match="loses too much"):
            comparison.refuse_worse_f1(worse, 0.01)


@pytest.mark.train
def test_an_openvino_model_is_two_files_that_carry_their_labels(predictor, samples, tmp_path):
    found = export_model(predictor, "openvino", tmp_path / "out", samples, {})
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "model.xml",
        "model.bin",
        "labels.json",
        "MODEL_CARD.md",
    }
    files = [tmp_path / "out" / name for name in ("model.xml", "model.bin")]
    assert found.bytes == sum(file.stat().st_size for file in files)
    model = runtimes.openvino().Core().read_model(found.path)
    assert [given.get_any_name() for given in model.inputs] == ["images"]
    assert json.loads(model.get_rt_info(["labels"]).astype(str))["output"]["classes"] == list(predictor.class_names)


def test_openvino_is_imported_without_its_telemetry():
    code = "import sys; from automl_img.export import runtimes; runtimes.openvino(); print(sys.modules['openvino_telemetry'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "None", ran.stderr


def test_a_folder_that_holds_something_is_left_as_it_is(predictor, samples, tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(UsageError, match="exists and is not empty"):
        export_model(predictor, "keras", tmp_path, samples, {})
    assert (tmp_path / "mine").read_text() == "precious"


def test_a_missing_library_is_named_with_the_line_that_installs_it():
    with pytest.raises(
        UsageError, match=r"not installed; found 'no-such'. Install it with `pip install 'automl-img\[export\]'`"
    ):
        runtimes.needed("no_such_library", "no-such")
    with pytest.raises(
        UsageError, match=r"found 'nothing_here'. Install it with `pip install 'automl-img\[openvino\]'`"
    ):
        runtimes.needed("nothing_here", extra="openvino")


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
