"""Writes a model in each format, loads it back, and refuses to leave a file that answers otherwise."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_img.errors import UsageError
from automl_img.evaluation.predictor import Predictor
from automl_img.export import runtimes
from automl_img.export.card import LABELS_FILE, labels_of, model_card
from automl_img.export.comparison import Exported, compared
from automl_img.quiet import quiet
from automl_img.training.artifacts import write_json

OPSET = 18
CARD_FILE = "MODEL_CARD.md"


@dataclass(frozen=True)
class Format:
    """A format: the name of its file, how it is written, and how it is loaded back."""

    file: str
    write: Callable[[Any, Predictor, Path], None]
    load: Callable[[Path], runtimes.Predict]


def export_model(
    predictor: Predictor, name: str, folder: Path, images: npt.NDArray[np.uint8], figures: Mapping[str, Any]
) -> Exported:
    """Write a model into a new folder, with its labels and a model card, and compare it with Keras.

    Args:
        predictor: The model.
        name: A key of :data:`FORMATS`.
        folder: The folder; must not hold anything.
        images: uint8, shape (n, height, width, channels), as the network gets them, to compare on.
        figures: Of merit by split, for the card.

    Raises:
        UsageError: The folder is not empty, or a library is missing.
        ModelFileError: The file does not answer as Keras does; nothing is left behind.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder exists and is not empty", where=str(folder), hint="Give a new one with --out.")
    chosen = FORMATS[name]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / chosen.file
    try:
        with quiet():
            model = predictor.keras_model()
            chosen.write(model, predictor, path)
        found = compared(name, path, model, chosen.load, images)
        write_json(folder / LABELS_FILE, labels_of(predictor, name))
        (folder / CARD_FILE).write_text(model_card(predictor, found, figures), encoding="utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return found


def _serving(model: Any, predictor: Predictor) -> Any:
    """A TensorFlow function from "images", uint8 (n, height, width, channels), to "probabilities"."""
    import tensorflow as tf

    image = predictor.card.plan.image
    signature = [tf.TensorSpec((None, image.height, image.width, image.channels), tf.uint8, name="images")]
    return tf.function(
        lambda images: {"probabilities": model(tf.cast(images, tf.float32), training=False)}, input_signature=signature
    )


def _write_keras(model: Any, predictor: Predictor, path: Path) -> None:
    model.save(path)


def _write_saved_model(model: Any, predictor: Predictor, path: Path) -> None:
    import keras

    serving = _serving(model, predictor)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serving.python_function, input_signature=serving.input_signature)
    archive.write_out(str(path), verbose=False)


def _write_tflite(model: Any, predictor: Predictor, path: Path) -> None:
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        _write_saved_model(model, predictor, Path(folder) / "model")
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(Path(folder) / "model")).convert())


def _write_onnx(model: Any, predictor: Predictor, path: Path) -> None:
    convert = runtimes.needed("tf2onnx").convert
    onnx = runtimes.needed("onnx")
    serving = _serving(model, predictor)
    handlers: dict[str, tuple[Any, list[str]]] = {"Erfc": (_erfc, [])}
    content, _ = convert.from_function(
        serving, input_signature=serving.input_signature, opset=OPSET, custom_op_handlers=handlers
    )
    # Constants that a layer holds, such as means of channels, come out as inputs of the graph.
    captured = {place.name: value for value, place in serving.get_concrete_function().graph.captures}
    for given in [given for given in content.graph.input if given.name != "images"]:
        content.graph.initializer.append(onnx.numpy_helper.from_array(captured[given.name].numpy(), given.name))
        content.graph.input.remove(given)
    onnx.helper.set_model_props(content, {"labels": json.dumps(labels_of(predictor, "onnx"), ensure_ascii=False)})
    onnx.checker.check_model(content)
    path.write_bytes(content.SerializeToString())


def _erfc(graph: Any, node: Any, name: str, arguments: Any) -> None:
    """Map TensorFlow's Erfc, in the exact GELU, to 1 - Erf: ONNX has none of its own, and tf2onnx knows no way."""
    output, given = node.output[0], list(node.input)
    kind = {"shapes": [graph.get_shape(output)], "dtypes": [graph.get_dtype(output)]}
    graph.remove_node(node.name)
    one = graph.make_const(f"{name}/one", np.ones((), np.float32))
    erf = graph.make_node("Erf", given, **kind)
    graph.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], **kind)


#: The formats by name.
FORMATS = {
    "keras": Format("model.keras", _write_keras, runtimes.keras_file),
    "savedmodel": Format("saved_model", _write_saved_model, runtimes.saved_model),
    "onnx": Format("model.onnx", _write_onnx, runtimes.onnx_file),
    "tflite": Format("model.tflite", _write_tflite, runtimes.tflite_file),
}
