"""Exported models, loaded back by their own runtimes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import UsageError

Images = npt.NDArray[np.uint8]
Predict = Callable[[Images], npt.NDArray[np.float32]]


def keras_file(path: Path) -> Predict:
    """Return what a ``.keras`` file predicts: probabilities (n, classes) of uint8 images (n, height, width, channels)."""
    import keras

    model = keras.models.load_model(path, compile=False)
    return lambda images: np.asarray(model.predict(images.astype(np.float32), verbose=0), np.float32)


def saved_model(path: Path) -> Predict:
    """Return what a SavedModel predicts."""
    import tensorflow as tf

    serve = tf.saved_model.load(str(path)).signatures["serving_default"]
    return lambda images: np.asarray(serve(images=tf.constant(images))["probabilities"], np.float32)


def onnx_file(path: Path) -> Predict:
    """Return what an ONNX file predicts.

    Raises:
        UsageError: onnxruntime is not installed.
    """
    runtime = needed("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(["probabilities"], {"images": images})[0], np.float32)


def tflite_file(path: Path) -> Predict:
    """Return what a TFLite file predicts.

    Raises:
        UsageError: LiteRT is not installed.
    """
    interpreter = needed("ai_edge_litert.interpreter", "ai-edge-litert").Interpreter(model_path=str(path))
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def predict(images: Images) -> npt.NDArray[np.float32]:
        interpreter.resize_tensor_input(source, images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source, images)
        interpreter.invoke()
        return np.array(interpreter.get_tensor(target), np.float32)

    return predict


def openvino_file(path: Path) -> Predict:
    """Return what OpenVINO's ``.xml`` and ``.bin`` predict, in float32 also on processors that have bfloat16.

    Raises:
        UsageError: OpenVINO is not installed.
    """
    compiled = openvino().Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda images: np.asarray(compiled({"images": images})["probabilities"], np.float32)


def openvino() -> Any:
    """Import OpenVINO without its telemetry, which would tell its makers of each import without asking.

    Raises:
        UsageError: It is not installed.
    """
    import sys

    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed: OpenVINO goes without
    return needed("openvino", extra="openvino")


def needed(name: str, package: str = "", extra: str = "export") -> Any:
    """Import a library that an export needs.

    Args:
        name: The module.
        package: What brings it, if it has another name.
        extra: The extra of automl-img that brings it.

    Raises:
        UsageError: It is not installed.
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            "a library that this export needs is not installed",
            where="--to",
            found=package or name,
            hint=f"Install it with `pip install 'automl-img[{extra}]'`.",
        ) from error
