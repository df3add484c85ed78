"""What each format of ours holds, besides what the conformance kit sees of every format."""

import json
import subprocess
import sys

import numpy as np
import pytest

from automl_img.errors import UsageError
from automl_img.plugin import discover
from automl_img.plugin.testing.running import checks_for, run_checks

REGISTRY = discover()
LABELS = {"task": "multiclass", "output": {"classes": ["naïve", "猫", "c"]}}
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    for _ in range(3):
        x = keras.layers.Conv2D(48, 3, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))


@pytest.fixture
def write(model, tmp_path):
    """Writes the model in a format; gives the exporter and the path."""

    def write(name):
        exporter = REGISTRY.get("exporter", name)
        folder = tmp_path / name
        folder.mkdir()
        exporter.write(model, folder / exporter.file, IMAGES, LABELS)
        return exporter, folder / exporter.file

    return write


def test_an_onnx_file_carries_its_labels_and_takes_images_alone(write):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(write("onnx")[1]))
    assert [(given.name, given.type) for given in session.get_inputs()] == [("images", "tensor(uint8)")]
    assert json.loads(session.get_modelmeta().custom_metadata_map["labels"]) == LABELS


def test_8_bits_are_in_the_file_and_probabilities_are_not_in_steps(write):
    from ai_edge_litert.interpreter import Interpreter

    (_, whole), (exporter, path) = write("tflite"), write("tflite_int8")
    interpreter = Interpreter(model_path=str(path))
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (given["dtype"], answer["dtype"]) == (np.uint8, np.float32)
    kinds = [tensor["dtype"] for tensor in interpreter.get_tensor_details() if len(tensor["shape"]) == 4]
    assert kinds.count(np.int8) > kinds.count(np.float32)
    assert path.stat().st_size < whole.stat().st_size / 2
    answers = exporter.load(path)(IMAGES)
    assert not np.allclose(answers * 256, np.round(answers * 256), atol=1e-3)


def test_an_openvino_model_is_two_files_that_carry_their_labels(write):
    from automl_img_exporters.openvino import openvino

    path = write("openvino")[1]
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.bin", "model.xml"]
    found = openvino().Core().read_model(path)
    assert [given.get_any_name() for given in found.inputs] == ["images"]
    assert json.loads(found.get_rt_info(["labels"]).astype(str)) == LABELS


def test_openvino_is_imported_without_its_telemetry():
    code = "import sys; from automl_img_exporters import openvino; openvino.openvino(); print(sys.modules['openvino_telemetry'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stdout.strip() == "None", ran.stderr


@pytest.mark.parametrize(
    ("name", "missing", "line"),
    [
        ("onnx", "tf2onnx", r"found 'tf2onnx'. Install it with `pip install 'automl-img\[export\]'`"),
        ("openvino", "openvino", r"found 'openvino'. Install it with `pip install 'automl-img\[openvino\]'`"),
    ],
)
def test_a_format_whose_library_is_missing_says_what_to_install(name, missing, line, write, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=line):
        write(name)


def test_the_kit_skips_what_needs_a_missing_library_and_names_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    results = list(run_checks(checks_for("exporter", REGISTRY.get("exporter", "onnx"))))
    skipped = [result for result in results if result.outcome == "skipped"]
    assert not any(result.outcome == "failed" for result in results)
    assert "test_its_file_answers_as_the_model_does" in [result.name for result in skipped]
    assert all("pip install 'automl-img[export]'" in result.message for result in skipped)
